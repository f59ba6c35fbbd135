"""The search for the largest load within limits, and the limits as text."""

from __future__ import annotations

import pytest

from support.errors import SettingsError
from support.performance.limit_texts import parse_limits, parse_percentiles
from support.performance.limits import Threshold
from support.performance.load_command import limit_lines
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN
from support.performance.load_limit import MOST_DOUBLINGS, Held, LoadLimit, Point, find_limit


def found(
    passes: set[float] | range, first: float = 1, *, other: dict[float, Held] | None = None
) -> tuple[LoadLimit, list[float]]:
    """The result, and the loads that were sent. `other`: loads that neither pass nor fail."""
    sent: list[float] = []

    def measure(load: float) -> Point:
        sent.append(load)
        return Point(load, (other or {}).get(load, Held.PASS if load in passes else Held.FAIL))

    return find_limit(measure, first, whole=True), sent


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 100])
def test_the_limit_of_users_is_exact(limit: int) -> None:
    result, sent = found(range(1, limit + 1))
    assert (result.largest_pass, result.smallest_fail, result.monotone) == (limit, limit + 1, True)
    assert len(sent) == len(set(sent)) < 20


def test_a_first_load_beyond_the_limit_is_halved() -> None:
    result, _ = found({1, 2, 3}, first=16)
    assert (result.largest_pass, result.smallest_fail) == (3, 4)
    none, _ = found(set(), first=4)
    assert (none.largest_pass, none.smallest_fail, none.monotone) == (None, 1, True)


def test_a_pass_above_a_fail_is_reported() -> None:
    result, _ = found({1, 2, 3, 4, 16})
    assert not result.monotone
    assert result.largest_pass == 4
    assert any("monotone: false" in line for line in limit_lines(result, "users"))


def test_a_rate_is_known_within_its_share() -> None:
    sent: list[float] = []

    def measure(load: float) -> Point:
        sent.append(load)
        return Point(load, Held.PASS if load <= 7.3 else Held.FAIL)

    result = find_limit(measure, 0.5, whole=False)
    assert result.largest_pass is not None and result.smallest_fail is not None
    assert result.largest_pass <= 7.3 < result.smallest_fail <= result.largest_pass * 1.06


def test_a_load_that_cannot_be_measured_ends_the_search() -> None:
    result, sent = found(range(1, 100), other={8: Held.INVALID})
    assert sent == [1, 2, 4, 8, 8]
    assert (result.largest_pass, result.smallest_fail) == (4, None)
    lines = list(limit_lines(result, "users"))
    assert lines == [
        "largest load within the limits: 4 users; smallest load beyond them: none",
        "not known at 8 (invalid measurement)",
    ]


def test_no_evidence_is_neither_a_pass_nor_a_fail() -> None:
    result, _ = found(range(1, 6), other={6: Held.NOT_ENOUGH_EVIDENCE})
    assert (result.largest_pass, result.smallest_fail) == (5, 8)
    assert 6 in [point.load for point in result.points if point.held is Held.NOT_ENOUGH_EVIDENCE]


def test_a_search_without_a_limit_ends() -> None:
    result, sent = found(range(1, 1 << 40))
    assert len(sent) == MOST_DOUBLINGS + 1
    assert result.smallest_fail is None


def test_limits_as_text() -> None:
    assert parse_percentiles("ttft p95 < 500ms, TPOT p75 <= 0.03 s") == (
        Threshold(FIRST_TOKEN, 0.95, 500),
        Threshold(PER_TOKEN, 0.75, 30),
    )
    assert parse_limits("ttft<1s,itl < 30 ms") == {FIRST_TOKEN: 1000, PER_TOKEN: 30}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no list of limits; write them as"),
        ("ttft < 500ms", "is no list of limits"),
        ("ttft p95 > 500ms", "is no list of limits"),
        ("ttft p95 < 500", "is no list of limits"),
        ("ttft p95 < 500ms,", "is no list of limits"),
        ("speed p95 < 500ms", "has no latency 'speed'; choose ttft, itl, tpot, e2e"),
        ("ttft p100 < 500ms", "a percentile is between 0 and 100, not 100"),
    ],
)
def test_wrong_limits_are_one_line(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        parse_percentiles(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError):
        parse_limits("ttft p95 < 500ms")
