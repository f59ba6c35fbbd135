"""Service levels and growth: what passes, fails and is not judged; loads in rounds, there and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.errors import CheckFailed, NotSupported, SettingsError
from support.performance.limits import Bounds, Limit, MeanLimit, RatioLimit, Threshold
from support.performance.load.plan import LoadPlan
from support.performance.load.record import Failure, RequestRecord
from support.performance.measured_load import MeasuredLoad, Round
from support.performance.resources import MIB, ResourceUse
from support.performance.service_levels import MeasuredLoads, PlannedLoad, measure_loads
from support.performance.thresholds import Profile
from tests.performance.loads import PLAN, failed, request, result

ONE = "1 user, 16 words"


def profile(*limits: Limit) -> Profile:
    return Profile("mine", {"quick": limits})


PROFILE = profile(Threshold("time to first token", 0.9, 200.0))


def loads(*requests: RequestRecord, cpu_share: float = 0.1, others: float = 0.0) -> MeasuredLoads:
    one = Round(result(*requests, cpu_share=cpu_share), ResourceUse(others=others))
    return MeasuredLoads([MeasuredLoad(ONE, PLAN, [one])])


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
        # Also when the level would fail: an invalid measurement is of the client, and so with a busy machine.
        (loads(*requests(70, 300.0), cpu_share=0.95), "invalid, nothing is judged"),
        (loads(*requests(70, 300.0), others=0.4), "not judged, other programs had 40% of the CPU: 1 user"),
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


def rounds(users: int, gaps: Sequence[float], name: str = "", others: float = 0.0) -> MeasuredLoad:
    """Requests back to back: the throughput of a round follows from the gap between its tokens."""
    plan = replace(PLAN, users=users)
    each = [[request(n, sent=n * 5 * gap, first=gap, gap=gap) for n in range(9)] for gap in gaps]
    load = float(users)
    found = [result(*one, plan=plan, requested=load, achieved=load) for one in each]
    use = ResourceUse(others=others)
    return MeasuredLoad(name or f"{users} users", plan, [Round(one, use) for one in found])


def growth(factor: float, first: str = "8 users") -> Profile:
    return profile(RatioLimit("tokens per second", first, "1 users", Bounds(least=factor)))


def test_growth_is_a_ratio_over_rounds() -> None:
    one, eight = rounds(1, [10.0, 20.0, 40.0]), rounds(8, [5.0, 10.1, 19.9])
    found = MeasuredLoads([one, eight])
    found.require_level("quick", growth(1.5))
    with pytest.raises(CheckFailed, match=r"of '8 users' by '1 users' >= 3: 1\.997 "):
        found.require_level("quick", growth(3.0))
    with pytest.raises(NotSupported, match=r"not enough evidence: tokens per second of .* >= 2: "):
        found.require_level("quick", growth(2.0))
    with pytest.raises(SettingsError, match="there is no load '4 users'"):
        found.require_level("quick", growth(1.0, "4 users"))
    busy = MeasuredLoads([one, rounds(8, [5.0, 10.1, 19.9], others=0.5)])
    with pytest.raises(
        NotSupported, match="not judged, other programs had 50% of the CPU: tokens per second"
    ):
        busy.require_level("quick", growth(3.0))


def test_two_rounds_are_not_enough_for_a_ratio() -> None:
    found = MeasuredLoads([rounds(1, [10.0, 20.0]), rounds(8, [5.0, 10.0])])
    with pytest.raises(NotSupported, match="measured in 2 rounds only, 3 are needed"):
        found.require_level("quick", growth(1.0))


def memory(*grown: float, peak: float = 16.0, others: float = 0.0) -> MeasuredLoad:
    """Of a server that keeps so many MiB after each round, and has at most `peak` more during it."""
    uses = [
        ResourceUse(
            idle=100 * MIB, peak=int((100 + peak) * MIB), after=int((100 + kept) * MIB), others=others
        )
        for kept in grown
    ]
    plan = replace(PLAN, users=4)
    load = result(*requests(9, 100.0), plan=plan, requested=4.0, achieved=4.0)
    return MeasuredLoad("4 users", plan, [Round(load, use) for use in uses])


PER_REQUEST = MeanLimit("memory per request", Bounds(most=8.0))
KEPT = MeanLimit("memory kept", Bounds(most=4.0))


def test_memory_is_a_mean_over_rounds() -> None:
    MeasuredLoads([memory(30.0, 0.0, 0.1, -0.1)]).require_level("quick", profile(PER_REQUEST, KEPT))
    leaking = MeasuredLoads([memory(0.0, 12.0, 12.1, 12.2, others=0.9)])
    # Memory is the same on a busy machine.
    with pytest.raises(
        CheckFailed, match=r"4 users: memory kept <= 4 MiB: 12\.1 \(11\.9 to 12\.3, 3 rounds\)"
    ):
        leaking.require_level("quick", profile(PER_REQUEST, KEPT))
    with pytest.raises(CheckFailed, match=r"4 users: memory per request <= 8 MiB: 16 "):
        MeasuredLoads([memory(0, 0, 0, 0, peak=64.0)]).require_level("quick", profile(PER_REQUEST, KEPT))
    with pytest.raises(NotSupported, match=r"not enough evidence: 4 users: memory kept <= 4 MiB"):
        MeasuredLoads([memory(0, 0, 0, 12)]).require_level("quick", profile(PER_REQUEST, KEPT))


def test_what_cannot_be_read_is_not_measured() -> None:
    """Energy without a counter, memory of a server at a URL."""
    found = MeasuredLoads([rounds(1, [10.0, 10.0, 10.0])])
    for figure in ("energy per token", "memory per request", "time to ready"):
        with pytest.raises(NotSupported, match=f"{figure} <= 1 .*: not measured"):
            found.require_level("quick", profile(MeanLimit(figure, Bounds(most=1.0))))


def test_a_limit_by_the_size_of_the_file() -> None:
    limit = profile(MeanLimit("time to ready", Bounds(most=1000.0), for_each_mib=10.0))
    started = [
        Round(result(*requests(9, 100.0)), own={"time to ready": ready}) for ready in (1400, 1450, 1500)
    ]
    small, large = (
        MeasuredLoads([MeasuredLoad("new server", PLAN, started, file_size=size * MIB)]) for size in (5, 100)
    )
    large.require_level("quick", limit)
    with pytest.raises(CheckFailed, match=r"new server: time to ready <= 1050 ms: 1\.45e\+03"):
        small.require_level("quick", limit)


def test_an_overloaded_server_may_reject_requests_as_busy() -> None:
    before, after = rounds(1, [10.0] * 3, "before"), rounds(1, [10.0] * 3, "after")
    rejected = request(1, failure=Failure.STATUS, detail="503 busy")
    waiting = request(1, failure=Failure.TIMEOUT, event_times_ns=())
    stalled = request(1, failure=Failure.TIMEOUT)
    level = profile(RatioLimit("tokens per second", "after", "before", Bounds(least=0.8)))
    cases = ((rejected, True), (waiting, True), (stalled, False), (failed(2), False))
    for failure, passes in cases:
        full = MeasuredLoad("overload", PLAN, [Round(result(failure, requested=8.0))] * 3, overload=True)
        found = MeasuredLoads([before, full, after])
        if passes:
            found.require_level("quick", level)
        else:
            with pytest.raises(CheckFailed, match="overload: 3 of 3 requests failed"):
                found.require_level("quick", level)


def test_the_table_shows_figures_and_reasons() -> None:
    table = loads(*requests(70, 100.0), cpu_share=0.95).table().splitlines()
    assert table[1].split() == [
        *("1", "user,", "16", "words", "100.00", "100.00", "10.00", "10.00", "0.05", "25", "0"),
        *"-----",
    ]
    assert table[2].startswith("invalid: 1 user, 16 words, round 1: the client has used 95% of a core")
    row = MeasuredLoads([memory(0.0, 1.0, 2.0)]).table().splitlines()[1]
    assert row.split()[-5:] == ["100.0", "116.0", "101.0", "-", "-"]


class _Sent:
    """In place of a load that is sent."""

    def __init__(self, failing: int = 0) -> None:
        self.users: list[int] = []
        self._failing = failing

    def __call__(self, plan: LoadPlan, folder: Path) -> Round:
        assert folder.is_dir()
        self.users.append(plan.users)
        return Round(result(failed(1) if len(self.users) == self._failing else request(1), plan=plan))


@pytest.mark.parametrize(
    ("users", "overload", "failing", "order"),
    [
        ([1], 0, 0, [1] * 3),
        ([1, 8], 0, 0, [1, 8, 8, 1, 1, 8]),
        ([1, 8], 0, 2, [1, 8]),
        ([1, 8], 0, 1, [1]),
        ([1, 8, 2], 8, 0, [1] * 3 + [8, 2] * 3),
    ],
)
def test_loads_are_sent_in_rounds_until_one_fails(
    tmp_path: Path, users: list[int], overload: int, failing: int, order: list[int]
) -> None:
    sent = _Sent(failing)
    planned = [
        PlannedLoad(str(each), replace(PLAN, users=each), sent, overload=each == overload) for each in users
    ]
    found = measure_loads(planned, tmp_path, 3)
    assert sent.users == order
    assert sum(len(load.rounds) for load in found.loads) == len(order)


def test_a_load_that_might_not_end_in_time_is_not_sent(tmp_path: Path) -> None:
    """A target that stalls in each request: what the time has not sufficed for is no evidence."""
    sent = _Sent()
    # A warm-up request, one that is measured, and two that are on their way then: 12 s or less.
    quick = PlannedLoad("1 user", replace(PLAN, timeout=3.0), sent)
    started = replace(quick, name="new server", start_seconds=60.0)
    assert (quick.longest_seconds, started.longest_seconds) == (12.0, 72.0)
    found = measure_loads([quick, started], tmp_path, 3, within=60.0)
    assert [len(load.rounds) for load in found.loads] == [3, 0]
    assert found.table().splitlines()[-1] == "new server: not sent"
    ratio = RatioLimit("tokens per second", "new server", "1 user", Bounds(least=0.8))
    for limit in (ratio, MeanLimit("time to ready", Bounds(most=1.0))):
        with pytest.raises(NotSupported, match=r"not enough evidence: .*not measured"):
            found.require_level("quick", profile(limit))
    with pytest.raises(NotSupported, match=r"new server: .* no request has one"):
        found.require_level("quick", PROFILE)


def test_a_request_that_takes_too_long_on_a_busy_machine_is_not_judged() -> None:
    late = [request(number, failure=Failure.TIMEOUT, detail="after 3 events") for number in range(2)]
    with pytest.raises(CheckFailed, match=r"2 of 2 requests failed: timeout \(after 3 events\)"):
        loads(*late, others=0.1).require_level("quick", PROFILE)
    with pytest.raises(
        NotSupported, match=r"not judged, other programs had 40% of the CPU: .* 2 of 2 requests"
    ):
        loads(*late, others=0.4).require_level("quick", PROFILE)
    # A closed connection is none of the machine.
    with pytest.raises(CheckFailed, match="3 of 3 requests failed"):
        loads(*late, failed(9), others=0.4).require_level("quick", PROFILE)
