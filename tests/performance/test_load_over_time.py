"""The load by tenth of the measured part: what was sent and in flight beside what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from support.performance.load.arrivals import due_times
from support.performance.load.files import REQUESTS
from support.performance.load.program import LoadResult
from support.performance.load.record import Failure, Phase, RequestRecord, write_records
from support.performance.load.summary import lines
from support.performance.load.trace import TracedRequest
from support.performance.load_over_time import LoadOverTime
from support.performance.load_report import Run, write_report, write_summary
from support.performance.load_validation import contradictions, recomputed_tenths
from support.performance.token_counts import TokenCounts
from tests.performance.loads import MS, PLAN, failed, request, result

RATE = replace(PLAN, users=0, rate=20.0)
USERS = replace(PLAN, users=2)


def sent_at(times: Iterable[float]) -> list[RequestRecord]:
    return [request(number, time) for number, time in enumerate(times, 1)]


def constant(count: int = 201) -> list[RequestRecord]:
    """20 in a second, for ten seconds."""
    return sent_at(50.0 * number for number in range(count))


def ending(records: Iterable[RequestRecord], after: float) -> list[RequestRecord]:
    return [replace(one, end_ns=one.sent_ns + int(after * MS)) for one in records]


def test_a_constant_load_has_its_rate_in_each_tenth() -> None:
    found = LoadOverTime.of(result(*ending(constant(), 200.0), plan=RATE))
    assert [one.rate for one in found.tenths] == [pytest.approx(20.0)] * 10
    assert [one.requested_rate for one in found.tenths] == [20.0] * 10
    assert [one.requested_in_flight for one in found.tenths] == [None] * 10
    assert [one.in_flight for one in found.tenths[1:]] == [pytest.approx(4.0)] * 9
    # One request at first, a second one after 50 ms, a fourth one after 150 ms: 3, 2 and 1 are missing.
    assert found.tenths[0].in_flight == pytest.approx(4.0 - 0.3)
    assert [(one.begin, one.end) for one in found.tenths][3] == (3.0, 4.0)
    assert found.line() == "requests per second by tenth of the measured part: 20.00 to 20.00 of 20 requested"


def test_the_ends_of_a_tenth_round_nothing_to_whole_requests() -> None:
    found = LoadOverTime.of(result(*ending(constant(108), 200.0), plan=RATE))
    assert [one.rate for one in found.tenths] == [pytest.approx(20.0)] * 10


def test_a_tenth_that_was_held_up_is_seen_where_the_mean_hides_it() -> None:
    """20 per second for eight seconds, 10 in the ninth one, and 30 in the tenth."""
    steady, slow, fast = (range(161), 50, 0), (range(1, 11), 100, 8000), (range(1, 31), 1000 / 30, 9000)
    records = sent_at(
        begin + gap * number for numbers, gap, begin in (steady, slow, fast) for number in numbers
    )
    found = LoadOverTime.of(result(*records, plan=RATE))
    assert [one.rate for one in found.tenths] == [pytest.approx(rate) for rate in [*[20.0] * 8, 10.0, 30.0]]
    assert found.line() == "requests per second by tenth of the measured part: 10.00 to 30.00 of 20 requested"


def test_requests_of_other_phases_are_part_of_the_load_and_not_of_its_window() -> None:
    early = request(1, sent=-500.0, phase=Phase.WARM_UP, end_ns=1000 * MS)
    left = request(2, sent=1025.0, failure=Failure.CANCELLED, end_ns=1525 * MS)
    late = request(3, sent=10_001.0, phase=Phase.COOL_DOWN)
    found = LoadOverTime.of(result(early, left, late, *ending(constant(), 50.0), plan=RATE))
    assert [one.rate for one in found.tenths[:3]] == [pytest.approx(rate) for rate in (20.0, 21.0, 20.0)]
    assert [one.in_flight for one in found.tenths[:3]] == [pytest.approx(one) for one in (2.0, 1.5, 1.0)]


def test_a_ramp_is_asked_for_another_rate_in_each_tenth() -> None:
    ramp = replace(RATE, rate=100.0, seconds=10.0, arrivals="ramp")
    records = sent_at(due / MS for due in islice(due_times(ramp), 501))
    found = LoadOverTime.of(result(*records, plan=ramp))
    assert [one.requested_rate for one in found.tenths] == [pytest.approx(5.0 + 10 * at) for at in range(10)]
    assert [one.rate for one in found.tenths] == [
        pytest.approx(one.requested_rate, rel=0.02) for one in found.tenths
    ]
    assert found.line().endswith(" of 5 to 95 requested")


def test_the_users_of_a_closed_loop_are_what_was_asked() -> None:
    """Two users without a pause; one of them has gone for the last second."""
    records = ending(sent_at(100.0 * number for number in range(101)), 100.0)
    records += ending((request(number, 100.0 * number + 50) for number in range(90)), 100.0)
    found = LoadOverTime.of(result(*records, plan=USERS))
    assert [one.in_flight for one in found.tenths[1:9]] == [pytest.approx(2.0)] * 8
    assert found.tenths[9].in_flight == pytest.approx(1.05)
    assert [one.requested_in_flight for one in found.tenths] == [2] * 10
    assert found.tenths[0].requested_rate is None
    assert found.line() == "requests in flight by tenth of the measured part: 1.05 to 2.00 of 2 requested"


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (
            result(*constant(99), request(100, 9000.0, phase=Phase.COOL_DOWN), plan=RATE),
            "99 requests; tenths need 100",
        ),
        (result(plan=RATE), "0 requests; tenths need 100"),
        (
            result(*constant(), plan=replace(PLAN, users=0, requests=0, trace=(TracedRequest(0, 1, 1),))),
            "a trace has no rate that was requested",
        ),
    ],
)
def test_tenths_are_left_out_with_a_reason(measured: LoadResult, reason: str) -> None:
    found = LoadOverTime.of(measured)
    assert (found.tenths, found.left_out, found.figures) == ([], reason, {})
    assert f"load over time: left out ({reason})" in list(lines(measured))
    assert list(found.table()) == [f"Load over time: left out ({reason})."]


# Other phases, one that failed, one that was cancelled, one that is in flight over several tenths.
RECORDS = [
    request(1, -300.0, phase=Phase.WARM_UP, end_ns=4000 * MS),
    *(request(number, 37.0 * number + number % 7, 90 + number, 9 + number / 7) for number in range(2, 150)),
    failed(150, 5551.0),
    request(151, 5555.0, failure=Failure.CANCELLED),
    request(152, 5560.0, phase=Phase.COOL_DOWN),
]


@pytest.mark.parametrize("name", sorted(LoadOverTime.of(result(*RECORDS, plan=RATE)).figures))
def test_a_second_implementation_finds_the_same_tenths(name: str, tmp_path: Path) -> None:
    file = tmp_path / REQUESTS
    write_records(file, RECORDS)
    figures = dict(LoadOverTime.of(result(*RECORDS, plan=RATE)).figures)
    assert list(contradictions(figures, file, recomputed_tenths)) == []
    figures[name] *= 1.001
    (found,) = contradictions(figures, file, recomputed_tenths)
    assert found.startswith(name)


def test_the_report_has_the_tenths(tmp_path: Path) -> None:
    write_records(tmp_path / REQUESTS, RECORDS)
    run = Run(result(*RECORDS, plan=RATE), tmp_path, TokenCounts.of(RECORDS, None))
    assert run.contradictions() == []
    write_summary(run)
    write_report([run], tmp_path)
    over_time = json.loads((tmp_path / "summary.json").read_text())["over_time"]
    assert [one["requested_rate"] for one in over_time["tenths"]] == [20.0] * 10
    page = (tmp_path / "report.md").read_text()
    assert (
        "\n| tenth | seconds | requests per second | requested | requests in flight | requested |\n|---"
        in page
    )
    assert f"\n| 1 | 0.0 to 0.5 | {over_time['tenths'][0]['rate']:.2f} | 20.00 | " in page


def test_tenths_that_contradict_the_records_are_in_the_report(tmp_path: Path) -> None:
    write_records(tmp_path / REQUESTS, RECORDS)
    slower = [replace(one, end_ns=one.end_ns + 10**6) if one.number == 9 else one for one in RECORDS]
    found = Run(result(*slower, plan=RATE), tmp_path, TokenCounts.of(RECORDS, None)).contradictions()
    assert any(line.startswith("tenth 1: requests in flight is") for line in found)
