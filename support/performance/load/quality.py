"""How well a run was measured: the client's own lag, its CPU, and the load that it has achieved.

A figure of a target is worth no more than these: a client that was late, or had no CPU left, has measured
itself. All of them are of the measured requests unless said otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from support.performance.load.analysis import Analysed
from support.performance.load.clock import SECOND
from support.performance.load.generator import MeasuredPart
from support.performance.load.plan import LoadPlan
from support.performance.load.record import Phase, RequestRecord
from support.performance.machine_state import MachineUse
from support.performance.percentiles import nearest_rank

MICROSECOND = 1000


@dataclass(frozen=True)
class RunQuality:
    """Shares are from 0 to 1, times in microseconds; NaN where there is nothing to measure.

    `kernel_stamps`: share of the reads with a stamp of the kernel; the times of others are those of the read.
    `lag_*`: from a stamp to the read. `events_per_read`, `coalesced`: events with tokens in a read that has
    one, and the share of these reads with several, whose times are not told apart. `clock_shift_us`: the most
    by which the wall clock moved against the monotonic one during a request.
    `cpu_share`: of one core. `cpu_ms_per_1000_tokens`: of all requests, their analysis included.
    `late_*`: from the scheduled moment of a request to its sending. `requested`, `achieved`: users in flight
    on average (closed loop), requests per second (open loop: of the schedule, and as sent).
    `wrong_lengths`: answers without failure that have not the requested number of tokens. `handshake_*`: of
    opening a connection to a remote target, a round trip of the network.
    """

    kernel_stamps: float
    lag_p50_us: float
    lag_p99_us: float
    lag_max_us: float
    events_per_read: float
    coalesced: float
    clock_shift_us: float
    cpu_share: float
    cpu_ms_per_1000_tokens: float
    late_p99_us: float
    late_max_us: float
    requested: float
    achieved: float
    wrong_lengths: int
    machine: MachineUse = field(default_factory=MachineUse)
    handshake_p50_us: float = math.nan
    handshake_p95_us: float = math.nan

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(file: Path) -> RunQuality:
        document = json.loads(file.read_text(encoding="utf-8"))
        return RunQuality(**{**document, "machine": MachineUse(**document["machine"])})


@dataclass(frozen=True)
class WorkerQuality:
    """Of the share of a worker. `load`: of the share, in words."""

    number: int
    host: str
    load: str
    quality: RunQuality

    def __str__(self) -> str:
        return f"worker {self.number} ({self.host})"


def run_quality(
    plan: LoadPlan, analysed: Sequence[Analysed], part: MeasuredPart, cpu_in_all_ns: int
) -> RunQuality:
    """Of a load, from all of its requests. `cpu_in_all_ns`: CPU time of the generator, with its analysis."""
    measured = [each for each in analysed if each.record.phase is Phase.MEASURED]
    lags = [lag / MICROSECOND for each in measured for lag in each.reads.lags]
    reads = len(lags) + sum(each.reads.unstamped for each in measured)
    event_reads = sum(each.reads.event_reads for each in measured)
    late = [each.record.late_ns / MICROSECOND for each in measured]
    tokens = sum(_tokens(each.record) for each in analysed)
    requested, achieved = _load(plan, [each.record for each in analysed])
    return RunQuality(
        kernel_stamps=_ratio(len(lags), reads),
        lag_p50_us=nearest_rank(lags, 50),
        lag_p99_us=nearest_rank(lags, 99),
        lag_max_us=nearest_rank(lags, 100),
        events_per_read=_ratio(sum(each.reads.events for each in measured), event_reads),
        coalesced=_ratio(sum(each.reads.coalesced_reads for each in measured), event_reads),
        clock_shift_us=max((each.reads.clock_shift for each in measured), default=0) / MICROSECOND,
        cpu_share=_ratio(part.cpu_ns, part.window_ns),
        cpu_ms_per_1000_tokens=_ratio(cpu_in_all_ns / 1e6, tokens / 1000),
        late_p99_us=nearest_rank(late, 99),
        late_max_us=nearest_rank(late, 100),
        requested=requested,
        achieved=achieved,
        machine=part.machine,
        handshake_p50_us=nearest_rank([time / MICROSECOND for time in part.handshakes_ns], 50),
        handshake_p95_us=nearest_rank([time / MICROSECOND for time in part.handshakes_ns], 95),
        wrong_lengths=sum(each.record.complete and not each.record.has_requested_length for each in measured),
    )


def _load(plan: LoadPlan, records: Sequence[RequestRecord]) -> tuple[float, float]:
    """Over the time in which measured requests were issued, with whatever else was in flight meanwhile."""
    measured = [record for record in records if record.phase is Phase.MEASURED]
    sent = sorted(record.sent_ns for record in measured)
    if plan.users:
        return plan.users, _mean_in_flight(records, sent[0], sent[-1]) if sent else math.nan
    due = sorted(record.scheduled_ns for record in measured)
    return _rate(due), _rate(sent)


def _mean_in_flight(records: Sequence[RequestRecord], begin: int, end: int) -> float:
    inside = (min(end, one.end_ns) - max(begin, one.sent_ns) for one in records)
    return _ratio(sum(max(0, time) for time in inside), end - begin)


def _rate(moments: Sequence[int]) -> float:
    return _ratio((len(moments) - 1) * SECOND, moments[-1] - moments[0]) if moments else math.nan


def _tokens(record: RequestRecord) -> int:
    """By usage; a failed answer has none, and at least one for each of its events."""
    return max(record.output_tokens, len(record.event_times_ns))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
