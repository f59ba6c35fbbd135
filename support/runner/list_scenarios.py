"""What would run, with what it needs and whether that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from support.runner.requirements import missing_requirement
from support.servers.discovery import CommandTarget, Target
from support.settings import Settings

CHECKED_AT_START = "the server is asked when the run starts"


class ListedFeature(Protocol):
    """The attributes of behave's Feature that are read here."""

    name: str


class ListedScenario(Protocol):
    """The attributes of behave's Scenario that are read here."""

    name: str
    feature: ListedFeature
    effective_tags: Sequence[str]
    filename: str
    line: int


def listing(scenarios: Sequence[ListedScenario], settings: Settings, target: Target) -> list[str]:
    """Lines for a terminal; the last one has the counts."""
    lines = [f"Target:   {target.label}", f"Why:      {target.why}"]
    feature: ListedFeature | None = None
    lacking = 0
    for scenario in scenarios:
        if scenario.feature is not feature:
            feature = scenario.feature
            lines += ["", f"{feature.name} ({scenario.filename})"]
        tags = sorted(map(str, scenario.effective_tags))
        words = " ".join(f"@{tag}" for tag in tags if not tag.startswith("needs."))
        lines.append(f"  {scenario.filename}:{scenario.line}  {scenario.name}  {words}".rstrip())
        missing = False
        for need in (tag for tag in tags if tag.startswith("needs.")):
            reason = missing_requirement([need], settings, target, has_scripted_model=True)
            missing = missing or reason is not None
            lines.append(f"      {need.removeprefix('needs.')}: {_state(need, reason, target)}")
        lacking += missing
    outcome = "would fail" if settings.acceptance_strict else "would be skipped"
    lines += ["", f"{len(scenarios)} scenarios selected, {lacking} {outcome} for an unmet need"]
    return lines


def _state(need: str, reason: str | None, target: Target) -> str:
    if reason is not None:
        return f"unmet, {reason}"
    return CHECKED_AT_START if need == "needs.speaking" and not isinstance(target, CommandTarget) else "met"
