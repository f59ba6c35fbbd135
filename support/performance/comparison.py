"""Two targets in one run: the ratios of their figures, paired by rounds, where both did the same work.

Both get the same prompts in a round, and new ones in the next. Rounds alternate (A B B A), so that a change
of the machine meets both alike. Unless the file of the model, the tokens of each request and each text at
temperature 0 are equal, a ratio would be that of two workloads, and is withheld (as inference-perf requires
of comparisons). Where two files are what is compared, such as two quantisations of one model, the tokens of
each request have to be equal.
"""

from __future__ import annotations

import enum
import math
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from support.errors import SettingsError, TargetError
from support.performance.load.plan import ApiName, LoadPlan
from support.performance.load.program import LoadResult, run_load
from support.performance.load.record import RequestRecord
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, WHOLE, LoadFigures, only_timed_out
from support.performance.load_table import Sender
from support.performance.percentiles import nearest_rank
from support.performance.plain_usage import with_usage
from support.performance.ratio import FEWEST_ROUNDS, Ratio, paired_ratio
from support.performance.resources import MIB
from support.performance.steady_state import SteadyState, steady_state
from support.performance.target_facts import TargetFacts, facts_of
from support.performance.validity import MOST_COALESCED, MOST_LAG, invalid_load_reasons
from support.programs.run_directory import temp_prefix
from support.results.safe_text import counted
from support.settings import redact_url

ROUNDS, REQUESTS = 10, 12
# Of each figure: with five of them, one of two equal targets differs by chance in 5 % of the runs.
CONFIDENCE = 0.99
# A smaller ratio is no difference, however certain: one of 3 % would be found in one run and not in the next.
# And nothing was found where one of 10 % would have been.
SMALLEST_DIFFERENCE, FOUND_DIFFERENCE = 0.065, 0.1
MOST_SHOWN = 60
FIRST_TOKEN_P50, PER_TOKEN_P50, WHOLE_P50 = (f"{name} p50" for name in (FIRST_TOKEN, PER_TOKEN, WHOLE))
THROUGHPUT, MEMORY = "output tokens per second", "peak memory"
SIDES = ("first", "second")
# The figures of a round, and their units.
UNITS: Mapping[str, str] = {
    FIRST_TOKEN_P50: "ms",
    PER_TOKEN_P50: "ms",
    WHOLE_P50: "ms",
    THROUGHPUT: "tokens/s",
    MEMORY: "MiB",
}


class Finding(enum.Enum):
    """Of the ratio of a figure, or of the whole comparison."""

    DIFFERS = "differs"
    NO_DIFFERENCE = "no difference found"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"
    OTHER_WORKLOAD = "two different workloads"


@dataclass(frozen=True)
class ComparedTarget:
    """`pid`: of its process on this machine, whose tree's memory is measured; None where it is not known."""

    name: str
    url: str
    model: str
    api: ApiName = "openai"
    key: str | None = field(default=None, repr=False)
    pid: int | None = None

    def plan(self, load: LoadPlan) -> LoadPlan:
        """A load for this target, whose answers are the likeliest tokens, with their texts."""
        greedy: Mapping[str, object] = {"temperature": 0}
        if self.api == "ollama":
            # Its default is a penalty of 1.1, also at temperature 0.
            options = {"num_predict": load.output_tokens, "temperature": 0, "repeat_penalty": 1.0}
            greedy = {"options": options}
        return replace(
            load,
            url=self.url,
            model=self.model,
            api=self.api,
            key=self.key,
            extra={**load.extra, **greedy},
            keep_events=True,
        )

    def facts(self) -> TargetFacts:
        """Of the running server."""
        return facts_of(self.url, self.model, self.api, self.key, self.pid)

    def __str__(self) -> str:
        return f"{self.name} ({redact_url(self.url)}, {self.model})"


def figures_of_round(result: LoadResult) -> dict[str, float]:
    """By the names of `UNITS`, without the memory, and without what has no positive value."""
    figures = LoadFigures.of(result)
    medians = ((FIRST_TOKEN_P50, FIRST_TOKEN), (PER_TOKEN_P50, PER_TOKEN), (WHOLE_P50, WHOLE))
    found = {name: nearest_rank(figures.latencies(metric), 50) for name, metric in medians}
    found[THROUGHPUT] = figures.tokens_per_second
    return {name: value for name, value in found.items() if value > 0 and math.isfinite(value)}


@dataclass(frozen=True)
class RoundOfTarget:
    """`peak_bytes`: the most resident memory of all processes during the load; None: not known.

    `others`: share of the CPU of the machine that other programs had meanwhile; 0 where it is not known.
    """

    target: ComparedTarget
    result: LoadResult
    peak_bytes: int | None
    others: float = 0.0

    @cached_property
    def figures(self) -> Mapping[str, float]:
        """By the names of `UNITS`, without those that were not measured."""
        memory = {MEMORY: self.peak_bytes / MIB} if self.peak_bytes else {}
        return {**figures_of_round(self.result), **memory}

    @property
    def failed(self) -> Sequence[RequestRecord]:
        return LoadFigures.of(self.result).failed

    @property
    def only_timed_out(self) -> bool:
        """Whether what failed had not ended in time: a matter of speed."""
        return only_timed_out(self.failed)

    @cached_property
    def texts(self) -> Mapping[int, str]:
        """Of the answers without failure, by the number of the request."""
        events = self.result.events
        good = [request.number for request in self.result.records if request.complete]
        return {number: "".join(text for _, _, text in events.get(number, ())) for number in good}


@dataclass(frozen=True)
class ComparedFigure:
    """The values of both targets in each valid round. `ratio`: None with too few of them."""

    name: str
    values: tuple[Sequence[float], Sequence[float]]

    @cached_property
    def ratio(self) -> Ratio | None:
        first, second = self.values
        return paired_ratio(first, second, CONFIDENCE) if len(first) >= FEWEST_ROUNDS else None

    @cached_property
    def state(self) -> SteadyState:
        """Of the ratio over the rounds: memory that only one of them keeps makes none that holds."""
        return steady_state([one / other for one, other in zip(*self.values, strict=True)])

    @property
    def drifts(self) -> bool:
        return self.state.enough and not self.state.steady

    @property
    def finding(self) -> Finding:
        if self.ratio is None or self.drifts:
            return Finding.NOT_ENOUGH_EVIDENCE
        return finding_of(self.ratio)


def finding_of(ratio: Ratio) -> Finding:
    """Differs: it is certain that there is a difference, and it is of a size that counts."""
    if ratio.differs and max(ratio.value, 1 / ratio.value) >= 1 + SMALLEST_DIFFERENCE:
        return Finding.DIFFERS
    most = 1 + FOUND_DIFFERENCE
    inside = 1 / most <= ratio.low and ratio.high <= most
    return Finding.NO_DIFFERENCE if inside else Finding.NOT_ENOUGH_EVIDENCE


@dataclass(frozen=True)
class Comparison:
    """`rounds`: of the first target and the second one; the last one lacks one that was not measured.

    `two_files`: the targets are to have different files of one model, and so may have different texts.
    """

    targets: tuple[ComparedTarget, ComparedTarget]
    facts: tuple[TargetFacts, TargetFacts]
    rounds: Sequence[tuple[RoundOfTarget, ...]]
    two_files: bool = False

    @cached_property
    def failure(self) -> str:
        """Which target has answered requests with a failure, and in which round; empty for none."""
        for number, loads in enumerate(self.rounds, 1):
            for load in loads:
                if load.failed:
                    kinds = sorted({f"{one.failure.value} ({one.detail})"[:200] for one in load.failed})
                    requests = counted(len(load.result.measured), "request")
                    return (
                        f"{load.target}, round {number}: {len(load.failed)} of {requests} failed: {kinds[0]}"
                    )
        return ""

    @cached_property
    def pairs(self) -> Sequence[tuple[RoundOfTarget, RoundOfTarget]]:
        """The complete rounds."""
        return [(loads[0], loads[1]) for loads in self.rounds if len(loads) == len(self.targets)]

    @cached_property
    def workload_differences(self) -> Sequence[str]:
        """What is not the same for both, apart from the texts: a ratio would be one of two workloads."""
        found = list(self._different_files())
        numbered = enumerate(self.pairs, 1)
        found += chain.from_iterable(_different_counts(number, *pair) for number, pair in numbered)
        return found

    def _different_files(self) -> Iterator[str]:
        first, second = self.facts
        if not (first.file_hash and second.file_hash):
            if self.two_files:
                yield "file of the model: not known, two different ones are compared"
        elif self.two_files and first.file_hash == second.file_hash:
            yield f"file of the model: both have {first.file}, two different ones are compared"
        elif not self.two_files and first.file_hash != second.file_hash:
            yield f"file of the model: {first.file} and {second.file}"

    @cached_property
    def other_texts(self) -> str:
        """How many answers to the same prompt differ, with the first one; empty when all may be."""
        if self.two_files:
            return ""
        compared, different = 0, []
        for first, second in self.pairs:
            both = first.texts.keys() & second.texts.keys()
            compared += len(both)
            different += [
                (first.texts[number], second.texts[number])
                for number in sorted(both)
                if first.texts[number] != second.texts[number]
            ]
        if not different:
            return ""
        one, other = (repr(text[:MOST_SHOWN]) for text in _from_difference(*different[0]))
        return f"{len(different)} of {compared} answers at temperature 0 have another text: {one} and {other}"

    @cached_property
    def invalid_rounds(self) -> Mapping[int, Sequence[str]]:
        """The reasons by the number of the round: its figures are not those of the targets."""
        found = {
            number: [
                f"{load.target.name}: {reason}"
                for load in pair
                for reason in chain(invalid_load_reasons(load.result), _lag_reasons(load))
            ]
            for number, pair in enumerate(self.pairs, 1)
        }
        return {number: reasons for number, reasons in found.items() if reasons}

    @cached_property
    def figures(self) -> Sequence[ComparedFigure]:
        """Of the valid rounds, without figures that one of the targets lacks."""
        valid = [pair for number, pair in enumerate(self.pairs, 1) if number not in self.invalid_rounds]
        found = []
        for name in UNITS:
            both = [pair for pair in valid if all(name in load.figures for load in pair)]
            first, second = ([pair[side].figures[name] for pair in both] for side in (0, 1))
            found.append(ComparedFigure(name, (first, second)))
        return [figure for figure in found if figure.values[0]]

    @property
    def finding(self) -> Finding:
        """Of all figures together; of none where there are no ratios."""
        if self.failure:
            return Finding.NOT_ENOUGH_EVIDENCE
        if self.workload_differences or self.other_texts:
            return Finding.OTHER_WORKLOAD
        findings = [figure.finding for figure in self.figures]
        for finding in (Finding.DIFFERS, Finding.NOT_ENOUGH_EVIDENCE):
            if finding in findings:
                return finding
        return Finding.NO_DIFFERENCE if findings else Finding.NOT_ENOUGH_EVIDENCE

    @property
    def has_ratios(self) -> bool:
        return not (self.failure or self.workload_differences or self.other_texts)

    @property
    def is_file_known(self) -> bool:
        return all(facts.file_hash for facts in self.facts)


def _lag_reasons(load: RoundOfTarget) -> Iterator[str]:
    """Events that are read together have one time: that of an answer may be wrong by the lag."""
    quality, whole = load.result.quality, load.figures.get(WHOLE_P50, 0.0)
    lag = quality.lag_p99_us / 1000
    if quality.coalesced > MOST_COALESCED and lag > MOST_LAG * whole:
        yield (
            f"{quality.coalesced:.0%} of the reads had several events, and the client was late by"
            f" {lag:.1f} ms (p99): more than {MOST_LAG:.0%} of an answer"
        )


def _different_counts(number: int, first: RoundOfTarget, second: RoundOfTarget) -> Iterator[str]:
    """One line for each kind of count of a round."""
    ours, theirs = (
        {one.number: one for one in load.result.records if one.complete} for load in (first, second)
    )
    both = [(ours[key], theirs[key]) for key in sorted(ours.keys() & theirs.keys())]
    if not both:
        yield f"round {number}: no request has an answer of both"
        return
    counts: tuple[tuple[str, Callable[[RequestRecord], int]], ...] = (
        ("tokens of the prompt", lambda one: one.prompt_tokens),
        ("tokens of the answer", lambda one: one.output_tokens),
    )
    for what, count in counts:
        different = [(count(one), count(other)) for one, other in both if count(one) != count(other)]
        if different:
            yield f"round {number}, {what}: {_shown(different[0])} ({len(different)} of {len(both)} requests)"
    short = [one for pair in both for one in pair if not one.has_requested_length]
    if short:
        got = "not reported" if short[0].output_tokens < 0 else str(short[0].output_tokens)
        yield (
            f"round {number}, tokens of the answer: {got} of {short[0].requested_tokens} requested"
            f" ({len(short)} of {2 * len(both)} answers)"
        )


def _shown(counts: Iterable[int]) -> str:
    return " and ".join("not reported" if count < 0 else str(count) for count in counts)


def _from_difference(one: str, other: str) -> tuple[str, str]:
    """Both texts from a little before the first character that differs."""
    same = next(
        (index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    start = max(0, same - MOST_SHOWN // 3)
    return one[start:], other[start:]


def compare(
    targets: tuple[ComparedTarget, ComparedTarget],
    load: LoadPlan,
    folder: Path,
    *,
    rounds: int = ROUNDS,
    seconds: float = math.inf,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Send the load to both in so many rounds; its target, salt and seed are replaced. A failure ends it.

    `seconds`: no round begins after them, so that there may be fewer.
    Raises `SettingsError` for two that are one, `TargetError` when one does not answer at the start.
    """
    first, second = targets
    if (first.url, first.model) == (second.url, second.model):
        raise SettingsError(
            f"both targets are {first}: its cache would know the prompts of the other round; start it twice"
        )
    if any((folder / f"round-1-{side}").exists() for side in SIDES):
        raise SettingsError(f"{folder} has the files of another comparison; give an empty folder")
    end = time.monotonic() + seconds
    for target in targets:
        _require_answer(target, load)
    # When both have answered: a model may be loaded with the first request.
    known = first.facts(), second.facts()
    found: list[tuple[RoundOfTarget, ...]] = []
    for number in range(1, rounds + 1):
        if time.monotonic() > end:
            break
        progress(f"round {number} of {rounds}")
        plan = replace(load, salt=secrets.token_hex(8), seed=secrets.randbits(31))
        order = (0, 1) if number % 2 else (1, 0)
        measured: dict[int, RoundOfTarget] = {}
        for side in order:
            own = folder / f"round-{number}-{SIDES[side]}"
            own.mkdir(parents=True)
            measured[side] = _measure(targets[side], plan, own)
            if measured[side].failed:
                break
        found.append(tuple(measured[side] for side in sorted(measured)))
        if any(load_of_round.failed for load_of_round in measured.values()):
            break
    return Comparison(targets, known, found)


def _require_answer(target: ComparedTarget, load: LoadPlan) -> None:
    """One request, which may load the model. Raises `TargetError` when it fails."""
    plan = replace(
        target.plan(load), users=1, rate=0.0, requests=1, seconds=0.0, warm_up_seconds=0.0, salt=None
    )
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
        result = run_load(plan, Path(folder))
    if failed := [record for record in result.records if record.failed]:
        detail = f" ({failed[0].detail})" if failed[0].detail else ""
        raise TargetError(f"{target} does not answer: {failed[0].failure.value}{detail}")


def _measure(target: ComparedTarget, load: LoadPlan, folder: Path) -> RoundOfTarget:
    # Of the memory only the peak is compared.
    found = Sender(target.pid, settle_seconds=0.0)(target.plan(load), folder)
    assert found.result is not None
    return RoundOfTarget(target, with_usage(found.result), found.use.peak, found.use.others or 0.0)
