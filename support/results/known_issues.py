"""Known differences between a version of a program and the contract, listed with their source.

A listed failure is reported as a known issue and does not fail the run; a listed check or scenario that
passes does, so that the list stays true.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from support.errors import SettingsError
from support.name_registry import unknown

FILE = Path("known_issues.toml")
TABLE = "known_issue"
REQUIRED_KEYS = frozenset({"target", "versions", "reason", "source"})
# What is listed: ids of checks, full titles of scenarios that run no group of checks.
LISTS = ("checks", "scenarios")
# True for a race: it may pass as well.
FLAKY = "flaky"


@dataclass(frozen=True)
class KnownIssue:
    """One listed check (by id) or scenario (by full title) of a program in some versions.

    `reason`: what the program does instead; `source`: where that is documented. `flaky`: it fails at random,
    so that a pass is no contradiction.
    """

    target: str
    versions: SpecifierSet
    reason: str
    source: str
    check: str = ""
    scenario: str = ""
    flaky: bool = False

    def applies_to(self, program: str, version: str) -> bool:
        """Whether it is listed for this version; an unknown one has no known issues."""
        try:
            return self.target == program and self.versions.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False

    @property
    def contradiction(self) -> str:
        """The failure of what is listed and passed."""
        return (
            f"listed in known_issues.toml as a known issue of {self.target} {self.versions} ({self.reason}), "
            "but it passed; remove the entry"
        )


class KnownIssues:
    """The list, by program, version and id or title."""

    def __init__(self, entries: Iterable[KnownIssue]) -> None:
        self.entries = tuple(entries)

    @classmethod
    def load(cls, file: Path = FILE) -> KnownIssues:
        """Read the list; raises `SettingsError` in one line. No file, no known issues."""
        if not file.exists():
            return cls(())
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            if set(document) - {TABLE}:
                raise ValueError(f"entries are [[{TABLE}]], not {sorted(document)}")
            entries = [entry for row in document.get(TABLE, []) for entry in _entries(row)]
        except (tomllib.TOMLDecodeError, OSError, TypeError, InvalidSpecifier, ValueError) as error:
            raise SettingsError(f"{file}: cannot be read ({error}); correct the entry") from None
        return cls(entries)

    def find(self, components: Iterable[tuple[str, str]], name: str) -> KnownIssue | None:
        """The entry of a check (id) or a scenario (title) on one of these programs (name, version)."""
        listed = [entry for entry in self.entries if name == (entry.check or entry.scenario)]
        applying = (
            entry for program, version in components for entry in listed if entry.applies_to(program, version)
        )
        return next(applying, None)

    def require_existing(
        self, checks: Collection[str], titles: Collection[str], group_titles: Collection[str]
    ) -> None:
        """Raises `SettingsError` for an id or a title that does not exist, or that of a group's scenario."""
        for entry in self.entries:
            if entry.check and entry.check not in checks:
                raise SettingsError(f"{FILE}: {unknown('check', entry.check, checks)}; correct the entry")
            if entry.scenario in group_titles:
                raise SettingsError(
                    f"{FILE}: the scenario {entry.scenario!r} runs a group of checks; "
                    "list the ids of its checks instead"
                )
            if entry.scenario and entry.scenario not in titles:
                raise SettingsError(
                    f"{FILE}: {unknown('scenario', entry.scenario, titles)}; correct the entry"
                )


def _entries(row: dict[str, object]) -> Iterable[KnownIssue]:
    keys = set(row)
    if keys - {FLAKY, *LISTS} != REQUIRED_KEYS or not keys & set(LISTS):
        raise ValueError(
            f"an entry has the keys {sorted(REQUIRED_KEYS)} and `checks` or `scenarios`, not {sorted(row)}"
        )
    flaky = row.get(FLAKY, False)
    if not isinstance(flaky, bool):
        raise ValueError(f"`{FLAKY}` is true or false")
    for kind in LISTS:
        names = row.get(kind, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"`{kind}` is a list of {'ids' if kind == 'checks' else 'titles'}")
        for name in names:
            yield KnownIssue(
                target=str(row["target"]),
                versions=SpecifierSet(str(row["versions"])),
                reason=str(row["reason"]),
                source=str(row["source"]),
                check=name if kind == "checks" else "",
                scenario=name if kind == "scenarios" else "",
                flaky=flaky,
            )
