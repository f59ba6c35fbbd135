"""An interruption waits for what has to be finished, and is never lost."""

from __future__ import annotations

import pytest

from support.programs.deferred_interrupts import interrupt, uninterrupted


def test_an_interruption_comes_at_once_where_nothing_is_unfinished() -> None:
    with pytest.raises(KeyboardInterrupt, match="now"):
        interrupt("now")


def test_an_interruption_waits_until_the_outermost_is_finished() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt, match="later"), uninterrupted():
        with uninterrupted():
            interrupt("later")
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_waiting_interruption_comes_once() -> None:
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        interrupt("once")
    with uninterrupted():
        pass


def test_an_interruption_is_not_lost_when_what_is_inside_fails() -> None:
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        interrupt("first")
        raise OSError("cannot be started")
