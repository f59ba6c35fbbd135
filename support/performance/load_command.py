"""What `acceptance load` does: one load, a sweep of several, or a search for the largest within limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from support.errors import SettingsError
from support.performance.history_entries import entry_of_limit
from support.performance.limits import Threshold
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult, run_load
from support.performance.load.summary import lines
from support.performance.load_figures import LoadFigures
from support.performance.load_history import entry_of
from support.performance.load_limit import Held, LoadLimit, Point, find_limit
from support.performance.load_report import Run, write_report, write_summary
from support.performance.percentiles import Verdict, smallest_sample
from support.performance.regression import keep
from support.performance.target_facts import PROGRAM, TargetFacts
from support.performance.token_counts import TokenCounts, token_counters
from support.performance.validity import client_reasons
from support.settings import redact_url

Echo = Callable[[str], None]
# The files of the load are left in the folder.
SendLoad = Callable[[LoadPlan, Path], LoadResult]
# Each user of a search for a limit sends so many requests, or more.
REQUESTS_OF_A_USER = 3
_HELD = {
    Verdict.PASS: Held.PASS,
    Verdict.FAIL: Held.FAIL,
    Verdict.NOT_ENOUGH_EVIDENCE: Held.NOT_ENOUGH_EVIDENCE,
}


class LoadCommand:
    """One run of the command; its files are written into the folder."""

    def __init__(
        self,
        folder: Path,
        echo: Echo,
        goodput: Mapping[str, float] | None = None,
        by_workers: SendLoad | None = None,
    ) -> None:
        """`by_workers`: sends a load from several machines; None for one process here."""
        self._folder, self._echo, self._goodput = folder, echo, goodput
        self._send_load = by_workers or _send_alone
        self._runs: list[Run] = []

    def keep(self, history: Path, facts: TargetFacts) -> None:
        """Compare each load with the last accepted one of this machine, and add it to the history."""
        for run in self._runs:
            plan = run.result.plan
            entry = entry_of([run.result], *_subject(plan, facts))
            if entry is None:
                self._echo("history: fewer than 9 requests are not kept")
                continue
            if len(self._runs) > 1:
                self._echo(run.name)
            keep(entry, history, self._echo)

    def keep_limit(
        self, found: LoadLimit, limits: Sequence[Threshold], history: Path, facts: TargetFacts
    ) -> None:
        """The same of the result of a search; its single loads are not kept."""
        plan = self._runs[0].result.plan
        keep(entry_of_limit(found, plan, limits, *_subject(plan, facts)), history, self._echo)

    def contradictions(self) -> list[str]:
        """Of the figures and the records that they are from."""
        return [found for run in self._runs for found in run.contradictions()]

    def send(self, plans: Sequence[LoadPlan]) -> bool:
        """One load, or several in random order: a server that warms up favours none by its place.

        Whether a measured request has failed in any of them.
        """
        order = random.sample(range(len(plans)), len(plans))
        found = {}
        for number, index in enumerate(order, 1):
            if len(plans) > 1:
                self._echo(f"load {number} of {len(plans)}")
            run = found[index] = self._send(plans[index], alone=len(plans) == 1)
            for line in lines(run.result, self._goodput):
                self._echo(line)
            self._echo(str(run.tokens))
            for reason in run.invalid:
                self._echo(f"invalid: {reason}")
            for line in run.notes:
                self._echo(line)
        # In the order of the grid.
        self._runs = [found[index] for index in range(len(plans))]
        write_report(self._runs, self._folder, self._goodput)
        return any(one.failed for run in self._runs for one in run.result.measured)

    def find_limit(self, plan: LoadPlan, limits: Sequence[Threshold]) -> LoadLimit:
        """Of users or of a rate, from that of the plan on."""
        field = "users" if plan.users else "rate"
        least = max(smallest_sample(limit.level) for limit in limits)

        def measure(load: float) -> Point:
            value = int(load) if field == "users" else load
            requests = max(plan.requests, least, REQUESTS_OF_A_USER * int(load) if field == "users" else 0)
            changed = replace(plan, **{field: value, "requests": requests})  # type: ignore[arg-type]
            run = self._send(changed, alone=False)
            point = judge(load, run, limits)
            self._echo(f"{run.result.plan}: {point.held.value} ({point.why})")
            return point

        found = find_limit(measure, getattr(plan, field), whole=field == "users")
        write_report(self._runs, self._folder, self._goodput)
        unit = "users" if field == "users" else "requests per second"
        for line in limit_lines(found, unit):
            self._echo(line)
        return found

    def _send(self, plan: LoadPlan, *, alone: bool) -> Run:
        folder = self._folder if alone else self._folder / f"load-{len(self._runs) + 1:02}"
        folder.mkdir(exist_ok=True)
        before = token_counters(plan)
        result = self._send_load(plan, folder)
        growth = token_counters(plan).growth_from(before)
        run = Run(result, folder, TokenCounts.of(result.records, *growth))
        self._runs.append(run)
        write_summary(run)
        return run


def _subject(plan: LoadPlan, facts: TargetFacts) -> tuple[str, str, str]:
    """Program, version and model of the history."""
    program, _, version = facts.shown[PROGRAM].rpartition(" ")
    return program or redact_url(plan.url), version, f"{plan.model} {facts.file_hash[:12]}".rstrip()


def _send_alone(plan: LoadPlan, folder: Path) -> LoadResult:
    return run_load(plan, folder)


def grid(base: Mapping[str, object], axes: Mapping[str, Sequence[float]]) -> Iterator[LoadPlan]:
    """A plan for each combination of the values of the axes. Raises `SettingsError`."""
    for values in itertools.product(*axes.values()):
        yield LoadPlan(**base, **dict(zip(axes, values, strict=True)))  # type: ignore[arg-type]


def require_one_load(plans: Sequence[LoadPlan]) -> LoadPlan:
    """For a search, whose plan is varied by itself. Raises `SettingsError`."""
    if len(plans) > 1 or plans[0].trace or plans[0].arrivals == "ramp":
        raise SettingsError("--find-limit needs one number of users or one rate to begin with")
    return plans[0]


def limit_lines(found: LoadLimit, unit: str) -> Iterator[str]:
    """The result of a search."""
    passed, failed = (
        "none" if load is None else f"{load:g} {unit}" for load in (found.largest_pass, found.smallest_fail)
    )
    yield f"largest load within the limits: {passed}; smallest load beyond them: {failed}"
    if not found.monotone:
        yield "monotone: false; a larger load was within the limits again, so there is no largest one"
    open_points = [point for point in found.points if point.held in (Held.NOT_ENOUGH_EVIDENCE, Held.INVALID)]
    if open_points:
        loads = ", ".join(f"{point.load:g} ({point.held.value})" for point in open_points)
        yield f"not known at {loads}"


def judge(load: float, run: Run, limits: Sequence[Threshold]) -> Point:
    """Whether the limits hold at this load."""
    figures = LoadFigures.of(run.result)
    if figures.failed:
        return Point(load, Held.FAIL, f"{len(figures.failed)} of {len(figures.requests)} requests failed")
    if reasons := [*run.invalid, *_client_reasons(run, limits)]:
        return Point(load, Held.INVALID, "; ".join(reasons))
    judged = [limit.judge_figures(figures) for limit in limits]
    why = "; ".join(map(str, judged))
    for verdict in (Verdict.FAIL, Verdict.NOT_ENOUGH_EVIDENCE):
        if any(one.verdict is verdict for one in judged):
            return Point(load, _HELD[verdict], why)
    return Point(load, Held.PASS, why)


def _client_reasons(run: Run, limits: Sequence[Threshold]) -> list[str]:
    """Why the client may have decided whether the limits hold; none when one fails by more than its error."""
    figures, quality = LoadFigures.of(run.result), run.result.quality
    most = (quality.lag_p99_us + quality.clock_shift_us) / 1000
    wider = [replace(limit, limit=limit.limit + most) for limit in limits]
    if any(limit.judge_figures(figures).verdict is Verdict.FAIL for limit in wider):
        return []
    shortest = min(limit.shortest_ms(run.result.plan.output_tokens) for limit in limits)
    return list(client_reasons(run.result, shortest))
