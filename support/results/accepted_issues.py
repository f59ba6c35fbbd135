"""`accepted.toml`: failures that the operator accepts until a date, with the reason and the owner."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

from support.errors import SettingsError
from support.name_registry import unknown
from support.results.causes import comparable
from support.results.known_issues import NEW_FAILURE
from support.results.safe_text import one_line
from support.user_files import problem_of, read_regular_file, remedy_of

TABLE = "accepted"
# `failure` of an entry for a known issue: however it is listed to fail.
AS_LISTED = "known issue"
FAILURE_CHARACTERS = 300


@dataclass(frozen=True)
class AcceptedIssue:
    """`id`: of a check, or the title of a scenario. It counts up to and including the day `until`.

    `failure`: how it failed when it was accepted: `AS_LISTED`, the first line, or empty for not known.
    """

    id: str
    reason: str
    owner: str
    until: date
    failure: str = ""

    @classmethod
    def of(cls, id: str, reason: str, owner: str, until: date, failure: str | None = None) -> AcceptedIssue:
        """Raises ValueError for a text that is blank or has several lines."""
        texts = {"id": id.strip(), "reason": reason.strip(), "owner": owner.strip()}
        texts |= {"failure": failure.strip()} if failure is not None else {}
        for name, text in texts.items():
            if not text or not text.isprintable():
                raise ValueError(f"`{name}` is one line of text, not {text!r}")
        return cls(**texts, until=until)

    def covers(self, failure: str, *, known: bool) -> bool:
        """Whether this failure is what was accepted. `known`: it is that of a known issue.

        Numbers, ids, times and folders may differ. Where the entry has no failure, it is any, but for a known
        issue the listed one.
        """
        if self.failure == AS_LISTED:
            return known
        if not self.failure:
            return known or not failure.startswith(NEW_FAILURE)
        return comparable(self.failure) == comparable(one_line(failure, FAILURE_CHARACTERS))

    def __str__(self) -> str:
        return f"accepted by {self.owner} until {self.until}: {self.reason}"

    def to_toml(self) -> str:
        """The entry as it stands in the file. A JSON string is a TOML string as well."""
        names = (*_TEXTS, *(["failure"] if self.failure else []))
        texts = {name: json.dumps(getattr(self, name), ensure_ascii=False) for name in names}
        rows = [f"{name} = {text}" for name, text in texts.items()]
        return "\n".join([f"[[{TABLE}]]", *rows, f"until = {self.until}", ""])


_KEYS = tuple(field.name for field in fields(AcceptedIssue) if field.name != "failure")
_TEXTS = _KEYS[:-1]


class AcceptedIssues:
    """The entries of a file, by id."""

    def __init__(self, entries: Iterable[AcceptedIssue] = (), file: Path = Path("accepted.toml")) -> None:
        self.file = file
        self.entries = tuple(entries)
        self._by_id = {entry.id: entry for entry in self.entries}

    @classmethod
    def load(cls, file: Path, origin: str | None = None) -> AcceptedIssues:
        """Read the file; raises `SettingsError` in one line. No file, no entries.

        `origin`: where the setting of the file has its value; then the file has to exist.
        """
        try:
            document = tomllib.loads(read_regular_file(file).decode("utf-8-sig"))
            if set(document) - {TABLE}:
                raise ValueError(f"entries are [[{TABLE}]], not {', '.join(sorted(document))}")
            rows = document.get(TABLE, [])
            if not isinstance(rows, list):
                raise ValueError(f"entries are [[{TABLE}]], not {rows!r}")
            entries = [_entry(row) for row in rows]
        except FileNotFoundError:
            if origin is not None:
                raise SettingsError(
                    f"setting acceptance_accepted = {file} (from {origin}) is wrong: there is no such file; "
                    "`acceptance accept` writes one"
                ) from None
            return cls((), file)
        except (tomllib.TOMLDecodeError, OSError, TypeError, ValueError) as error:
            raise SettingsError(
                f"{file}: cannot be read ({problem_of(error)}); {remedy_of(error, 'correct the entry')}"
            ) from None
        return cls(entries, file)

    def find(self, name: str) -> AcceptedIssue | None:
        """The entry of a check (id) or a scenario (title)."""
        return self._by_id.get(name)

    def require_current(self, today: date) -> None:
        """Raises `SettingsError` for an entry that has expired, and for an id that is accepted twice."""
        for entry in self.entries:
            if entry.until < today:
                raise SettingsError(
                    f"{self.file}: {entry.id!r} was accepted by {entry.owner} until {entry.until}, which is "
                    "over; remove the entry or renew it"
                )
            if sum(other.id == entry.id for other in self.entries) > 1:
                raise SettingsError(f"{self.file}: {entry.id!r} is accepted twice; remove one entry")

    def require_existing(self, known: Collection[str], group_titles: Collection[str] = ()) -> None:
        """Raises `SettingsError` for an entry whose id is no check's and no scenario's.

        `group_titles`: the scenarios that run checks, whose ids are accepted instead.
        """
        for entry in self.entries:
            if problem := problem_with_id(entry.id, known, group_titles):
                raise SettingsError(f"{self.file}: {problem}; correct the entry")

    def added(self, entry: AcceptedIssue) -> str:
        """The text of the file with one more entry; raises `SettingsError` when its id has one."""
        if self.find(entry.id) is not None:
            raise SettingsError(f"{self.file}: {entry.id!r} is accepted already; change its entry")
        text = self.file.read_text(encoding="utf-8-sig").rstrip() if self.file.exists() else ""
        return f"{text}\n\n{entry.to_toml()}".lstrip()


def problem_with_id(name: str, known: Collection[str], group_titles: Collection[str]) -> str:
    """Why a failure of this id cannot be accepted; empty where it can."""
    if name in group_titles:
        return f"the scenario {name!r} runs checks: give the id of the check that fails"
    return "" if name in known else unknown("check or scenario", name, known)


def _entry(row: object) -> AcceptedIssue:
    if not isinstance(row, dict):
        raise ValueError(f"an entry has the keys {', '.join(_KEYS)}, not {row!r}")
    missing = [key for key in _KEYS if key not in row]
    wrong = [key for key in row if key not in {*_KEYS, "failure"}]
    if missing or wrong:
        parts = [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"unknown: {', '.join(wrong)}"] if wrong else []
        raise ValueError(f"an entry has the keys {', '.join(_KEYS)} ({'; '.join(parts)})")
    for name in set(row) - {"until"}:
        if not isinstance(row[name], str):
            raise ValueError(f"`{name}` is one line of text, not {row[name]!r}")
    return AcceptedIssue.of(**{**row, "until": parse_date(row["until"])})


def failure_in(tests: Iterable[Mapping[str, object]], name: str) -> str | None:
    """How a check or a scenario failed in a report (its `tests`); None where it did not."""
    for test in tests:
        if test["name"] == name and test["verdict"] == "known_issue":
            return AS_LISTED
        if test["name"] == name and test["verdict"] in ("failed", "broken"):
            return one_line(str(test["error"]), FAILURE_CHARACTERS)
    return None


def parse_date(value: object) -> date:
    """A day, as TOML's date or as text; raises ValueError."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"`until` is a day such as 2027-03-31, not {value!r}") from None
