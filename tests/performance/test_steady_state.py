"""Trends and steps are found, single slow requests and small trends are not taken for them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from support.performance.steady_state import FEWEST_VALUES, SIGNIFICANCE, steady_state

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
    assert not found.enough
    assert str(found) == "not known: fewer than 8 values"


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_what_is_no_duration_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="positive values"):
        steady_state([1.0] * 10 + [value])
