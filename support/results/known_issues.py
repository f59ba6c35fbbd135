"""Known differences between a target's version and the contract, listed with their source.

A listed failure is shown as a known issue and does not gate; a listed scenario that passes is a surprise
and fails, so that the list stays true.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from support.errors import SettingsError

FILE = Path("known_issues.toml")
KEYS = frozenset({"target", "versions", "scenarios", "why", "source"})
# True for a race: the scenario may pass as well.
SOMETIMES = "sometimes"


@dataclass(frozen=True)
class KnownIssue:
    """One entry: whose (program and versions), which scenario (full title), why, and where it is told.

    `sometimes`: it fails by chance, so a pass is no surprise.
    """

    target: str
    versions: SpecifierSet
    scenario: str
    why: str
    source: str
    sometimes: bool = False


class KnownIssues:
    """The list, asked by program, version and scenario title."""

    def __init__(self, entries: Iterable[KnownIssue]) -> None:
        self.entries = tuple(entries)

    @classmethod
    def load(cls, file: Path = FILE) -> KnownIssues:
        """Read the list; raises `SettingsError` in one line. No file, no deviations."""
        if not file.exists():
            return cls(())
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            if set(document) - {"deviation"}:
                raise ValueError(f"entries are [[deviation]], not {sorted(document)}")
            entries = [entry for row in document.get("deviation", []) for entry in _entries(row)]
        except (tomllib.TOMLDecodeError, OSError, TypeError, InvalidSpecifier, ValueError) as error:
            raise SettingsError(f"{file}: cannot be read ({error}); correct the entry") from None
        return cls(entries)

    def find(self, program: str, version: str, scenario: str) -> KnownIssue | None:
        """The entry that foretells a failure of this scenario on this target, or None."""
        return self._first(program, version, lambda title: title == scenario)

    def find_for_case(self, program: str, version: str, case: str) -> KnownIssue | None:
        """The same for a case of an API, whose scenario is called `In the ... API <case>`."""
        return self._first(program, version, lambda title: title.endswith(f" API {case}"))

    def _first(self, program: str, version: str, matches: Callable[[str], bool]) -> KnownIssue | None:
        try:
            number = Version(version)
        except InvalidVersion:
            return None
        for entry in self.entries:
            applies = entry.target == program and entry.versions.contains(number, prereleases=True)
            if applies and matches(entry.scenario):
                return entry
        return None


def _entries(row: dict[str, object]) -> Iterable[KnownIssue]:
    if set(row) - {SOMETIMES} != KEYS:
        raise ValueError(f"an entry has the keys {sorted(KEYS)}, not {sorted(row)}")
    scenarios, sometimes = row["scenarios"], row.get(SOMETIMES, False)
    if not isinstance(sometimes, bool):
        raise ValueError(f"`{SOMETIMES}` is true or false")
    if not isinstance(scenarios, list):
        raise ValueError("`scenarios` is a list of titles")
    for scenario in scenarios:
        yield KnownIssue(
            target=str(row["target"]),
            versions=SpecifierSet(str(row["versions"])),
            scenario=str(scenario),
            why=str(row["why"]),
            source=str(row["source"]),
            sometimes=sometimes,
        )
