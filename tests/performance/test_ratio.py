"""Ratios: what drifts in both targets cancels; an interval covers the truth; differences are detected."""

from __future__ import annotations

import random

import pytest

from support.performance.comparison import Finding, finding_of
from support.performance.ratio import CONFIDENCE, mean_of_rounds, paired_ratio

ROUNDS = 8


def rounds(draw: random.Random, factor: float, noise: float = 0.02) -> tuple[list[float], list[float]]:
    """Both targets get the drift of a round, each one noise of its own."""
    drift = [draw.uniform(0.5, 2) for _ in range(ROUNDS)]
    return (
        [factor * at * draw.lognormvariate(0, noise) for at in drift],
        [at * draw.lognormvariate(0, noise) for at in drift],
    )


@pytest.mark.parametrize("factor", [1.0, 1.1, 0.5])
def test_the_interval_covers_the_truth(factor: float) -> None:
    draw, repeats = random.Random(2), 1000
    found = [paired_ratio(*rounds(draw, factor)) for _ in range(repeats)]
    missed = sum(not one.low <= factor <= one.high for one in found)
    share = 1 - CONFIDENCE
    assert abs(missed - repeats * share) <= 4 * (repeats * share) ** 0.5


def test_ten_percent_are_detected_three_are_not() -> None:
    """With ratios of single rounds that scatter by 2 %, in 50 comparisons of each."""
    draw = random.Random(3)
    found = {
        factor: {finding_of(paired_ratio(*rounds(draw, factor, 0.015), confidence=0.99)) for _ in range(50)}
        for factor in (1.1, 1.03)
    }
    assert found == {1.1: {Finding.DIFFERS}, 1.03: {Finding.NO_DIFFERENCE}}


def test_up_and_down_are_the_same_distance() -> None:
    slower = paired_ratio([1.09, 1.1, 1.11], [1.0, 1.0, 1.0])
    faster = paired_ratio([1.0, 1.0, 1.0], [1.09, 1.1, 1.11])
    assert finding_of(slower) is finding_of(faster) is Finding.DIFFERS
    assert slower.differs
    assert str(slower) == "1.100 (1.075 to 1.125, 3 rounds)"


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ([1.0, 2.0], [1.0, 2.0], "needs 3 rounds, found 2"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "^3 rounds of the first target and 2"),
        ([1.0, 0.0, 3.0], [1.0, 2.0, 3.0], "^a ratio needs positive figures in each round$"),
        ([1.0, float("inf"), 3.0], [1.0, 2.0, 3.0], "positive figures"),
    ],
)
def test_what_is_no_comparison_is_an_error(first: list[float], second: list[float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        paired_ratio(first, second)


def test_the_mean_of_rounds_has_students_interval() -> None:
    # The quantile of Student's distribution is 4.303 for 95 % and two degrees of freedom.
    found = mean_of_rounds([1.0, 2.0, 3.0])
    assert str(found) == "2 (-0.484 to 4.48, 3 rounds)"
    assert found.rounds == 3


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 2.0, float("nan")]])
def test_what_has_no_mean_is_an_error(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^a mean needs 3 rounds of finite figures, found \[1.0, 2.0"):
        mean_of_rounds(values)
