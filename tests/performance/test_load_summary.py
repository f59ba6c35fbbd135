"""The figures of a load, and the command that prints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.cli import main
from support.performance.ground_truth.server import Schedule
from support.performance.load.clock import SECOND
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.quality import RunQuality
from support.performance.load.record import Failure, Phase, RequestRecord, read_records
from support.performance.load.summary import LoadSummary, lines
from support.programs.launcher import free_port
from tests.http.tiny_server import Reply, TinyServer, silence

ANSWER = Schedule(ttft_us=5_000, itl_us=1_000, tokens=8)


def record(number: int, phase: Phase, sent: float, failure: Failure = Failure.NONE) -> RequestRecord:
    """Answered within a second: two tokens in an event after 0.5 s, two more after 1 s."""
    begin = round(sent * SECOND)
    first, last = begin + SECOND // 2, begin + SECOND
    return RequestRecord(
        number=number,
        user=0,
        turn=1,
        phase=phase,
        scheduled_ns=begin,
        sent_ns=begin,
        first_byte_ns=begin,
        first_token_ns=first,
        first_answer_ns=first,
        last_token_ns=last,
        end_ns=last,
        status=200,
        failure=failure,
        detail="",
        requested_tokens=4,
        prompt_tokens=1,
        output_tokens=4,
        cached_tokens=0,
        coalesced_events=0,
        event_times_ns=(first, last),
    )


def result_of(*records: RequestRecord) -> LoadResult:
    quality = RunQuality(1.0, 1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.1, 40.0, 0.5, 0.6, 2, 1.9, 0)
    plan = LoadPlan("http://127.0.0.1", "m", users=2, requests=9)
    return LoadResult(plan, list(records), quality, {})


def test_throughput_is_that_of_the_time_in_which_measured_requests_were_sent() -> None:
    summary = LoadSummary.of(
        result_of(
            record(1, Phase.WARM_UP, -0.6),  # one event and the end inside of the window
            record(2, Phase.MEASURED, 0),
            record(3, Phase.MEASURED, 1, Failure.TIMEOUT),  # has no tokens, whatever came
            record(4, Phase.MEASURED, 2),  # everything after the window
            record(5, Phase.COOL_DOWN, 3),
        )
    )
    assert summary.window == 2.0
    assert summary.token_rate == (2 + 4) / 2
    assert summary.request_rate == 2 / 2
    assert (summary.requests, summary.failed, dict(summary.failures)) == (3, 1, {Failure.TIMEOUT: 1})
    assert [one.value for one in summary.latencies["time to first token"]] == [500.0] * 4
    assert [one.value for one in summary.latencies["inter-token latency"]] == [pytest.approx(500 / 3)] * 4
    assert [one.value for one in summary.latencies["end to end"]] == [1000.0] * 4


def test_each_time_of_an_answer_has_its_own_line() -> None:
    """Reasoning first, and a usage 50 ms after the last token."""
    some = [
        replace(one, first_answer_ns=one.last_token_ns, end_ns=one.last_token_ns + SECOND // 20)
        for one in (record(number, Phase.MEASURED, number) for number in range(2))
    ]
    found = list(lines(result_of(*some)))
    rows = {line[:20].strip(): line[20:].split()[0] for line in found[3:10]}
    assert rows == {
        "time to first token": "500.00*",
        "... from schedule": "500.00*",
        "first output token": "1000.00*",
        "inter-token latency": "166.67*",
        "end to end": "1000.00*",
        "... to the end": "1050.00*",
        "event gaps": "500.00",
    }
    assert "; one request: 6.0 tokens per second while generating" in "\n".join(found)


def test_the_whole_run_has_a_line_beside_the_measured_part() -> None:
    cold = record(1, Phase.WARM_UP, -2.0)
    some = [
        replace(cold, first_token_ns=cold.first_token_ns + SECOND // 4),
        record(2, Phase.MEASURED, 0.0),
        record(3, Phase.MEASURED, 1.0, Failure.CLOSED),
        record(4, Phase.COOL_DOWN, 2.0),
    ]
    (line,) = [line for line in lines(result_of(*some)) if line.startswith("whole run")]
    assert line == (
        "whole run, with warm-up and cool-down: 4 requests, 1 failed, "
        "time to first token p50 500.00* ms, p95 750.00* ms, 2.4 output tokens per second"
    )
    (failed,) = [line for line in lines(result_of(some[2])) if line.startswith("whole run")]
    assert failed.endswith(": 1 requests, 1 failed, 0.0 output tokens per second")


def test_a_load_of_which_nothing_was_read_has_no_figures_of_its_reads() -> None:
    found = result_of(record(1, Phase.MEASURED, 0, Failure.CONNECT))
    nothing = replace(found.quality, kernel_stamps=nan, lag_p99_us=nan, coalesced=nan)
    text = "\n".join(lines(replace(found, quality=nothing)))
    assert "lateness p99 0.00 ms, nothing was read, 10 % of a core" in text
    assert "nan" not in text


def test_too_few_samples_are_marked() -> None:
    some = [record(number, Phase.MEASURED, number) for number in range(70)]
    text = "\n".join(lines(result_of(*some)))
    (row,) = [line for line in text.splitlines() if line.startswith("end to end")]
    assert row.split()[3:] == ["1000.00", "1000.00", "1000.00*", "1000.00*"]
    assert "fewer requests than an upper bound needs" in text


def test_a_load_in_which_all_failed_has_no_latencies() -> None:
    text = "\n".join(lines(result_of(record(1, Phase.MEASURED, 0, Failure.CLOSED))))
    assert "1 measured requests in 0.0 s, 1 failed (1 x connection closed), an error rate of 100.0%" in text
    assert "time to first token" not in text
    assert "0 measured requests" in "\n".join(lines(result_of()))


def load(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["load", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("api", "kind"), [("openai", ("--users", "2")), ("ollama", ("--rate", "50", "--arrivals", "poisson"))]
)
def test_the_command_prints_what_it_has_measured(
    synthetic_url: str, api: str, kind: tuple[str, ...], tmp_path: Path
) -> None:
    code, output = load(
        *("--target", synthetic_url, "--model", ANSWER.model, "--api", api, *kind),
        *("--requests", "6", "--output-tokens", "8", "--folder", str(tmp_path)),
    )
    assert code == 0, output
    assert "6 measured requests" in output
    assert "0 failed" in output
    assert "time to first token" in output
    assert "0 answers of another length" in output
    assert sum(one.phase is Phase.MEASURED for one in read_records(tmp_path / "requests.csv")) == 6


def test_the_command_fails_when_a_request_has_failed() -> None:
    code, output = load(
        *("--target", f"http://127.0.0.1:{free_port()}", "--model", "m", "--users", "1", "--requests", "1")
    )
    assert code == 1
    assert "1 failed (1 x no connection)" in output


def test_the_command_waits_no_longer_than_its_time_limit(serve: Callable[[Reply], TinyServer]) -> None:
    words = ("--model", "m", "--users", "1", "--requests", "1", "--timeout", "0.3")
    code, output = load("--target", serve(silence).url, *words)
    assert code == 1
    assert "1 failed (1 x timeout)" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--requests", "1"), "either users (closed loop), a rate (open loop) or a trace"),
        (("--users", "1"), "a load needs an end"),
        (("--users", "none", "--requests", "1"), "'none' is no list of whole numbers from 1"),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], message: str) -> None:
    code, output = load("--target", "http://127.0.0.1:1", "--model", "m", *words)
    assert (code, len(output.splitlines())) == (2, 1)
    assert message in output
