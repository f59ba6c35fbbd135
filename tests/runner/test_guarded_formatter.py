"""What a formatter does wrong is told once, and does not end the run."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from support.reporting.behave_events import RunError
from support.runner import guarded_formatter
from support.runner.guarded_formatter import GuardedFormatter
from support.runner.time_limits import Budgets


class Shaky:
    name = "shaky"

    def step(self, step: object) -> object:
        return step

    def result(self, step: object) -> None:
        raise LookupError(f"no colour for {step}")

    def eof(self) -> None:
        sys.exit(0)

    def close(self) -> None:
        time.sleep(60)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[RunError]:
    monkeypatch.setattr(guarded_formatter, "HOOK_SECONDS", 0.2)
    return []


@pytest.fixture
def shaky(told: list[RunError]) -> Any:
    return GuardedFormatter(Shaky(), Budgets(), told.append)


def test_what_works_is_left_alone(shaky: Any, told: list[RunError]) -> None:
    assert (shaky.name, shaky.step(7), told) == ("shaky", 7, [])
    assert getattr(shaky, "embedding", None) is None


def test_an_error_is_told_once(shaky: Any, told: list[RunError]) -> None:
    shaky.result(1)
    shaky.result(2)
    assert [(failure.name, failure.message) for failure in told] == [
        ("formatter Shaky, result", "LookupError: no colour for 1")
    ]


def test_sys_exit_is_an_error(shaky: Any, told: list[RunError]) -> None:
    shaky.eof()
    assert [failure.name for failure in told] == ["formatter Shaky, eof"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no alarm on this system")
def test_one_that_hangs_is_interrupted(shaky: Any, told: list[RunError]) -> None:
    begun = time.monotonic()
    shaky.close()
    assert time.monotonic() - begun < 30
    assert "formatter Shaky, close: the call exceeded its budget of 0.2 s" in told[0].message
