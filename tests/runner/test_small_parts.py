"""Waiting, results that have to be checked, and quantities."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from support import units, waiting
from support.results.must_check import MustCheck, UncheckedResult
from support.runner import wall_clock
from support.units import request_options, seconds, size
from support.waiting import WaitTimeout, wait_until


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, wait: float) -> None:
        assert wait > 0
        self.now += wait


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(waiting, "time", fake)
    return fake


# -- waiting


def test_waiting_ends_with_the_first_true_answer(clock: Clock) -> None:
    answers = iter([None, "", 0, "here", "never"])
    assert wait_until("it", lambda: next(answers), timeout=5) == "here"
    assert clock.now == pytest.approx(3 * waiting.POLL_SECONDS)


def test_a_pause_may_be_longer(clock: Clock) -> None:
    assert wait_until("it", lambda: clock.now > 2, timeout=5, pause=1.5)
    assert clock.now == pytest.approx(3.0)


def test_what_is_there_already_is_not_waited_for(clock: Clock) -> None:
    assert wait_until("it", lambda: 7, timeout=0) == 7
    assert clock.now == 0


def test_a_wait_that_fails_says_for_what_how_long_and_what_was_seen_last(clock: Clock) -> None:
    with pytest.raises(WaitTimeout) as caught:
        wait_until("the door to open", lambda: False, timeout=2.5, seen=lambda: f"closed at {clock.now:.1f}")
    assert str(caught.value) == "the door to open: not within 2.5 s; last seen: closed at 2.5"
    assert clock.now == pytest.approx(2.5)


def test_waiting_ends_at_once_when_the_process_is_gone(clock: Clock) -> None:
    with pytest.raises(WaitTimeout, match=r"^it: the process ended after 1\.0 s$"):
        wait_until("it", lambda: None, timeout=60, alive=lambda: clock.now < 1)
    assert clock.now == pytest.approx(1.0)


@pytest.mark.usefixtures("clock")
def test_an_answer_given_before_the_end_of_the_process_counts() -> None:
    assert wait_until("it", lambda: "the result", timeout=5, alive=lambda: False) == "the result"


@pytest.mark.usefixtures("clock")
def test_an_error_of_the_check_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until("it", lambda: 1 / 0, timeout=5)


# -- observed


def test_a_result_that_was_read_may_be_replaced() -> None:
    observed: MustCheck[str] = MustCheck("reply")
    observed.set("one")
    assert observed.get() == "one"
    observed.set("two")
    assert observed.get() == "two"
    assert observed.all() == ["one", "two"]
    observed.require_checked()


def test_a_result_that_nobody_read_is_an_error_at_the_end() -> None:
    observed: MustCheck[str] = MustCheck("reply")
    observed.require_checked()
    observed.set("one")
    with pytest.raises(UncheckedResult, match="the scenario never checked its reply: 'one'"):
        observed.require_checked()


def test_a_result_that_nobody_read_may_not_be_replaced() -> None:
    observed: MustCheck[str] = MustCheck("reply")
    observed.set("one")
    with pytest.raises(UncheckedResult):
        observed.set("two")
    assert observed.all() == ["one"]


def test_results_that_belong_together_need_one_look() -> None:
    observed: MustCheck[int] = MustCheck("answer")
    observed.add(1)
    observed.add(2)
    with pytest.raises(UncheckedResult):
        observed.require_checked()
    assert observed.all() == [1, 2]
    observed.require_checked()


def test_reading_what_was_never_made_names_the_missing_step() -> None:
    with pytest.raises(LookupError, match="no answer yet: a step that makes one has to come first"):
        MustCheck("answer").get()


def test_a_long_result_is_cut_in_the_message() -> None:
    observed: MustCheck[str] = MustCheck("reply")
    observed.set("x" * 10_000)
    with pytest.raises(UncheckedResult) as caught:
        observed.require_checked()
    assert len(str(caught.value)) < 300


# -- quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 seconds", 2.0),
        ("1 second", 1.0),
        ("500 milliseconds", 0.5),
        ("1.5 minutes", 90.0),
        ("0 seconds", 0.0),
    ],
)
def test_a_duration_is_in_seconds(text: str, value: float) -> None:
    assert re.fullmatch(units.DURATION, text)
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("1 GB", 10**9), ("1.5 MB", 1_500_000), ("20 KB", 20_000)])
def test_a_size_is_in_bytes_with_decimal_prefixes(text: str, value: int) -> None:
    assert re.fullmatch(units.SIZE, text)
    assert size(text) == value


@pytest.mark.parametrize(
    "text", ["2", "2 hours", "-1 seconds", "1,5 seconds", "2seconds", "1 GB", "a second"]
)
def test_another_text_is_no_duration(text: str) -> None:
    assert re.fullmatch(units.DURATION, text) is None


@pytest.mark.parametrize("text", ["1 GiB", "1GB", "1 TB", "2 seconds"])
def test_another_text_is_no_size(text: str) -> None:
    assert re.fullmatch(units.SIZE, text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("END", "END"),
        ("[a, b]", ["a", "b"]),
        ("[a]", ["a"]),
        ('{"a": 1}', {"a": 1}),
        ("", ""),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_an_option_of_a_request_is_a_value_or_a_text(text: str, value: object) -> None:
    option = request_options([{"option": "x", "value": text}])["x"]
    assert option == value
    assert type(option) is type(value)


def test_a_table_of_options_keeps_its_order() -> None:
    rows = [{"option": name, "value": "1"} for name in ("b", "a")]
    assert list(request_options(rows)) == ["b", "a"]


# -- the wall clock


@pytest.mark.parametrize(
    ("step", "moved"), [(0.0, 0.0), (0.9, 0.0), (-0.9, 0.0), (3600.0, 3600.0), (-5.0, -5.0)]
)
def test_a_wall_clock_that_was_set_is_noticed(
    monkeypatch: pytest.MonkeyPatch, step: float, moved: float
) -> None:
    now = SimpleNamespace(time=lambda: 1000.0, monotonic=lambda: 10.0)
    monkeypatch.setattr(wall_clock, "time", now)
    clock = wall_clock.WallClock()
    now.time, now.monotonic = lambda: 1020.0 + step, lambda: 30.0
    assert clock.moved() == moved
