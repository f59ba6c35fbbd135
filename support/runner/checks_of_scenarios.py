"""Which scenario runs which group of checks, and whether ids and titles that were named exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from behave.runner_util import collect_feature_locations, parse_features

from support.conformance.case_table import CaseError, Check, all_checks, check_ids, group, require_checks
from support.errors import SettingsError
from support.reporting.behave_events import location_of
from support.results.accepted_issues import AcceptedIssues, problem_with_id
from support.results.behave_types import BehaveFeature, BehaveScenario
from support.results.known_issues import KnownIssues
from support.runner.time_limits import SCENARIO_SECONDS, budget_of_tags
from support.settings import AUTO_PROFILE, ResolvedSettings, Settings

FEATURES = "features"
# A check has as long as one response and what comes with it (a health check, other servers) may take.
CHECK_SECONDS = 30.0
_GROUP_STEP = re.compile(r'the "(?P<group>[^"]+)" cases of the (?P<api>\w+) API are run')


def group_of(scenario: BehaveScenario) -> tuple[str, str] | None:
    """API and group of a scenario that runs a group of checks, else None."""
    found = (_GROUP_STEP.fullmatch(str(step.name)) for step in scenario.all_steps)
    return next(((match["api"].lower(), match["group"]) for match in found if match), None)


def selected_checks(scenario: BehaveScenario, ids: Collection[str]) -> list[Check]:
    """The checks that the scenario runs: all of its group, or those of `ids` (`--case`) where given."""
    found = group_of(scenario)
    return [check for check in group(*found) if not ids or check.id in ids] if found else []


def leave_out_other_groups(scenarios: Iterable[BehaveScenario], ids: Collection[str]) -> list[BehaveScenario]:
    """The scenarios without those that run a group, but none of these checks; without ids all of them."""
    kept = []
    for scenario in scenarios:
        if ids and group_of(scenario) and not selected_checks(scenario, ids):
            scenario.mark_skipped()
            # Without a reason, as one that is not selected.
            scenario.skip_reason = None
        else:
            kept.append(scenario)
    return kept


def checks_without_scenario(scenarios: Iterable[BehaveScenario], ids: Collection[str]) -> list[str]:
    """Those of these checks that none of the scenarios runs."""
    run = {check.id for scenario in scenarios for check in selected_checks(scenario, ids)}
    return sorted({*ids} - run)


def require_groups(scenarios: Iterable[BehaveScenario]) -> None:
    """Raises `SettingsError` for a scenario that runs a group that does not exist."""
    for scenario in scenarios:
        found = group_of(scenario)
        try:
            if found is not None:
                group(*found)
        except CaseError as error:
            raise SettingsError(f"{location_of(scenario)}: {error}") from None


def budget_of_scenario(scenario: BehaveScenario) -> float | None:
    """The seconds of its `@budget` tag, or those of its checks; None where it has neither."""
    own = budget_of_tags(scenario.tags, scenario.effective_tags)
    if own is not None:
        return own
    found = group_of(scenario)
    return None if found is None else max(SCENARIO_SECONDS, CHECK_SECONDS * len(group(*found)))


def require_existing(
    known_issues: KnownIssues, loaded: Sequence[BehaveFeature], accepted: AcceptedIssues | None = None
) -> None:
    """Raises `SettingsError` when one of the lists names a check or a scenario that does not exist.

    `loaded` are the features of this run; the others are read only when a title is not among theirs.
    """
    scenarios = list(_scenarios(loaded))
    listed = {entry.scenario for entry in known_issues.entries if entry.scenario}
    accepted = accepted or AcceptedIssues()
    listed |= {entry.id for entry in accepted.entries}
    if listed - {str(scenario.name) for scenario in scenarios}:
        scenarios = list(_scenarios(all_features(loaded)))
    checks = check_ids() if accepted.entries or any(entry.check for entry in known_issues.entries) else ()
    titles = {str(scenario.name) for scenario in scenarios}
    groups = {str(scenario.name) for scenario in scenarios if group_of(scenario)}
    known_issues.require_existing(checks=checks, titles=titles, group_titles=groups)
    accepted.require_existing({*checks, *titles} - groups, groups)


def require_accepted(
    resolved: ResolvedSettings, known_issues: KnownIssues, features: Sequence[BehaveFeature]
) -> AcceptedIssues:
    """What is accepted today; raises `SettingsError` for a wrong entry of it or of the known issues."""
    file, origin = resolved.settings.acceptance_accepted, resolved.origins.get("acceptance_accepted")
    accepted = AcceptedIssues.load(file, origin)
    accepted.require_current(datetime.now().astimezone().date())
    require_existing(known_issues, features, accepted)
    return accepted


def known_ids() -> frozenset[str]:
    """What can be accepted: the ids of checks, and the titles of scenarios that run none."""
    titles = (str(scenario.name) for scenario in _scenarios(all_features()) if not group_of(scenario))
    return check_ids() | frozenset(titles)


def require_acceptable(name: str) -> None:
    """Raises `SettingsError` unless it is the id of a check or the title of a scenario that runs none."""
    if problem := problem_with_id(name, known_ids(), titles_of_groups().values()):
        raise SettingsError(f"accept: {problem}; `acceptance run --list` lists all ids and titles")


def unselected(
    features: Iterable[BehaveFeature], scenarios: Iterable[BehaveScenario]
) -> list[BehaveScenario]:
    """The scenarios of these features without `scenarios`."""
    selected = {str(scenario.name) for scenario in scenarios}
    return [scenario for scenario in _scenarios(features) if str(scenario.name) not in selected]


def titles_of_groups() -> dict[tuple[str, str], str]:
    """The title of the scenario that runs a group, by API and group."""
    found = ((group_of(scenario), str(scenario.name)) for scenario in _scenarios(all_features()))
    return {key: title for key, title in found if key is not None}


def files_of_titles() -> dict[str, str]:
    """The feature file of each scenario, by title, in the order of a run."""
    return {
        str(scenario.name): str(feature.filename)
        for feature in all_features()
        for scenario in feature.walk_scenarios()
    }


def titles_of_checks(ids: Sequence[str]) -> list[str]:
    """The titles of the scenarios that run these checks; raises `SettingsError` for an unknown id."""
    require_checks(ids, "--case")
    titles, checks = titles_of_groups(), all_checks()
    groups = dict.fromkeys((name.partition(".")[0], checks[name].group) for name in ids)
    missing = next((found for found in groups if found not in titles), None)
    if missing is not None:
        raise SettingsError(
            f"no scenario below {FEATURES}/ runs the group {missing[1]!r} of the API {missing[0]!r}"
        )
    return [titles[found] for found in groups]


def all_features(loaded: Sequence[BehaveFeature] = ()) -> list[BehaveFeature]:
    """The features that are loaded, and those below `features/` that are not."""
    if not Path(FEATURES).is_dir():
        return list(loaded)
    known = {Path(feature.filename).absolute() for feature in loaded}
    others = collect_feature_locations([FEATURES])
    return [
        *loaded,
        *parse_features([place for place in others if Path(place.filename).absolute() not in known]),
    ]


def _scenarios(features: Iterable[BehaveFeature]) -> Iterable[BehaveScenario]:
    return (scenario for feature in features for scenario in feature.walk_scenarios())


def require_thresholds(settings: Settings) -> None:
    """Raises `SettingsError` for a profile or a file of thresholds that cannot be used."""
    if settings.performance_thresholds is None and settings.performance_profile == AUTO_PROFILE:
        return
    # Not at the top: scipy comes with it, which few runs need here.
    from support.performance.thresholds import load_profile

    load_profile(settings.performance_profile, settings.performance_thresholds)
