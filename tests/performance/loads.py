"""Results of loads as they would be measured: each request with its times, in milliseconds."""

from __future__ import annotations

from dataclasses import replace

from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.quality import RunQuality
from support.performance.load.record import Failure, Phase, RequestRecord

MS = 1_000_000
WORDS, TOKENS = 16, 5
PLAN = LoadPlan("http://127.0.0.1:1", "model", users=1, requests=1, prompt_words=WORDS, output_tokens=TOKENS)
# Of a client that was never late.
GOOD = RunQuality(
    kernel_stamps=1.0,
    lag_p50_us=10.0,
    lag_p99_us=50.0,
    lag_max_us=90.0,
    events_per_read=1.0,
    coalesced=0.0,
    clock_shift_us=1.0,
    cpu_share=0.1,
    cpu_ms_per_1000_tokens=30.0,
    late_p99_us=20.0,
    late_max_us=30.0,
    requested=1.0,
    achieved=1.0,
    wrong_lengths=0,
)


def request(
    number: int, sent: float = 0.0, first: float = 100.0, gap: float = 10.0, **changes: object
) -> RequestRecord:
    """Sent at a time, its first token so much later, `TOKENS` of them with the same gaps."""
    events = tuple(int((sent + first + gap * index) * MS) for index in range(TOKENS))
    made = RequestRecord(
        number=number,
        user=0,
        turn=1,
        phase=Phase.MEASURED,
        scheduled_ns=int(sent * MS),
        sent_ns=int(sent * MS),
        first_byte_ns=events[0],
        first_token_ns=events[0],
        first_answer_ns=events[0],
        last_token_ns=events[-1],
        end_ns=events[-1] + MS,
        status=200,
        failure=Failure.NONE,
        detail="",
        requested_tokens=TOKENS,
        prompt_tokens=WORDS + 14,
        output_tokens=TOKENS,
        cached_tokens=3,
        coalesced_events=0,
        event_times_ns=events,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields of a record by name


def failed(number: int, sent: float = 0.0) -> RequestRecord:
    """One whose connection was closed in the middle of its answer."""
    return request(number, sent, failure=Failure.CLOSED, detail="after 2 events")


def timed_out(number: int) -> RequestRecord:
    """One that had not ended in time."""
    return request(number, failure=Failure.TIMEOUT, detail="after 10 s")


def result(*requests: RequestRecord, plan: LoadPlan = PLAN, **quality: object) -> LoadResult:
    """Of these requests; `quality`: what was otherwise than in `GOOD`."""
    changed = replace(GOOD, **quality)  # type: ignore[arg-type]  # the fields of a quality by name
    return LoadResult(plan, list(requests), changed, {})
