"""The error and the cost of the load generator, against a server that states when it sent each token.

Each row is one load in a closed loop. All streams start at once, or spread over the time of one request.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.errors import ProgramUnavailable
from support.performance.ground_truth.agreement import Agreement
from support.performance.ground_truth.server import Schedule, synthetic_server
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult, run_load
from support.performance.percentiles import nearest_rank
from support.settings import default_cache

Row = tuple[str, str, str]

ANSWER = Schedule(ttft_us=200_000, itl_us=40_000, tokens=32, prompt_tokens=16)
ANSWER_SECONDS = (ANSWER.ttft_us + (ANSWER.tokens - 1) * ANSWER.itl_us) / 1e6
# 64 streams of a thousand tokens a second each: as fast as one process has to be.
FAST = Schedule(ttft_us=100_000, itl_us=1_000, tokens=1_000, prompt_tokens=16)
FAST_STREAMS = 64
ROUNDS = 4


@dataclass(frozen=True)
class Wanted:
    """The limits for so many streams: milliseconds, CPU milliseconds, percent."""

    streams: int
    ttft_p50: float
    ttft_p99: float
    cpu: float
    itl_p99: float = 0.1

    def __str__(self) -> str:
        return f"{self.ttft_p50:g} / {self.ttft_p99:g} ms; {self.cpu:g} ms; {self.itl_p99:g} %"


WANTED = (Wanted(16, 0.1, 0.3, 60), Wanted(64, 0.1, 1, 50), Wanted(256, 0.2, 2, 50))


def load() -> list[Row]:
    """Without a compiler there is nothing to compare with: no row, and the reason on stderr."""
    rows = []
    try:
        with synthetic_server(default_cache()) as url:
            for wanted in WANTED:
                for starts, spread in (("at once", 0.0), ("spread", ANSWER_SECONDS)):
                    what = f"load, {wanted.streams} streams, starts {starts}"
                    rows.append(row(what, str(wanted), sent(url, ANSWER, wanted.streams, spread)))
            rate = f"{FAST_STREAMS * 1_000_000 // FAST.itl_us // 1000}k tokens/s"
            fast = sent(url, FAST, FAST_STREAMS, FAST.ttft_us / 1e6)
            rows.append(row(f"load, {FAST_STREAMS} streams, {rate}", "p99 within 5 % (5 ms); -; 5 %", fast))
    except ProgramUnavailable as error:
        print(f"measure: {error}", file=sys.stderr)
    return rows


def sent(url: str, schedule: Schedule, streams: int, spread: float, rounds: int = ROUNDS) -> LoadResult:
    """A closed loop of so many requests for each stream; all start at once, or within `spread` seconds."""
    plan = LoadPlan(
        url,
        schedule.model,
        users=streams,
        requests=rounds * streams,
        spread_seconds=spread,
        output_tokens=schedule.tokens,
        keep_events=True,
    )
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
        return run_load(plan, Path(folder))


def row(what: str, wanted: str, result: LoadResult) -> Row:
    """Errors with the machine's own part: how late reads were, how many of them had several events."""
    agreement, quality = Agreement.of(result), result.quality
    ttft = [abs(error) / 1e6 for error in agreement.ttft_ns]
    itl = [error * 100 for error in agreement.itl]
    failed = sum(record.failed for record in result.measured)
    return (
        f"{what}: TTFT error p50 / p99; CPU per 1000 tokens; ITL error p99",
        wanted,
        f"{_two(ttft)} ms; {quality.cpu_ms_per_1000_tokens:.0f} ms; {nearest_rank(itl, 99):.3f} % "
        f"({len(ttft)} requests, {failed} failed; lag p99 {quality.lag_p99_us / 1000:.1f} ms, "
        f"{100 * quality.coalesced:.1f} % of reads coalesced, load average {os.getloadavg()[0]:.1f})",
    )


def _two(values: Sequence[float]) -> str:
    return f"{nearest_rank(values, 50):.3f} / {nearest_rank(values, 99):.3f}"
