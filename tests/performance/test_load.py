"""The load generator on the synthetic server and on servers that fail: records, phases, quality.

That a time is right is decided by the times that the server states. None of it depends on how fast or busy
the machine is: a stamp lies after the sending of a token and before the read that brought it.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from types import FrameType
from typing import Any

import pytest
import trustme

from support.performance.ground_truth.agreement import Agreement
from support.performance.ground_truth.server import Schedule, SentTimes
from support.performance.load import __main__ as load_process
from support.performance.load.__main__ import Analyst
from support.performance.load.analysis import Analysed, IssuedRequest, analyse, answer_text
from support.performance.load.clock import KERNEL_STAMPS, SECOND, Timer
from support.performance.load.connection import Connection
from support.performance.load.generator import Generator
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadFailed, LoadResult, run_load
from support.performance.load.quality import RunQuality
from support.performance.load.record import Failure, Phase, RequestRecord, read_records, write_records
from support.performance.load.trace import TracedRequest
from support.programs.launcher import free_port
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, json_reply, silence
from tests.http.tls_tunnel import tls_tunnel
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
# Long beside the lag of a read, also on a slow machine: a coalesced read has one time for several events.
PLAIN = Schedule(ttft_us=30_000, itl_us=10_000, tokens=8, prompt_tokens=11, cached_tokens=3)
# Of the conversion of a stamp from the wall clock to the monotonic clock.
CONVERSION_NS = 200_000


def plan_for(url: str, schedule: Schedule, **changes: object) -> LoadPlan:
    plan = LoadPlan(
        url,
        schedule.model,
        users=2,
        requests=4,
        output_tokens=PLAIN.tokens,
        timeout=PATIENCE,
        keep_events=True,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]  # the fields of a plan by name


def send(plan: LoadPlan) -> list[Analysed]:
    """In this process."""
    issued: list[IssuedRequest] = []
    asyncio.run(Generator(plan, issued.append).run())
    return [analyse(one, plan.api) for one in issued]


def text_of(one: Analysed) -> str:
    return "".join(event.text for _, event in one.events)


SHAPES = {
    "plain": PLAIN,
    "an empty role chunk early": replace(PLAIN, role_us=1000),
    "several tokens per event": replace(PLAIN, tokens_per_event=4),
    "events in two parts": replace(PLAIN, split_us=3000),
    "comments": replace(PLAIN, comments=True),
    "reasoning first": replace(PLAIN, reasoning=3),
    "streams that tick together": replace(PLAIN, together=True),
    "usage late": replace(PLAIN, usage_us=50_000),
    "all at once": Schedule(tokens=8, prompt_tokens=11, cached_tokens=3),
}


@pytest.mark.parametrize("api", ["openai", "ollama"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_shape_of_a_stream_is_measured_as_the_server_states_it(
    synthetic_url: str, shape: Schedule, api: str
) -> None:
    found = send(plan_for(synthetic_url, shape, api=api))
    for one in found:
        record, sent = one.record, SentTimes.of(text_of(one))
        assert (record.failure, record.status, record.detail) == (Failure.NONE, 200, "")
        assert (record.prompt_tokens, record.output_tokens) == (11, 8)
        assert record.cached_tokens == (3 if api == "openai" else -1)
        assert record.has_requested_length
        assert len(one.events) == -(-8 // shape.tokens_per_event)
        in_order = [
            record.scheduled_ns,
            record.sent_ns,
            sent.arrived + CONVERSION_NS,
            record.first_byte_ns + 2 * CONVERSION_NS,
        ]
        assert in_order == sorted(in_order)
        # A stamp is never before the sending of its event. It may be that of a later event, on a machine that
        # stood still meanwhile.
        events = sorted(set(sent.tokens))
        assert len(events) == len(record.event_times_ns)
        assert record.coalesced_events == len(events) - len(set(record.event_times_ns))
        for stated, measured in zip(events, record.event_times_ns, strict=True):
            assert measured >= stated - CONVERSION_NS
        assert record.first_token_ns == record.event_times_ns[0]
        assert record.last_token_ns == record.event_times_ns[-1]
        assert record.end_ns >= sent.tokens[-1] + shape.usage_us * 1000 - CONVERSION_NS
        if shape.reasoning:
            assert record.first_answer_ns == record.event_times_ns[shape.reasoning]
    assert Counter(one.record.phase for one in found)[Phase.MEASURED] == 4


@pytest.mark.skipif(not KERNEL_STAMPS, reason="stamps of the kernel are Linux's")
def test_stamps_of_the_kernel_are_nearer_to_the_truth_than_the_times_of_reads(synthetic_url: str) -> None:
    """The same bytes, timed in both ways, in one run."""
    plan = plan_for(synthetic_url, replace(PLAIN, together=True), users=8, requests=32)
    requests: list[IssuedRequest] = []
    asyncio.run(Generator(plan, requests.append).run())
    # The first packets of a run may have no stamp.
    issued = [one for one in requests if one.phase is Phase.MEASURED]
    stamped = [analyse(one, plan.api) for one in issued]
    for one in issued:
        one.exchange.reads = [(time, (), data) for time, _, data in one.exchange.reads]
    plain = [analyse(one, plan.api) for one in issued]
    assert sum(one.reads.unstamped for one in stamped) < sum(len(one.reads.lags) for one in stamped) / 10
    assert all(one.reads.unstamped and not one.reads.lags for one in plain)

    def errors(found: list[Analysed]) -> list[int]:
        """How long after it was sent a token was there."""
        return [
            time - stated
            for one in found
            for time, stated in zip(one.record.event_times_ns, SentTimes.of(text_of(one)).tokens, strict=True)
        ]

    assert all(
        by_kernel <= by_read + CONVERSION_NS
        for by_kernel, by_read in zip(errors(stamped), errors(plain), strict=True)
    )
    assert median(errors(stamped)) < median(errors(plain))


def test_a_read_does_little(synthetic_url: str) -> None:
    """The cost of a token is that of its read; calls are counted, as CPU time depends on the machine."""
    reads = calls = 0
    callback = (Connection._read_stamped if KERNEL_STAMPS else Connection._read_plain).__code__  # noqa: SLF001
    reading = False

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal reads, calls, reading
        if frame.f_code is callback and event in ("call", "return"):
            reading = event == "call"
            reads += reading
        elif reading and event in ("call", "c_call"):
            calls += 1

    sys.setprofile(count)
    try:
        send(plan_for(synthetic_url, replace(PLAIN, tokens=100, itl_us=1000), users=1, requests=1))
    finally:
        sys.setprofile(None)
    # The read, the time, two calls that keep it and two that look for the end; and two heads of responses.
    # On a busy machine there are few reads, each with many events.
    assert reads
    assert calls <= 7 * reads + 120


@pytest.mark.parametrize(
    ("changes", "failure", "detail", "events"),
    [
        ({"error_after": 3}, Failure.ERROR_EVENT, "error event: synthetic failure", 3),
        ({"drop_after": 4}, Failure.CLOSED, "after 4 events", 4),
        ({"drop_after": 8}, Failure.CLOSED, "after 8 events", 8),
        ({"tokens": 0}, Failure.NO_TOKEN, "", 0),
    ],
)
@pytest.mark.parametrize("api", ["openai", "ollama"])
def test_a_stream_that_fails_has_no_latencies(
    synthetic_url: str, changes: dict[str, Any], failure: Failure, detail: str, events: int, api: str
) -> None:
    found = send(plan_for(synthetic_url, replace(PLAIN, **changes), api=api))
    for one in found:
        record = one.record
        assert (record.failure, record.detail, len(one.events)) == (failure, detail, events)
        latencies = (record.ttft_ns, record.scheduled_ttft_ns, record.ttfo_ns, record.itl_ns, record.e2e_ns)
        assert {*latencies, record.e2e_end_ns} == {None}


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
CHUNK = b"%x\r\n%s\r\n" % (len(HALF), HALF)


@pytest.mark.parametrize(
    ("reply", "failure", "status"),
    [
        (json_reply({"error": {"message": "busy"}}, "503 Service Unavailable"), Failure.STATUS, 503),
        (json_reply({"choices": []}), Failure.NO_TOKEN, 200),
        (bytes_reply(), Failure.CLOSED, 0),
        (bytes_reply(b"SSH-2.0-x\r\n\r\n"), Failure.MALFORMED, 0),
        (bytes_reply(HEAD, b"zz\r\n\r\n0\r\n\r\n"), Failure.MALFORMED, 0),
        (bytes_reply(HEAD, CHUNK), Failure.CLOSED, 200),
        (bytes_reply(HEAD, CHUNK, b"0\r\n\r\n"), Failure.UNFINISHED, 200),
    ],
)
def test_a_failure_has_its_kind(serve: Serve, reply: Reply, failure: Failure, status: int) -> None:
    for one in send(plan_for(serve(reply).url, PLAIN, users=1, requests=2)):
        assert (one.record.failure, one.record.status) == (failure, status)


def test_a_server_that_is_silent_or_gone(serve: Serve) -> None:
    silent = send(plan_for(serve(silence).url, PLAIN, users=1, requests=1, timeout=0.2))
    assert {one.record.failure for one in silent} == {Failure.TIMEOUT}
    gone = send(plan_for(f"http://127.0.0.1:{free_port()}", PLAIN, users=1, requests=2))
    assert {one.record.failure for one in gone} == {Failure.CONNECT}
    unknown = send(plan_for("http://no-such-host.invalid", PLAIN, users=1, requests=1))
    assert {one.record.failure for one in unknown} == {Failure.CONNECT}


def test_a_server_without_length_ends_its_answer_with_the_connection(serve: Serve) -> None:
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    server = serve(bytes_reply(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", HALF, finish))
    for one in send(plan_for(server.url, PLAIN, users=1, requests=3)):
        assert (one.record.failure, one.record.output_tokens) == (Failure.NONE, -1)
        # Without usage there is no number of tokens, and no inter-token latency.
        assert (one.record.itl_ns, one.record.has_requested_length) == (None, False)
        assert one.record.ttft_ns is not None


def test_a_large_prompt_is_sent_whole(synthetic_url: str) -> None:
    plan = plan_for(synthetic_url, PLAIN, users=1, requests=1, prompt_words=1_000_000)
    assert [one.record.failure for one in send(plan)] == [Failure.NONE] * 2


def test_a_closed_loop_keeps_its_users_busy(synthetic_url: str) -> None:
    found = [one.record for one in send(plan_for(synthetic_url, PLAIN, users=3, requests=9))]
    assert sorted({record.user for record in found}) == [0, 1, 2]
    phases = {phase: [one for one in found if one.phase is phase] for phase in Phase}
    assert len(phases[Phase.WARM_UP]) >= 3
    assert len(phases[Phase.MEASURED]) == 9
    # Each user ends a request before the first one that is measured, and none waits for another user.
    first = min(record.sent_ns for record in phases[Phase.MEASURED])
    assert {one.user for one in phases[Phase.WARM_UP] if one.end_ns <= first} == {0, 1, 2}
    numbers = [record.number for record in sorted(found, key=lambda one: one.number)]
    assert numbers == list(range(1, len(found) + 1))


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_an_open_loop_sends_on_time_whatever_the_answers_take(synthetic_url: str, arrivals: str) -> None:
    schedule = replace(PLAIN, ttft_us=150_000)
    plan = plan_for(
        synthetic_url,
        schedule,
        users=0,
        rate=100.0,
        arrivals=arrivals,
        requests=20,
        seed=3,
        warm_up_seconds=0.05,
    )
    measured = [one.record for one in send(plan) if one.record.phase is Phase.MEASURED]
    assert len(measured) == 20
    assert all(record.late_ns >= 0 for record in measured)
    # Twenty are sent before the first one is answered, unless the machine stood still.
    due = sorted(record.scheduled_ns for record in measured)
    if arrivals == "constant":
        assert {after - before for before, after in pairwise(due)} == {SECOND // 100}
    for record in measured:
        assert record.ttft_ns is not None
        assert record.scheduled_ttft_ns == record.ttft_ns + record.late_ns


def test_a_timer_is_never_early() -> None:
    async def wait() -> int:
        timer = Timer(asyncio.get_running_loop())
        moment = perf_counter_ns() + SECOND // 200
        for _ in range(2):
            await timer.wait_until(moment)
        timer.close()
        timer.close()
        return perf_counter_ns() - moment

    assert asyncio.run(wait()) >= 0


def test_records_are_the_same_after_csv(synthetic_url: str, tmp_path: Path) -> None:
    records = [one.record for one in send(plan_for(synthetic_url, PLAIN))]
    records.append(replace(records[0], failure=Failure.STATUS, detail='500 "a, b"\n', event_times_ns=()))
    write_records(tmp_path / "requests.csv", records)
    assert read_records(tmp_path / "requests.csv") == records
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="has no records of requests"):
        read_records(tmp_path / "other.csv")


def test_latencies_by_definition() -> None:
    values = {field.name: 0 for field in fields(RequestRecord)}
    record = RequestRecord(
        **{  # type: ignore[arg-type]  # the fields of a record by name
            **values,
            "phase": Phase.MEASURED,
            "failure": Failure.NONE,
            "detail": "",
            "scheduled_ns": 100,
            "sent_ns": 150,
            "first_token_ns": 1150,
            "first_answer_ns": 1250,
            "last_token_ns": 2050,
            "end_ns": 2150,
            "output_tokens": 10,
            "event_times_ns": (1150, 1250, 2050),
        }
    )
    assert (record.late_ns, record.ttft_ns, record.scheduled_ttft_ns, record.ttfo_ns) == (
        50,
        1000,
        1050,
        1100,
    )
    # 10 tokens in 3 events: 9 intervals, whatever the events are.
    assert (record.itl_ns, record.gaps_ns) == (100, [100, 800])
    assert (record.e2e_ns, record.e2e_end_ns) == (1900, 2000)
    assert replace(record, output_tokens=1).itl_ns is None


def run(plan: LoadPlan, folder: Path) -> LoadResult:
    return run_load(plan, folder)


def test_the_process_of_a_load_leaves_records_events_and_quality(synthetic_url: str, tmp_path: Path) -> None:
    plan = plan_for(synthetic_url, PLAIN, users=4, requests=12, key="top-secret")
    result = run(plan, tmp_path)
    assert len(result.measured) == 12
    assert not [record for record in result.measured if record.failed]
    assert result.events.keys() == {record.number for record in result.records}
    quality = result.quality
    assert quality.kernel_stamps == (1.0 if KERNEL_STAMPS else 0.0)
    assert 0 <= quality.lag_p50_us <= quality.lag_p99_us <= quality.lag_max_us
    assert quality.events_per_read >= 1
    assert 0 <= quality.coalesced <= 1
    assert quality.cpu_share > 0
    assert quality.cpu_ms_per_1000_tokens > 0
    assert quality.requested == 4
    assert 0 < quality.achieved <= 4
    assert quality.wrong_lengths == 0
    assert 0 <= quality.machine.busy <= 1
    # Of a remote target only.
    assert math.isnan(quality.handshake_p50_us)
    agreement = Agreement.of(result)
    assert len(agreement.ttft_ns) == len(agreement.itl) == 12
    assert len(agreement.gaps_ns) == 12 * 7
    assert all(error >= -2 * CONVERSION_NS for error in agreement.ttft_ns)
    # Neither the plan nor its key is left.
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "events.jsonl",
        "load.log",
        "quality.json",
        "requests.csv",
    ]
    assert not [file for file in tmp_path.iterdir() if b"top-secret" in file.read_bytes()]


def test_beyond_what_is_kept_requests_are_analysed_during_the_load(
    synthetic_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(synthetic_url, PLAIN)
    found = []
    for kept_reads in (0, 10, 1000):
        monkeypatch.setattr(load_process, "KEPT_READS", kept_reads)
        analyst = Analyst(plan)
        asyncio.run(Generator(plan, analyst.keep).run())
        analysed = analyst.all()
        assert [one.record.number for one in analysed] == list(range(1, len(analysed) + 1))
        found.append({one.record.failure for one in analysed})
    assert found == [{Failure.NONE}] * 3


def test_answers_of_another_length_are_counted(synthetic_url: str, tmp_path: Path) -> None:
    result = run(plan_for(synthetic_url, PLAIN, output_tokens=9, keep_events=False), tmp_path)
    assert result.quality.wrong_lengths == 4
    assert result.events == {}


def test_a_run_of_failures_has_a_quality_too(tmp_path: Path) -> None:
    quality = run(plan_for(f"http://127.0.0.1:{free_port()}", PLAIN), tmp_path).quality
    assert quality.kernel_stamps != quality.kernel_stamps
    written = RunQuality.read(tmp_path / "quality.json")
    assert written.wrong_lengths == quality.wrong_lengths == 0


def test_a_share_of_the_clients_leaves_at_the_first_token(synthetic_url: str, tmp_path: Path) -> None:
    plan = plan_for(synthetic_url, PLAIN, users=1, requests=20, cancelled_share=0.25)
    result = run(plan, tmp_path)
    cancelled = [record for record in result.records if record.cancelled]
    assert [record.number for record in cancelled] == list(range(4, 22, 4))
    for record in cancelled:
        assert record.first_token_ns and record.output_tokens == -1
        assert (record.ttft_ns, record.itl_ns, record.e2e_ns, record.failed) == (None, None, None, False)
        # Long before the end of the answer.
        assert len(record.event_times_ns) < PLAIN.tokens
    # They are no measured requests, and no answers of another length.
    assert len(result.measured) + sum(one.phase is Phase.MEASURED for one in cancelled) == 20
    assert not any(record.failed for record in result.measured)
    assert result.quality.wrong_lengths == 0


def test_users_have_conversations(synthetic_url: str, tmp_path: Path) -> None:
    plan = plan_for(synthetic_url, PLAIN, users=2, requests=12, turns=3)
    records = run(plan, tmp_path).records
    for user in range(2):
        turns = [record.turn for record in records if record.user == user]
        assert turns == [1 + number % 3 for number in range(len(turns))]
    assert read_records(tmp_path / "requests.csv") == records


def test_a_conversation_has_the_answers_of_the_server(synthetic_url: str) -> None:
    plan = plan_for(synthetic_url, PLAIN, users=1, requests=2, turns=3)
    issued: list[IssuedRequest] = []
    asyncio.run(Generator(plan, issued.append).run())
    answer = answer_text(issued[0].exchange, "openai")
    assert answer and answer.startswith("@") and len(answer.split()) == 1 + PLAIN.tokens
    assert answer == text_of(analyse(issued[0], "openai"))
    broken = replace(issued[0].exchange, reads=issued[0].exchange.reads[:1])
    assert answer_text(replace(broken, error=Failure.CLOSED), "openai") is None
    assert answer_text(replace(broken, reads=[(0, (), b"nothing")]), "openai") is None


def test_a_trace_is_sent_at_its_times_with_its_lengths(synthetic_url: str, tmp_path: Path) -> None:
    trace = tuple(TracedRequest(at, 5, PLAIN.tokens) for at in (0.0, 5.0, 250.0))
    plan = plan_for(synthetic_url, PLAIN, users=0, requests=0, trace=trace)
    result = run(plan, tmp_path)
    scheduled = [record.scheduled_ns - result.records[0].scheduled_ns for record in result.records]
    assert scheduled == [0, 5_000_000, 250_000_000]
    assert all(record.late_ns >= 0 for record in result.records)
    assert len(result.measured) == 3
    assert result.quality.wrong_lengths == 0


def test_a_load_behind_tls(synthetic_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with tls_tunnel(synthetic_url, context) as url:
        plan = plan_for(url, PLAIN, ca_file=str(tmp_path / "ca.pem"))
        result = run(plan, tmp_path)
        assert [record.failure for record in result.measured] == [Failure.NONE] * 4
        assert result.quality.kernel_stamps == 0
        # Never earlier than sent, as an exact clock has it.
        assert all(error >= -CONVERSION_NS for error in Agreement.of(result).ttft_ns)
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        (failed, *_) = run(replace(plan, ca_file=""), tmp_path).measured
        assert failed.failure is Failure.CONNECT
        assert "certificate verify failed" in failed.detail


def test_a_load_that_does_not_end_is_ended(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="the load did not end"):
        run_load(plan_for(serve(silence).url, PLAIN), tmp_path, timeout=1.0)
    assert not (tmp_path / "plan.json").exists()
