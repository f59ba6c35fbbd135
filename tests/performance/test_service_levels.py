"""Service levels and growth: what passes, fails and is not judged; loads in rounds, there and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.errors import CheckFailed, NotSupported
from support.performance import service_levels
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.record import RequestRecord
from support.performance.service_levels import MeasuredLoad, MeasuredLoads, measure_loads, plans_of
from support.performance.thresholds import Profile, Threshold
from tests.performance.loads import PLAN, failed, request, result

PROFILE = Profile("mine", {"quick": (Threshold("time to first token", 0.9, 200.0),)})


def loads(*requests: RequestRecord, cpu_share: float = 0.1) -> MeasuredLoads:
    return MeasuredLoads([MeasuredLoad(PLAN, [result(*requests, cpu_share=cpu_share)])])


def requests(count: int, first: float) -> list[RequestRecord]:
    return [request(number, sent=200.0 * number, first=first) for number in range(count)]


def test_a_level_that_is_met_passes() -> None:
    loads(*requests(70, 100.0)).require_level("quick", PROFILE)


def test_a_level_that_is_certainly_missed_fails() -> None:
    with pytest.raises(CheckFailed, match=r"'quick' of the profile mine: fail: 1 user, 16 words: .* 300 ms"):
        loads(*requests(70, 300.0)).require_level("quick", PROFILE)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (loads(*requests(20, 100.0)), "not enough evidence"),
        (loads(*requests(70, 100.0), cpu_share=0.95), "invalid, nothing is judged: 1 user, .* a core"),
        # Also when the level would fail: an invalid measurement is of the client.
        (loads(*requests(70, 300.0), cpu_share=0.95), "invalid, nothing is judged"),
    ],
)
def test_what_cannot_be_judged_is_skipped_with_its_reason(found: MeasuredLoads, reason: str) -> None:
    with pytest.raises(NotSupported, match=reason):
        found.require_level("quick", PROFILE)


def test_a_failed_request_fails_each_judgement() -> None:
    found = loads(*requests(70, 100.0), failed(71), cpu_share=0.95)
    expected = r"1 of 71 requests failed: connection closed \(after 2 events\)"
    with pytest.raises(CheckFailed, match=expected):
        found.require_level("quick", PROFILE)
    with pytest.raises(CheckFailed, match=expected):
        found.require_growth(8, 1.0, 1)


def rounds(users: int, gaps: Sequence[float]) -> MeasuredLoad:
    """Requests back to back: the throughput of a round follows from the gap between its tokens."""
    plan = replace(PLAN, users=users)
    each = [[request(n, sent=n * 5 * gap, first=gap, gap=gap) for n in range(9)] for gap in gaps]
    load = float(users)
    return MeasuredLoad(plan, [result(*one, plan=plan, requested=load, achieved=load) for one in each])


def test_growth_is_a_ratio_over_rounds() -> None:
    one, eight = rounds(1, [10.0, 20.0, 40.0]), rounds(8, [5.0, 10.1, 19.9])
    found = MeasuredLoads([one, eight])
    found.require_growth(8, 1.5, 1)
    with pytest.raises(CheckFailed, match=r"of 8 users by those of 1 user: 1\.997 .*expected 3 or more"):
        found.require_growth(8, 3.0, 1)
    with pytest.raises(NotSupported, match=r"not enough evidence: .* expected 2 or more"):
        found.require_growth(8, 2.0, 1)
    with pytest.raises(CheckFailed, match="no load of 4 users was sent"):
        found.require_growth(4, 1.0, 1)


def test_the_table_shows_figures_and_reasons() -> None:
    table = loads(*requests(70, 100.0), cpu_share=0.95).table().splitlines()
    assert table[1].split() == [
        *("1", "user,", "16", "words", "100.00", "100.00", "10.00", "10.00", "0.05", "25", "0"),
    ]
    assert table[2].startswith("invalid: 1 user, 16 words, round 1: the client has used 95% of a core")


class _Sent:
    """In place of the generator."""

    def __init__(self, failing: int = 0) -> None:
        self.users: list[int] = []
        self._failing = failing

    def __call__(self, plan: LoadPlan, folder: Path, *, timeout: float) -> LoadResult:
        assert folder.is_dir()
        assert timeout > plan.timeout
        self.users.append(plan.users)
        return result(failed(1) if len(self.users) == self._failing else request(1), plan=plan)


@pytest.mark.parametrize(
    ("rows", "failing", "order"),
    [([1], 0, [1]), ([1, 8], 0, [1, 8, 8, 1, 1, 8, 8, 1, 1, 8]), ([1, 8], 2, [1, 8]), ([1, 8], 1, [1])],
)
def test_loads_are_sent_in_rounds_until_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[int], failing: int, order: list[int]
) -> None:
    sent = _Sent(failing)
    monkeypatch.setattr(service_levels, "run_load", sent)
    plans = plans_of([{"users": str(users), "output tokens": "9"} for users in rows], PLAN)
    assert {plan.output_tokens for plan in plans} == {9}
    found = measure_loads(plans, tmp_path)
    assert sent.users == order
    assert sum(len(load.rounds) for load in found.loads) == len(order)
