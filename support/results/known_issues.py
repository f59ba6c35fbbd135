"""Known differences between a version of a program and the contract, listed with their source.

A listed failure is reported as a known issue and does not fail the run. What is listed and fails in another
way does, and so does a listed check or scenario that passes: the list stays true.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from support.errors import SettingsError
from support.name_registry import unknown
from support.user_files import problem_of, read_regular_file, remedy_of

FILE = Path("known_issues.toml")
TABLE = "known_issue"
FAILURE = "failure"
# How the text of what is listed begins where it fails in another way.
NEW_FAILURE = "a new failure"
REQUIRED_KEYS = frozenset({"target", "versions", "reason", "source", FAILURE})
# What is listed: ids of checks, full titles of scenarios that run no group of checks. Beside it the key of a
# failure that is its place: a check fails in a layer, a scenario in a step.
PLACES = {"checks": "layer", "scenarios": "step"}
PATTERN = "pattern"
# Where a check may fail, in the order in which a response is looked at; `server`: it died or panicked.
LAYERS = (
    *("server", "transport", "missing route", "status", "headers", "framing", "JSON"),
    *("official type", "contract", "invariants", "model", "request field", "expectation"),
    *("leaked internals", "repetition"),
    # The case after a destructive one, and what a sequence compares itself.
    *("health check", "sequence"),
)
# True for a race: it may pass as well.
FLAKY = "flaky"
# New failures of one check or scenario that are shown.
SHOWN = 3
# Texts that no failure is: a pattern that is found in one of them is found in nearly every failure.
FOREIGN_TEXTS = (
    *("", " ", "\n", "a", "Z", "0", "_", ".", ":", "'"),
    "expected something, got something else\nanswer: anything",
)


@dataclass(frozen=True)
class ExpectedFailure:
    """How something listed fails. `where`: a layer, or the text of a step; `pattern`: of the text there."""

    where: str
    pattern: re.Pattern[str]

    def covers(self, failure: tuple[str, str]) -> bool:
        """Whether a failure (where, text) is this one."""
        where, text = failure
        return where == self.where and self.pattern.search(text) is not None

    def __str__(self) -> str:
        return f"{self.where}: /{self.pattern.pattern}/"


@dataclass(frozen=True)
class KnownIssue:
    """One listed check (by id) or scenario (by full title) of a program in some versions.

    `reason`: what the program does instead; `source`: where that is documented. `failures`: how it fails, one
    of them or several at once. `flaky`: it fails at random, so that a pass is no contradiction.
    """

    target: str
    versions: SpecifierSet
    reason: str
    source: str
    failures: tuple[ExpectedFailure, ...]
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
    def limits(self) -> str:
        """The versions, the lowest first: `>=0.8.1,<=0.9.2`."""
        limits = sorted(self.versions, key=lambda limit: Version(limit.version.removesuffix(".*")))
        return ",".join(map(str, limits))

    def covers(self, failure: tuple[str, str]) -> bool:
        """Whether a failure (where, text) is one of those that are listed."""
        return any(expected.covers(failure) for expected in self.failures)

    def __str__(self) -> str:
        return f"{f'{self.target} {self.limits}'.rstrip()} ({self.reason}; {self.source})"


@dataclass(frozen=True)
class Listing:
    """The entries that list one check or scenario on the programs under test; none where it is not listed."""

    entries: tuple[KnownIssue, ...] = ()

    @property
    def contradiction(self) -> str:
        """The failure of what is listed and passed; empty when it may pass."""
        entry = next((entry for entry in self.entries if not entry.flaky), None)
        if entry is None:
            return ""
        return (
            f"listed in {FILE} as a known issue of {entry.target} {entry.limits} ({entry.reason}), "
            "but it passed; remove the entry"
        )

    def difference(self, failures: Sequence[tuple[str, str]]) -> str:
        """Why these failures (where, text) are not the listed ones; empty when every one is covered.

        The entries and what came instead of their failures first, then the failures that they expect.
        """
        new = [failure for failure in failures if not self._covers(failure)]
        if failures and not new:
            return ""
        expected = " or ".join(
            dict.fromkeys(str(failure) for entry in self.entries for failure in entry.failures)
        )
        listed = "; ".join(map(str, self.entries))
        found = "in addition to" if len(new) < len(failures) else "instead of"
        left_out = [f"... and {len(new) - SHOWN} more"] if len(new) > SHOWN else []
        shown = "\n".join(
            [*(f"{where}: {text}" if where else text for where, text in new[:SHOWN]), *left_out]
        )
        return f"{NEW_FAILURE} {found} the known issue of {listed}: {shown}\nexpected failure: {expected}"

    def _covers(self, failure: tuple[str, str]) -> bool:
        return any(entry.covers(failure) for entry in self.entries)

    def covering(self, failures: Iterable[tuple[str, str]]) -> Listing:
        """The entries that list at least one of these failures."""
        found = list(failures)
        return Listing(tuple(entry for entry in self.entries if any(map(entry.covers, found))))

    @property
    def reason(self) -> str:
        return "; ".join(dict.fromkeys(entry.reason for entry in self.entries))

    @property
    def source(self) -> str:
        return ", ".join(dict.fromkeys(entry.source for entry in self.entries))


NOT_LISTED = Listing()


class KnownIssues:
    """The list, by program, version and id or title. Not `applied`: what is listed is only named as such."""

    def __init__(self, entries: Iterable[KnownIssue], *, applied: bool = True) -> None:
        self.entries = tuple(entries)
        self._applied = applied

    @classmethod
    def load(cls, file: Path = FILE) -> KnownIssues:
        """Read the list; raises `SettingsError` in one line. No file, no known issues."""
        if not file.exists():
            return cls(())
        try:
            document = tomllib.loads(read_regular_file(file).decode("utf-8-sig"))
            if set(document) - {TABLE}:
                raise ValueError(f"entries are [[{TABLE}]], not {', '.join(sorted(document))}")
            rows = document.get(TABLE, [])
            if not isinstance(rows, list | dict):
                raise ValueError(f"entries are [[{TABLE}]], not {rows!r}")
            entries = [entry for row in rows for entry in _entries(row)]
        except (tomllib.TOMLDecodeError, OSError, TypeError, InvalidSpecifier, ValueError) as error:
            raise SettingsError(
                f"{file}: cannot be read ({problem_of(error)}); {remedy_of(error, 'correct the entry')}"
            ) from None
        return cls(entries)

    def find(self, components: Iterable[tuple[str, str]], name: str) -> Listing:
        """The entries of a check (id) or a scenario (title) on these programs (name, version)."""
        if not self._applied:
            return NOT_LISTED
        listed = [entry for entry in self.entries if name == (entry.check or entry.scenario)]
        applying = (
            entry for program, version in components for entry in listed if entry.applies_to(program, version)
        )
        return Listing(tuple(dict.fromkeys(applying)))

    def known_elsewhere(self, name: str, failures: Sequence[tuple[str, str]]) -> str:
        """Programs and versions of which these failures are listed, with the reason; empty for new ones.

        For what is not listed for the programs under test: it counts all the same.
        """
        listing = Listing(tuple(entry for entry in self.entries if name == (entry.check or entry.scenario)))
        if not listing.entries or listing.difference(failures):
            return ""
        found = listing.covering(failures)
        programs = dict.fromkeys(
            f"{entry.target} {entry.limits.removeprefix('==')}" for entry in found.entries
        )
        return f"{', '.join(programs)} ({found.reason}; {found.source})"

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
    if keys - {FLAKY, *PLACES} != REQUIRED_KEYS or not keys & set(PLACES):
        raise ValueError(
            f"an entry has the keys {', '.join(sorted(REQUIRED_KEYS))} and `checks` or `scenarios`, not "
            f"{', '.join(sorted(row))}"
        )
    flaky = row.get(FLAKY, False)
    if not isinstance(flaky, bool):
        raise ValueError(f"`{FLAKY}` is true or false")
    failures = _failures(row[FAILURE], {place for kind, place in PLACES.items() if kind in keys})
    for kind, place in PLACES.items():
        names = row.get(kind, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"`{kind}` is a list of {'ids' if kind == 'checks' else 'titles'}")
        for name in names:
            yield KnownIssue(
                target=str(row["target"]),
                versions=SpecifierSet(str(row["versions"])),
                reason=str(row["reason"]),
                source=str(row["source"]),
                failures=failures[place],
                check=name if kind == "checks" else "",
                scenario=name if kind == "scenarios" else "",
                flaky=flaky,
            )


def _failures(value: object, places: Collection[str]) -> dict[str, tuple[ExpectedFailure, ...]]:
    """The failures of an entry by the key of their place; raises ValueError unless each place has one."""
    found: dict[str, list[ExpectedFailure]] = {place: [] for place in places}
    for row in value if isinstance(value, list) else [value]:
        texts = {str(key): text for key, text in row.items()} if isinstance(row, dict) else {}
        place = next((place for place in places if set(texts) == {place, PATTERN}), None)
        if not place or not all(isinstance(text, str) and text.strip() for text in texts.values()):
            allowed = " or ".join(f"{{ {place} = ..., {PATTERN} = ... }}" for place in sorted(places))
            raise ValueError(
                f"`{FAILURE}` is {allowed} with texts that are not empty, or a list, not {row!r}"
            )
        if place == "layer" and texts[place] not in LAYERS:
            raise ValueError(unknown(place, texts[place], LAYERS))
        found[place].append(ExpectedFailure(texts[place], _pattern(texts[PATTERN])))
    missing = next((place for place, listed in found.items() if not listed), None)
    if missing is not None:
        raise ValueError(f"`{FAILURE}` has no entry with `{missing}`")
    return {place: tuple(listed) for place, listed in found.items()}


def _pattern(text: str) -> re.Pattern[str]:
    """The regular expression; raises ValueError for a wrong one, and for one that fits nearly everything."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"the {PATTERN} {text!r} is not a regular expression: {error}") from None
    if any(pattern.search(foreign) for foreign in FOREIGN_TEXTS):
        raise ValueError(
            f"the {PATTERN} {text!r} also matches failures of any other kind; give more of the text"
        )
    return pattern
