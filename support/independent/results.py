"""What an independent suite found: passed, failed, not applicable, wrong expectations.

`<suite>.toml` has the parts of a suite, what of it does not apply to which servers, and what it expects
wrongly, each with the reason. Everything else counts: a test that fails, and one that the suite skips by
itself.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from support.errors import AcceptanceError, CheckFailed, SeveralFailures
from support.results.safe_text import first_lines

FOLDER = Path(__file__).parent
Status = Literal["passed", "failed", "skipped", "not applicable", "wrong expectation"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "not applicable", "wrong expectation")
# The one outcome that features require.
NO_FAILURE = "no failure"
MESSAGE_LINES, SHOWN = 4, 5


class SuiteBroken(AcceptanceError):
    """A suite has run no test, or its table does not fit it: nothing is known about the server."""


@dataclass(frozen=True)
class TestOutcome:
    """One test of a suite. `message`: why it failed, was skipped or does not apply.

    `details`: each thing that is wrong, where a test finds several at once.
    """

    __test__ = False

    name: str
    status: Status
    message: str = ""
    details: tuple[str, ...] = ()

    @property
    def failures(self) -> list[str]:
        """Each thing that is wrong, with the name of the test."""
        return [
            f"{self.name}: {first_lines(text, MESSAGE_LINES)}" for text in self.details or (self.message,)
        ]

    def __str__(self) -> str:
        return f"{self.name}: {first_lines(self.message, MESSAGE_LINES)}"


@dataclass(frozen=True)
class Rule:
    """Tests that do not apply, or expect something wrong; `failure`: how the latter fail.

    `parts` and `servers`: where it holds, everywhere when there are none.
    """

    tests: re.Pattern[str]
    reason: str
    parts: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    failure: re.Pattern[str] | None = None

    def holds_for(self, part: str, server: str) -> bool:
        return part in (self.parts or (part,)) and server in (self.servers or (server,))

    def explains(self, outcome: TestOutcome) -> bool:
        """Whether it is about this test, and about everything that is wrong in it."""
        if self.tests.search(outcome.name) is None:
            return False
        texts = outcome.details or (outcome.message,)
        return self.failure is None or all(map(self.failure.search, texts))


@dataclass(frozen=True)
class SuiteTable:
    """`<suite>.toml`. `parts`: by their names in the features, what the suite needs to know about each."""

    title: str
    parts: Mapping[str, Mapping[str, Any]]
    not_applicable: tuple[Rule, ...]
    wrong_expectation: tuple[Rule, ...]
    options: Mapping[str, Any]

    @classmethod
    def load(cls, name: str, folder: Path = FOLDER) -> SuiteTable:
        """Raises `SuiteBroken` for a table that cannot be read."""
        file = folder / f"{name.replace('-', '_')}.toml"
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            rules = {kind: tuple(map(_rule, document.pop(kind, ()))) for kind in _RULES}
            title, parts = document.pop("title"), document.pop("parts")
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, re.error) as error:
            raise SuiteBroken(f"{file}: cannot be read ({error}); correct the table") from None
        return cls(title, parts, **rules, options=document)

    def part(self, name: str) -> Mapping[str, Any]:
        if name not in self.parts:
            raise SuiteBroken(f"{self.title}: there is no part {name!r}, only {', '.join(self.parts)}")
        return self.parts[name]

    def rules(self, part: str, server: str) -> tuple[Rule, ...]:
        """What does not apply in this part on this server."""
        return tuple(rule for rule in self.not_applicable if rule.holds_for(part, server))

    def judge(self, part: str, server: str, outcomes: Iterable[TestOutcome]) -> SuiteOutcomes:
        """The outcomes by the rules; raises `SuiteBroken` for a rule without a test, and without any pass."""
        found = list(outcomes)
        unused = [
            rule.tests.pattern
            for rule in (*self.not_applicable, *self.wrong_expectation)
            if rule.holds_for(part, server) and not any(rule.tests.search(one.name) for one in found)
        ]
        if unused:
            raise SuiteBroken(f"{self.title}, {part}: no test fits {', '.join(map(repr, unused))}")
        judged = [self._judged(outcome, part, server) for outcome in found]
        if not any(one.status in ("passed", "failed") for one in judged):
            raise SuiteBroken(f"{self.title}, {part}: no test that applies was run")
        return SuiteOutcomes(self.title, part, server, tuple(judged))

    def _judged(self, outcome: TestOutcome, part: str, server: str) -> TestOutcome:
        for rule in self.rules(part, server):
            if rule.explains(outcome):
                return replace(outcome, status="not applicable", message=rule.reason)
        if outcome.status == "failed":
            for rule in self.wrong_expectation:
                if rule.holds_for(part, server) and rule.explains(outcome):
                    text = f"{rule.reason}; got {outcome.message}"
                    return replace(outcome, status="wrong expectation", message=text)
        if outcome.status == "skipped":
            text = f"skipped by the suite, and not listed as not applicable: {outcome.message}"
            return replace(outcome, status="failed", message=text)
        return outcome


_RULES = ("not_applicable", "wrong_expectation")


def _rule(row: Mapping[str, Any]) -> Rule:
    failure = row.get("failure")
    return Rule(
        re.compile(row["tests"]),
        row["reason"],
        tuple(row.get("parts", ())),
        tuple(row.get("servers", ())),
        None if failure is None else re.compile(failure),
    )


@dataclass(frozen=True)
class SuiteOutcomes:
    """All tests of one part on one server. `version`: that of the suite; `seconds`: how long it ran."""

    title: str
    part: str
    server: str
    outcomes: tuple[TestOutcome, ...]
    version: str = ""
    seconds: float = 0.0

    @property
    def counts(self) -> Mapping[Status, int]:
        """The number of tests by their status."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in STATUSES}

    @property
    def heading(self) -> str:
        """Suite, version, part, server and counts in one line."""
        counts = ", ".join(f"{number} {status}" for status, number in self.counts.items())
        return f"{self.title} {self.version}, {self.part}, on {self.server}: {counts}"

    def report(self) -> str:
        """The heading, and each test with its status and reason."""
        order = {status: number for number, status in enumerate(("failed", *STATUSES[2:], "passed"))}
        shown = sorted(self.outcomes, key=lambda one: (order[one.status], one.name))
        lines = [f"{one.status}: {one if one.message else one.name}" for one in shown]
        return "\n".join([self.heading, "", *lines, ""])

    def require(self, outcome: str) -> None:
        """Raises `SeveralFailures` with each failed test. `outcome`: as features name it."""
        if outcome != NO_FAILURE:
            raise CheckFailed(f"a suite returns {NO_FAILURE!r} or failed tests, not {outcome!r}")
        failed = [one for one in self.outcomes if one.status == "failed"]
        if failed:
            message = "\n".join([self.heading, *_shortened([str(one) for one in failed])])
            raise SeveralFailures(message, [text for one in failed for text in one.failures])


def _shortened(texts: Sequence[str]) -> list[str]:
    left_out = [f"... and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return [*texts[:SHOWN], *left_out]
