"""The list of the selected scenarios: requirements, whether those are met, and the cases of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from support.conformance.case_table import Check, require_checks
from support.conformance.missing_routes import may_lack
from support.errors import TargetError
from support.reporting.behave_events import capability_of
from support.results.behave_types import BehaveFeature, BehaveScenario
from support.results.known_issues import KnownIssues
from support.results.program_version import GATEWAY
from support.results.safe_text import counted
from support.runner.behave_config import plain_configuration, require_usable, settings_of, usage_errors
from support.runner.checks_of_scenarios import all_features, require_accepted, require_groups, selected_checks
from support.runner.requirements import (
    SCRIPTED_MODEL,
    Requirements,
    find_target,
    is_installed_at_start,
)
from support.runner.scenario_runner import ScenarioRunner
from support.runner.signals import Signals
from support.servers.capabilities import CAPABILITIES
from support.servers.discovery import Target, UrlTarget, unidentified
from support.servers.endpoints import NATIVE_APIS, missing_model
from support.servers.ollama_backends import NEEDS_OLLAMA, NEEDS_OLLAMA_API, examined, url_under_test
from support.servers.preconditions import require_surroundings
from support.settings import ResolvedSettings

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
        print("\n".join(listing(scenarios, _requirements(scenarios, resolved))))


def _requirements(scenarios: Sequence[BehaveScenario], resolved: ResolvedSettings) -> Requirements:
    """As a run finds them, with its requests to URLs; `target.why` has what would end a run at once."""
    target, settings = None, resolved.settings
    try:
        target = find_target(scenarios, resolved)
        tags = {str(tag) for scenario in scenarios for tag in scenario.effective_tags}
        require_surroundings(tags, resolved, target)
        urls = {NEEDS_OLLAMA_API: url_under_test(settings), NEEDS_OLLAMA: settings.ollama_url}
        found = {url: examined(url, settings) for tag, url in urls.items() if tag in tags and url}
    except TargetError as error:
        target = target or unidentified(settings, resolved.origins)
        return Requirements(settings, replace(target, why=f"{target.why}; a run would end at once: {error}"))
    if isinstance(target, UrlTarget) and target.first_answer_failure:
        failure = target.first_answer_failure.splitlines()[0]
        target = replace(target, why=f"{target.why}; {failure}")
    return Requirements(settings, target, found)


def listing(scenarios: Sequence[BehaveScenario], requirements: Requirements) -> list[str]:
    """Lines for a terminal; the last one has the counts."""
    settings, target = requirements.settings, requirements.target
    lines = [f"Target:   {target.label}", f"Why:      {target.why}"]
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
            if is_installed_at_start(need, settings):
                states.append(INSTALLED_AT_START)
                lines.append(f"      {need.removeprefix('needs.')}: {INSTALLED_AT_START}")
                continue
            missing = missing or reason is not None
            states.append(_state(need, reason, target))
            lines.append(f"      {need.removeprefix('needs.')}: {states[-1]}")
        checks = selected_checks(scenario, settings.selected_checks)
        unsupported = requirements.missing_gateway_of(scenario) or _unsupported(checks, requirements)
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


def _unsupported(checks: Sequence[Check], requirements: Requirements) -> str | None:
    """Why the server has the model or the route of no check of a group; with `strict` of not each one."""
    reasons = [reason for check in checks if (reason := _missing_part(check, requirements)) is not None]
    found = "; ".join(dict.fromkeys(reasons))
    if len(reasons) == len(checks):
        return found or None
    is_counted = reasons and requirements.settings.acceptance_strict
    return f"{len(reasons)} of {len(checks)} checks: {found}" if is_counted else None


def _missing_part(check: Check, requirements: Requirements) -> str | None:
    """The model or the route of a check that its server does not have, or None."""
    settings = requirements.settings
    target, unloads = requirements.target, False
    if check.api in NATIVE_APIS:
        return missing_model(target, check.model, embedding_model=settings.target_embedding_model)
    if settings.ollama_api == "gateway":
        reason, program = missing_model(target, check.model), GATEWAY
        unloads = not CAPABILITIES["needs.own_routes"].is_missing_in(target.program, target.version)
    elif server := requirements.examined.get(url_under_test(settings) or ""):
        reason, program = server.missing_model(check.model), server.program
    else:
        return None
    route = may_lack(program, check, unloads=unloads)
    return reason or (None if route is None else route.reason)


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
