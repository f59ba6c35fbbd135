"""An error of a formatter is reported once, and does not end the run."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from support.reporting.behave_events import RunError
from support.runner import event_runner
from support.runner.event_runner import GuardedFormatter
from support.runner.time_limits import Budgets


class Faulty:
    name = "faulty"

    def step(self, step: object) -> object:
        return step

    def result(self, step: object) -> None:
        raise LookupError(f"no colour for {step}")

    def eof(self) -> None:
        sys.exit(0)

    def close(self) -> None:
        time.sleep(60)


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[RunError]:
    monkeypatch.setattr(event_runner, "HOOK_SECONDS", 0.2)
    return []


@pytest.fixture
def faulty(errors: list[RunError]) -> Any:
    return GuardedFormatter(
        Faulty(), Budgets(), lambda what, error: errors.append(RunError.from_exception(what, error))
    )


def test_what_works_is_left_alone(faulty: Any, errors: list[RunError]) -> None:
    assert (faulty.name, faulty.step(7), errors) == ("faulty", 7, [])
    assert getattr(faulty, "embedding", None) is None


def test_an_error_is_reported_once(faulty: Any, errors: list[RunError]) -> None:
    faulty.result(1)
    faulty.result(2)
    assert [(failure.name, failure.message) for failure in errors] == [
        ("formatter Faulty, result", "LookupError: no colour for 1")
    ]


def test_sys_exit_is_an_error(faulty: Any, errors: list[RunError]) -> None:
    faulty.eof()
    assert [failure.name for failure in errors] == ["formatter Faulty, eof"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no alarm on this system")
def test_one_that_hangs_is_interrupted(faulty: Any, errors: list[RunError]) -> None:
    begun = time.monotonic()
    faulty.close()
    assert time.monotonic() - begun < 30
    assert "formatter Faulty, close: the call exceeded its budget of 0.2 s" in errors[0].message
