"""Trends and steps are found, single slow requests and small trends are not taken for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from support.performance.steady_state import FEWEST_VALUES, SIGNIFICANCE, SteadyState, steady_state

VALUES = 120


def series(form: Callable[[int], float], seed: int = 1, noise: float = 0.05) -> list[float]:
    draw = random.Random(seed)
    return [form(index) * draw.lognormvariate(0, noise) for index in range(VALUES)]


def test_a_constant_with_noise_is_steady() -> None:
    found = [steady_state(series(lambda _: 10.0, seed)) for seed in range(200)]
    # Two tests, each wrong with its significance; four standard errors more.
    allowed = 2 * SIGNIFICANCE * len(found)
    assert sum(not one.steady for one in found) <= allowed + 4 * allowed**0.5


@pytest.mark.parametrize("last", [1.3, 0.7])
def test_a_trend_is_found_in_both_directions(last: float) -> None:
    found = steady_state(series(lambda index: 10 * (1 + (last - 1) * index / (VALUES - 1))))
    assert found.trend
    assert found.change == pytest.approx(last - 1, abs=0.1)
    assert "no steady state" in str(found)


def test_a_certain_trend_of_two_percent_is_none() -> None:
    found = steady_state(series(lambda index: 10 * (1 + 0.02 * index / VALUES), noise=0.001))
    assert found.steady
    assert found.change == pytest.approx(0.02, abs=0.005)


def test_a_step_is_found_where_it_is() -> None:
    found = steady_state(series(lambda index: 10.0 if index < 70 else 12.0))
    assert found.step is not None
    assert abs(found.step - 70) <= 3
    assert not found.steady
    assert "a step at value" in str(found)


def test_a_few_slow_requests_are_no_trend() -> None:
    values = series(lambda _: 10.0)
    values[10] = values[60] = values[110] = 500.0
    assert steady_state(values).steady


def test_few_values_have_no_verdict() -> None:
    found = steady_state([10.0] * (FEWEST_VALUES - 1))
    assert not found.steady
    assert found == SteadyState(0.0, trend=False, step=None, enough=False)
    assert str(found) == "not known: fewer than 8 values"
    assert steady_state([10.0] * FEWEST_VALUES).enough


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_duration_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match=r"^a trend needs positive values; a failed request has none$"):
        steady_state([1.0] * 10 + [value])
    assert steady_state([0.001] * 10).steady


@pytest.mark.parametrize(
    ("values", "trend"),
    [([2, 3, 4, 1, 5, 6, 7, 8], True), ([2, 3, 4, 5, 1, 6, 7, 8], False)],
)
def test_of_eight_values_three_may_be_out_of_order_in_a_trend(values: Sequence[int], *, trend: bool) -> None:
    """Of 40 320 orders 222 have so few inversions, or so many (p 0.0055); with four it is 570 (0.0141)."""
    assert steady_state(values).trend is trend


@pytest.mark.parametrize(
    ("values", "change", "trend"),
    [
        (range(195, 206), 0.05, True),
        (range(205, 194, -1), -0.05, True),
        (range(196, 207), 10 / 201, False),
        (range(206, 195, -1), -10 / 201, False),
    ],
)
def test_a_trend_is_of_five_percent_at_least(values: Sequence[int], change: float, *, trend: bool) -> None:
    found = steady_state(values)
    assert (found.trend, found.step) == (trend, None)
    assert found.change == pytest.approx(change)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        # Pettitt's approximation for a step after k of n values: 2 exp(-6 (k (n - k))^2 / (n^3 + n^2)).
        ([9] * 8 + [10] * 8, 8),  # 0.0071
        ([10] * 7 + [9] * 9, 7),  # 0.0084
        ([9] * 9 + [10] * 7, 9),  # 0.0084
        ([9] * 7 + [10] * 8, None),  # 0.0107
        ([10] * 6 + [9] * 10, None),  # 0.0140
        # By 5 percent of the median, between the medians of both parts.
        ([9.5] * 7 + [10] * 9, 7),
        ([9.51] * 7 + [10] * 9, None),
        ([9.6] * 3 + [9.5] * 4 + [10] * 9, 7),
        ([9.9] * 7 + [10.45] * 5 + [10] * 4, 7),
    ],
)
def test_a_step_is_certain_and_of_five_percent(values: Sequence[float], step: int | None) -> None:
    assert steady_state(values).step == step


@pytest.mark.parametrize(
    ("found", "steady", "text"),
    [
        (SteadyState(0.012, trend=False, step=None, enough=True), True, "steady state: +1.2%"),
        (SteadyState(-0.3, trend=True, step=None, enough=True), False, "no steady state: -30.0%"),
        (SteadyState(0.0, trend=False, step=7, enough=True), False, "no steady state: +0.0%"),
    ],
)
def test_it_is_steady_without_a_trend_and_a_step(found: SteadyState, *, steady: bool, text: str) -> None:
    assert found.steady is steady
    step = ", a step at value 8" if found.step is not None else ""
    assert str(found) == f"{text} from the first value to the last one{step}"
