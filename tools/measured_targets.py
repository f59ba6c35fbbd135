"""The targets of a measurement that are there; a missing one is a line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator

from support.errors import TargetError
from support.servers.discovery import Target, discover
from support.settings import ResolvedSettings, load_settings
from support.suite import RunContext


def targets(*names: str) -> Iterator[tuple[str, Target, ResolvedSettings]]:
    """Of `reference` and `real`, in this order."""
    for name in names:
        in_force = load_settings({"acceptance_target": name})
        try:
            found = discover(in_force.settings)
        except TargetError as error:
            print(f"measure: {error}", file=sys.stderr)
        else:
            yield name, found, in_force


def suites(*names: str) -> Generator[RunContext]:
    """A run for each of them, which ends before the next one begins."""
    for _, target, in_force in targets(*names):
        suite = RunContext(in_force, target)
        try:
            yield suite
        finally:
            suite.close()
