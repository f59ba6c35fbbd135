"""Deadlines call their action in time, once, and only during their block."""

from __future__ import annotations

import threading

import pytest

from support.http.deadline import Deadlines
from support.waiting import wait_until
from tests.timeouts import PATIENCE

LONG = 600.0


def watchers() -> set[threading.Thread]:
    """Threads of other tests may begin and end at any time."""
    return {thread for thread in threading.enumerate() if thread.name == "deadlines"}


def test_the_action_runs_once_when_the_block_takes_too_long() -> None:
    calls: list[str] = []
    with Deadlines().limit(0.01, lambda: calls.append("expired")):
        wait_until("the action", lambda: bool(calls), timeout=PATIENCE)
    assert calls == ["expired"]


def test_a_shorter_deadline_is_met_beside_longer_ones() -> None:
    deadlines, expired = Deadlines(), threading.Event()
    with deadlines.limit(LONG, pytest.fail), deadlines.limit(0.01, expired.set):
        assert expired.wait(PATIENCE)


def test_a_block_that_has_ended_has_no_deadline() -> None:
    deadlines, expired = Deadlines(), threading.Event()
    for _ in range(100):
        with deadlines.limit(0.01, lambda: None):
            pass
    with pytest.raises(ZeroDivisionError), deadlines.limit(0.05, pytest.fail):
        raise ZeroDivisionError
    with deadlines.limit(0.1, expired.set):
        assert expired.wait(PATIENCE)


def test_all_deadlines_share_one_thread() -> None:
    deadlines, before = Deadlines(), watchers()
    for _ in range(10):
        with deadlines.limit(LONG, pytest.fail), deadlines.limit(LONG, pytest.fail):
            pass
    assert len(watchers() - before) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_action_that_raises_leaves_later_deadlines() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    deadlines, expired, before = Deadlines(), threading.Event(), watchers()
    with deadlines.limit(0.01, fail):
        wait_until("the end of the thread", lambda: watchers() <= before, timeout=PATIENCE)
    with deadlines.limit(0.01, expired.set):
        assert expired.wait(PATIENCE)
