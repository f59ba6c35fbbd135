"""The list of the selected scenarios: requirements, whether those are met, and the cases of groups."""

from __future__ import annotations

from collections.abc import Sequence

from support.conformance.case_table import require_checks
from support.results.behave_types import BehaveFeature, BehaveScenario
from support.results.safe_text import counted
from support.runner.behave_config import plain_configuration, settings_of, usage_errors
from support.runner.checks_of_scenarios import require_groups, selected_checks
from support.runner.requirements import missing_requirement
from support.runner.scenario_runner import ScenarioRunner
from support.runner.signals import Signals
from support.servers.discovery import CommandTarget, Target, preview
from support.settings import Settings

CHECKED_AT_START = "checked when the run starts"


def list_features(argv: Sequence[str]) -> None:
    """Print what is selected, without starting anything; raises `SettingsError`."""
    with usage_errors():
        configuration = plain_configuration(argv)
        settings = settings_of(configuration).settings
        target = preview(settings)
        runner = ScenarioRunner(configuration, Signals())
        scenarios = runner.selected()
        require_groups(scenarios)
        require_checks(sorted(settings.selected_checks), "acceptance_cases")
        scenarios = runner.selected_by_cases(scenarios, settings.selected_checks)
        print("\n".join(listing(scenarios, settings, target)))


def listing(scenarios: Sequence[BehaveScenario], settings: Settings, target: Target) -> list[str]:
    """Lines for a terminal; the last one has the counts."""
    lines = [f"Target:   {target.label}", f"Why:      {target.why}"]
    feature: BehaveFeature | None = None
    unmet = 0
    for scenario in scenarios:
        if scenario.feature is not feature:
            feature = scenario.feature
            lines += ["", f"{feature.name} ({scenario.filename})"]
        tags = sorted(map(str, scenario.effective_tags))
        shown = " ".join(f"@{tag}" for tag in tags if not tag.startswith("needs."))
        lines.append(f"  {scenario.filename}:{scenario.line}  {scenario.name}  {shown}".rstrip())
        missing = False
        for need in (tag for tag in tags if tag.startswith("needs.")):
            reason = missing_requirement([need], settings, target)
            missing = missing or reason is not None
            lines.append(f"      {need.removeprefix('needs.')}: {_state(need, reason, target)}")
        unmet += missing
        lines += [
            f"      {check.id}: {check.title}"
            for check in selected_checks(scenario, settings.selected_checks)
        ]
    outcome = "would fail" if settings.acceptance_strict else "would be skipped"
    lines += ["", f"{counted(len(scenarios), 'scenario')} selected, {unmet} {outcome} for an unmet need"]
    return lines


def _state(need: str, reason: str | None, target: Target) -> str:
    if reason is not None:
        return f"unmet, {reason}"
    return (
        CHECKED_AT_START
        if need == "needs.scripted_model" and not isinstance(target, CommandTarget)
        else "met"
    )
