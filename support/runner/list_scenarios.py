"""The list of the selected scenarios: requirements, whether those are met, and the cases of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from support.conformance.case_table import Check, require_checks
from support.conformance.missing_routes import may_lack
from support.errors import TargetError
from support.programs.install import find_uv
from support.reporting.behave_events import capability_of
from support.results.behave_types import BehaveFeature, BehaveScenario
from support.results.known_issues import KnownIssues
from support.results.program_version import GATEWAY
from support.results.safe_text import counted
from support.runner.behave_config import plain_configuration, require_usable, settings_of, usage_errors
from support.runner.checks_of_scenarios import all_features, require_accepted, require_groups, selected_checks
from support.runner.requirements import (
    NEEDS_AIDER,
    SCRIPTED_MODEL,
    Requirements,
    find_target,
    lacks_aider,
)
from support.runner.scenario_runner import ScenarioRunner
from support.runner.signals import Signals
from support.servers.capabilities import CAPABILITIES
from support.servers.discovery import Target, UrlTarget, unidentified
from support.servers.endpoints import missing_model
from support.servers.preconditions import require_surroundings
from support.settings import ResolvedSettings, Settings

CHECKED_AT_START = "checked when the run starts"
INSTALLED_AT_START = "installed when the run starts"


def list_features(argv: Sequence[str]) -> None:
    """Print what is selected, without starting a server of the suite; raises `SettingsError`."""
    with usage_errors():
        configuration = plain_configuration(argv)
        require_usable(configuration)
        resolved = settings_of(configuration)
        settings = resolved.settings
        runner = ScenarioRunner(configuration, Signals())
        scenarios = runner.selected()
        require_groups(scenarios)
        require_checks(sorted(settings.selected_checks), "acceptance_cases")
        scenarios = runner.selected_by_cases(scenarios, settings.selected_checks)
        known_issues = KnownIssues(()) if settings.acceptance_gate == "strict" else KnownIssues.load()
        require_accepted(resolved, known_issues, all_features(runner.features))
        print("\n".join(listing(scenarios, settings, _target(scenarios, resolved))))


def _target(scenarios: Sequence[BehaveScenario], resolved: ResolvedSettings) -> Target:
    """As a run finds it, with its requests to a URL; `why` has what would end a run at once."""
    target = None
    try:
        target = find_target(scenarios, resolved)
        tags = {str(tag) for scenario in scenarios for tag in scenario.effective_tags}
        require_surroundings(tags, resolved, target)
    except TargetError as error:
        target = target or unidentified(resolved.settings, resolved.origins)
        return replace(target, why=f"{target.why}; a run would end at once: {error}")
    if isinstance(target, UrlTarget) and target.first_answer_failure:
        failure = target.first_answer_failure.splitlines()[0]
        return replace(target, why=f"{target.why}; {failure}")
    return target


def listing(scenarios: Sequence[BehaveScenario], settings: Settings, target: Target) -> list[str]:
    """Lines for a terminal; the last one has the counts."""
    lines = [f"Target:   {target.label}", f"Why:      {target.why}"]
    requirements = Requirements(settings, target)
    feature: BehaveFeature | None = None
    skipped = outside = unchecked = 0
    for scenario in scenarios:
        if scenario.feature is not feature:
            feature = scenario.feature
            lines += ["", f"{feature.name} ({scenario.filename})"]
        tags = sorted(map(str, scenario.effective_tags))
        shown = " ".join(f"@{tag}" for tag in tags if not tag.startswith("needs."))
        lines.append(f"  {scenario.filename}:{scenario.line}  {scenario.name}  {shown}".rstrip())
        out = settings.scope.reason_outside(capability_of(str(scenario.filename)), scenario.name)
        lines += [f"      {out}"] if out else []
        missing, states = False, []
        for need in (tag for tag in tags if tag.startswith("needs.")):
            reason = requirements.missing([need])
            if need == NEEDS_AIDER and lacks_aider(settings) and find_uv():
                states.append(INSTALLED_AT_START)
                lines.append(f"      aider: {INSTALLED_AT_START}")
                continue
            missing = missing or reason is not None
            states.append(_state(need, reason, target))
            lines.append(f"      {need.removeprefix('needs.')}: {states[-1]}")
        checks = selected_checks(scenario, settings.selected_checks)
        unsupported = requirements.missing_model_of(scenario) or _unsupported(checks, settings, target)
        lines += [f"      unsupported, {unsupported}"] if unsupported else []
        outside += out is not None
        skipped += out is None and (missing or unsupported is not None)
        unchecked += CHECKED_AT_START in states and not (out or missing or unsupported)
        lines += [f"      {check.id}: {check.title}" for check in checks]
    outcome = "would fail" if settings.acceptance_strict else "would be skipped"
    numbers = [f"{counted(len(scenarios), 'scenario')} selected", f"{skipped} {outcome} for an unmet need"]
    numbers += [f"{unchecked} with a need that is {CHECKED_AT_START}"] if unchecked else []
    numbers += [f"{outside} out of scope"] if outside else []
    return [*lines, "", ", ".join(numbers)]


def _unsupported(checks: Sequence[Check], settings: Settings, target: Target) -> str | None:
    """Why the bundled gateway has the model or the route of no check of a group, or None."""
    if settings.ollama_api != "gateway" or not checks or checks[0].api != "ollama":
        return None
    reasons = [missing_model(target, check.model) or _missing_route(check) for check in checks]
    found = list(dict.fromkeys(reason for reason in reasons if reason is not None))
    return None if None in reasons else "; ".join(found)


def _missing_route(check: Check) -> str | None:
    route = may_lack(GATEWAY, check)
    return None if route is None else route.reason


def _state(need: str, reason: str | None, target: Target) -> str:
    if reason is not None:
        return f"unmet, {reason}"
    # A server that responded has listed its models.
    at_start = (
        isinstance(target, UrlTarget)
        and not target.models
        and (need == SCRIPTED_MODEL or (need in CAPABILITIES and target.is_version_unknown))
    )
    return CHECKED_AT_START if at_start else "met"
