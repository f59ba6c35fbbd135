"""An interruption waits for what has to be finished, and is never lost."""

from __future__ import annotations

import pytest

from support.programs.deferred_interrupts import defer_interrupts, raise_interrupt


def test_an_interruption_comes_at_once_where_nothing_is_unfinished() -> None:
    with pytest.raises(KeyboardInterrupt, match="now"):
        raise_interrupt("now")


def test_an_interruption_waits_until_the_outermost_is_finished() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt, match="later"), defer_interrupts():
        with defer_interrupts():
            raise_interrupt("later")
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_waiting_interruption_comes_once() -> None:
    with pytest.raises(KeyboardInterrupt), defer_interrupts():
        raise_interrupt("once")
    with defer_interrupts():
        pass


def test_an_interruption_is_not_lost_when_what_is_inside_fails() -> None:
    with pytest.raises(KeyboardInterrupt), defer_interrupts():
        raise_interrupt("first")
        raise OSError("cannot be started")
