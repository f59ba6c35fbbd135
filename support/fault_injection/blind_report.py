"""What became of the mutations: detected, by which check, explained, or a gap of the checks."""

from __future__ import annotations

import fnmatch
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from support.errors import SettingsError
from support.fault_injection.blind_mutations import Kind
from support.fault_injection.blind_recordings import LeftOut
from support.fault_injection.blind_score import CheckResults, MutationClass, Result
from support.results.safe_text import counted
from support.units import JsonObject

TARGET = 0.95
EXPLANATIONS = Path(__file__).with_name("blind_survivors.toml")
SHOWN_GAPS = 20
# `another`: this check does not look at the field, and another one detected the same change of it.
Category = Literal["detected", "another", "explained", "gap", "broken", "undecided"]


class Explanation(BaseModel):
    """Why a mutation is no defect, or why a recording cannot show that it is one.

    `paths` and `checks` are patterns of names (`usage.avg_*`). `streamed`: only in streams, or never there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    apis: list[str]
    kinds: list[Kind] = []
    paths: list[str] = Field(min_length=1)
    checks: list[str] = ["*"]
    streamed: bool | None = None
    reason: str = Field(min_length=15)

    def covers(self, result: Result) -> bool:
        """Whether it explains this survivor."""
        found = result.mutation_class
        return (
            found.api in self.apis
            and (not self.kinds or found.kind in self.kinds)
            and self.streamed in (None, found.streamed)
            and any(fnmatch.fnmatchcase(found.path, _escaped(path)) for path in self.paths)
            and any(fnmatch.fnmatchcase(result.check_id, check) for check in self.checks)
        )


def load_explanations(file: Path = EXPLANATIONS) -> list[Explanation]:
    """The rows of the file; raises `SettingsError` in one line."""
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("survivor", [])
        return [Explanation.model_validate(row) for row in rows]
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"{file.name}: cannot be read ({str(error).splitlines()[0]})") from None


@dataclass(frozen=True)
class Score:
    """How many mutations have which category."""

    categories: Mapping[Category, int]

    @property
    def decided(self) -> int:
        return sum(self.categories.values()) - self.categories.get("undecided", 0)

    @property
    def own(self) -> float:
        """Detected by the check whose response was changed, of all."""
        return self.categories.get("detected", 0) / max(self.decided, 1)

    @property
    def total(self) -> float:
        """Detected by this check or by another, of all that are not explained."""
        detected = self.categories.get("detected", 0) + self.categories.get("another", 0)
        faults = self.decided - self.categories.get("explained", 0)
        return detected / faults if faults else 1.0


@dataclass(frozen=True)
class BlindReport:
    """The results of all checks. `left_out`: those without a recording."""

    subject: str
    checks: Sequence[CheckResults]
    left_out: Sequence[LeftOut] = ()
    explanations: Sequence[Explanation] = field(default_factory=load_explanations)
    each: int = 0
    seconds: float = 0.0

    @cached_property
    def _detected(self) -> Mapping[MutationClass, str]:
        """One of the checks that detected it."""
        return {
            result.mutation_class: result.check_id
            for result in self._results()
            if result.verdict == "detected"
        }

    def _results(self) -> Iterator[Result]:
        for check in self.checks:
            yield from check.results

    def category(self, result: Result) -> Category:
        """What became of a mutation."""
        if result.verdict != "survived":
            return result.verdict
        if result.mutation_class in self._detected:
            return "another"
        return "explained" if any(one.covers(result) for one in self.explanations) else "gap"

    def score(self, results: Iterable[Result] | None = None) -> Score:
        """Of these results, by default of all."""
        return Score(Counter(self.category(one) for one in (self._results() if results is None else results)))

    @property
    def gaps(self) -> Mapping[MutationClass, list[Result]]:
        """What no check detects and nothing explains, the most frequent first."""
        found: defaultdict[MutationClass, list[Result]] = defaultdict(list)
        for result in self._results():
            if self.category(result) == "gap":
                found[result.mutation_class].append(result)
        return dict(sorted(found.items(), key=lambda one: -len(one[1])))

    @property
    def broken(self) -> list[Result]:
        """Mutations at which a check failed with another exception than a finding."""
        return [result for result in self._results() if result.verdict == "broken"]

    @property
    def unused(self) -> list[Explanation]:
        """Those that explain nothing; of a sample of the checks that means nothing."""
        survivors = [result for result in self._results() if self.category(result) == "explained"]
        return [one for one in self.explanations if not any(one.covers(result) for result in survivors)]

    @property
    def passed(self) -> bool:
        """Whether something was judged, the target is reached, and no check failed with an exception."""
        score = self.score()
        return score.decided > 0 and score.total >= TARGET and not self.broken

    def by(self, part: Literal["api", "kind"]) -> dict[str, Score]:
        """The score of each API, or of each kind of mutation."""
        parts: defaultdict[str, list[Result]] = defaultdict(list)
        for result in self._results():
            parts[getattr(result.mutation_class, part)].append(result)
        return {name: self.score(results) for name, results in sorted(parts.items())}

    def to_json(self) -> JsonObject:
        """For programs: the score of all, by API, by kind and by check; survivors with their reasons."""
        return {
            "subject": self.subject,
            "seconds": round(self.seconds, 1),
            "each": self.each,
            "possible": sum(check.possible for check in self.checks),
            "score": _figures(self.score()),
            "by_api": {name: _figures(score) for name, score in self.by("api").items()},
            "by_kind": {name: _figures(score) for name, score in self.by("kind").items()},
            "checks": {
                check.check_id: {"possible": check.possible, **_figures(self.score(check.results))}
                for check in self.checks
                if not check.unusable
            },
            "gaps": [
                {"mutation": str(one), "number": len(found), "check": found[0].check_id, "at": found[0].place}
                for one, found in self.gaps.items()
            ],
            "broken": [
                {"check": one.check_id, "mutation": one.kind, "at": one.place, "error": one.text}
                for one in self.broken
            ],
            "explained": self._explained(),
            "left_out": {one.check_id: one.reason for one in self.left_out}
            | {check.check_id: check.unusable for check in self.checks if check.unusable},
        }

    def _explained(self) -> list[JsonObject]:
        survivors = [result for result in self._results() if self.category(result) == "explained"]
        return [
            {"reason": one.reason, "number": sum(map(one.covers, survivors))} for one in self.explanations
        ]

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield from self._extent()
        score = self.score()
        yield f"  {_percent(score.total)} detected of those that are a defect (target: {TARGET:.0%})"
        yield f"  {_percent(score.own)} detected by the check itself, of all"
        yield "  " + ", ".join(f"{count} {_WORDS[name]}" for name, count in sorted(score.categories.items()))
        for part in ("api", "kind"):
            scores = self.by("api" if part == "api" else "kind")
            yield f"  by {'API' if part == 'api' else 'mutation'}: " + ", ".join(
                f"{name} {_percent(one.total)}" for name, one in scores.items()
            )
        yield from self._problems()

    def _extent(self) -> Iterator[str]:
        """How much was judged."""
        judged = [check for check in self.checks if not check.unusable]
        possible, number = sum(check.possible for check in judged), sum(1 for _ in self._results())
        chosen = f"{number} of {possible}" if number < possible else f"all {possible}"
        yield f"Blind faults: {chosen} mutations of the responses of {len(judged)} checks, {self.subject}"
        if number < possible:
            yield f"  a sample: {self.each} of each kind and field of a check, always the same (fixed seed)"
        if left_out := len(self.left_out) + len(self.checks) - len(judged):
            yield f"  {counted(left_out, 'check')} left out (the report has the reasons)"

    def _problems(self) -> Iterator[str]:
        for one in self.broken[:SHOWN_GAPS]:
            yield f"broken: {one.check_id}: {one.kind}: {one.place}: {one.layer}: {one.text}"
        gaps = self.gaps
        for found, results in list(gaps.items())[:SHOWN_GAPS]:
            yield f"gap: {found} ({len(results)} times, such as {results[0].check_id})"
        if len(gaps) > SHOWN_GAPS:
            yield f"... and {counted(len(gaps) - SHOWN_GAPS, 'more gap')}"


_WORDS: Mapping[Category, str] = {
    "detected": "detected",
    "another": "detected by another check only",
    "explained": "explained",
    "gap": "not detected",
    "broken": "broken checks",
    "undecided": "undecided (the recording ends)",
}


def _figures(score: Score) -> JsonObject:
    categories = {str(name): number for name, number in score.categories.items()}
    return {"score": round(score.total, 4), "by_the_check": round(score.own, 4), **categories}


def _percent(share: float) -> str:
    # Not rounded up: 99.96 % is not all.
    return f"{int(share * 1000) / 10:g} %"


def _escaped(pattern: str) -> str:
    """`[]` of a path is no class of characters."""
    return pattern.replace("[]", "[[]]")
