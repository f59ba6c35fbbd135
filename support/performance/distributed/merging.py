"""The records of all workers as those of one load.

Clocks of several machines differ, so each time is counted from the start of the load of its worker. All have
begun within `start_spread`, and each has kept its load up until the last one had measured: so the time from
the first to the last sending of a measured request is one window for all of them. Durations do not depend on
the clocks at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.quality import MICROSECOND, RunQuality, WorkerQuality
from support.performance.load.record import Phase, RequestRecord
from support.performance.machine_state import MachineUse
from support.performance.percentiles import nearest_rank


@dataclass(frozen=True)
class WorkerResult:
    """What a worker has measured. `start_ns`: of its load, by the clock of its machine."""

    number: int
    host: str
    start_ns: int
    result: LoadResult


def merged(plan: LoadPlan, workers: Sequence[WorkerResult], start_spread: float) -> LoadResult:
    """The load of the plan. The requests are numbered again, in the order of their sending."""
    shifted = [
        (_from_start(record, worker), worker.result.events.get(record.number))
        for worker in workers
        for record in worker.result.records
    ]
    shifted.sort(key=lambda each: (each[0].sent_ns, each[0].worker, each[0].number))
    records = [replace(record, number=number) for number, (record, _) in enumerate(shifted, 1)]
    parts = [
        WorkerQuality(each.number, each.host, str(each.result.plan), each.result.quality) for each in workers
    ]
    return LoadResult(
        plan=plan,
        records=records,
        quality=_merged_quality(parts, records),
        events={number: events for number, (_, events) in enumerate(shifted, 1) if events is not None},
        workers=parts,
        start_spread=start_spread,
    )


def _from_start(record: RequestRecord, worker: WorkerResult) -> RequestRecord:
    def moved(time: int) -> int:
        """0 stays 0: that did not happen."""
        return time - worker.start_ns if time else 0

    return replace(
        record,
        worker=worker.number,
        scheduled_ns=moved(record.scheduled_ns),
        sent_ns=moved(record.sent_ns),
        first_byte_ns=moved(record.first_byte_ns),
        first_token_ns=moved(record.first_token_ns),
        first_answer_ns=moved(record.first_answer_ns),
        last_token_ns=moved(record.last_token_ns),
        end_ns=moved(record.end_ns),
        event_times_ns=tuple(map(moved, record.event_times_ns)),
    )


def _merged_quality(parts: Sequence[WorkerQuality], records: Sequence[RequestRecord]) -> RunQuality:
    """The worst of all workers, but for what can be counted for all of them together."""
    found = [part.quality for part in parts]

    def worst(value: Callable[[RunQuality], float]) -> float:
        return _largest(map(value, found))

    late = [one.late_ns / MICROSECOND for one in records if one.phase is Phase.MEASURED]
    tokens = {
        part.number: sum(
            max(one.output_tokens, len(one.event_times_ns)) for one in records if one.worker == part.number
        )
        for part in parts
    }
    cpu_ms = [(part.quality.cpu_ms_per_1000_tokens, tokens[part.number]) for part in parts]
    all_tokens = sum(count for _, count in cpu_ms)
    return RunQuality(
        kernel_stamps=-worst(lambda one: -one.kernel_stamps),
        lag_p50_us=worst(lambda one: one.lag_p50_us),
        lag_p99_us=worst(lambda one: one.lag_p99_us),
        lag_max_us=worst(lambda one: one.lag_max_us),
        events_per_read=worst(lambda one: one.events_per_read),
        coalesced=worst(lambda one: one.coalesced),
        clock_shift_us=worst(lambda one: one.clock_shift_us),
        cpu_share=worst(lambda one: one.cpu_share),
        cpu_ms_per_1000_tokens=(
            sum(cpu * count for cpu, count in cpu_ms if count) / all_tokens if all_tokens else math.nan
        ),
        late_p99_us=nearest_rank(late, 99),
        late_max_us=nearest_rank(late, 100),
        requested=sum(one.requested for one in found),
        achieved=sum(one.achieved for one in found),
        machine=MachineUse(
            cpu_pressure=worst(lambda one: one.machine.cpu_pressure),
            steal=worst(lambda one: one.machine.steal),
            busy=worst(lambda one: one.machine.busy),
            governor=", ".join(sorted({one.machine.governor for one in found} - {""})),
        ),
        handshake_p50_us=worst(lambda one: one.handshake_p50_us),
        handshake_p95_us=worst(lambda one: one.handshake_p95_us),
        wrong_lengths=sum(one.wrong_lengths for one in found),
    )


def _largest(values: Iterable[float]) -> float:
    """NaN only where all are."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)
