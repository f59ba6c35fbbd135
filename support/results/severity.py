"""How severe a failure is: the tag of its scenario, or the `severity` of its case (docs/severities.md)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Severity = Literal["blocker", "critical", "normal", "minor", "trivial"]
# The most severe first.
SEVERITIES: tuple[Severity, ...] = ("blocker", "critical", "normal", "minor", "trivial")
DEFAULT: Severity = "normal"


def severity_of_tags(tags: Collection[str]) -> Severity:
    """That of a scenario with these tags (without @); without any of them it is `normal`."""
    return next((severity for severity in SEVERITIES if severity in tags), DEFAULT)


def rank(severity: Severity) -> int:
    """0 for a blocker, then upwards: for sorting."""
    return SEVERITIES.index(severity)
