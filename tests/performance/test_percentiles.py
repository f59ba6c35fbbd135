"""Percentiles: the floors of MLPerf's early stopping, coverage of the bounds, the three verdicts."""

from __future__ import annotations

import random

import pytest

from support.performance.percentiles import CONFIDENCE, Verdict, nearest_rank, percentile, smallest_sample


@pytest.mark.parametrize(
    ("level", "floor"),
    [(0.5, 11), (0.75, 24), (0.9, 64), (0.95, 130), (0.97, 219), (0.99, 662), (0.999, 6636)],
)
def test_the_smallest_samples_are_those_of_mlperf(level: float, floor: int) -> None:
    assert smallest_sample(level) == floor
    assert percentile([1.0] * floor, level).certified
    assert not percentile([1.0] * (floor - 1), level).certified


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_a_bound_is_wrong_in_no_more_than_its_share_of_samples(level: float) -> None:
    draw = random.Random(1)
    repeats, floor = 2000, smallest_sample(level)
    found = [percentile([draw.random() for _ in range(floor)], level) for _ in range(repeats)]
    # The percentile of all values of this distribution is its level. Three standard errors more than 1 %.
    allowed = repeats * (1 - CONFIDENCE) + 3 * (repeats * (1 - CONFIDENCE)) ** 0.5
    assert sum(one.high is not None and one.high < level for one in found) <= allowed
    assert sum(one.low is not None and one.low > level for one in found) <= allowed


def test_the_value_is_one_of_the_sample() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, level).value for level in (0.5, 0.9, 0.95, 0.99)] == [50, 90, 95, 99]
    assert percentile([7.0], 0.99).value == 7
    assert nearest_rank([float(number) for number in range(1, 201)], 100) == 200
    assert nearest_rank(values, 0) == 1


def test_the_verdict_is_that_of_the_bounds() -> None:
    found = percentile([float(number) for number in range(1, 201)], 0.9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.verdict(found.high) is Verdict.PASS
    assert found.verdict(found.value) is Verdict.NOT_ENOUGH_EVIDENCE
    assert found.verdict(found.low - 0.5) is Verdict.FAIL
    assert found.verdict(found.low) is Verdict.NOT_ENOUGH_EVIDENCE
    assert (found.level, found.samples) == (0.9, 200)


def test_a_small_sample_has_a_value_and_no_verdict_of_pass() -> None:
    found = percentile([1.0] * 10, 0.9)
    assert found.value == 1
    assert found.verdict(1000.0) is Verdict.NOT_ENOUGH_EVIDENCE


def test_a_sample_without_bounds_has_no_verdict() -> None:
    found = percentile([1.0, 2.0, 3.0], 0.5)
    assert (found.low, found.high) == (None, None)
    assert found.verdict(0.5) is found.verdict(4.0) is Verdict.NOT_ENOUGH_EVIDENCE


@pytest.mark.parametrize(
    ("values", "level"), [([], 0.9), ([1.0], 0.0), ([1.0], 1.0), ([1.0, float("nan")], 0.5)]
)
def test_what_is_no_percentile_is_an_error(values: list[float], level: float) -> None:
    with pytest.raises(ValueError, match=r"^a percentile between|^a value is not finite"):
        percentile(values, level)
