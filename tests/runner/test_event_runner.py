"""A signal arrives while a listener handles the start or the end of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from support.programs.deferred_interrupts import raise_interrupt
from support.reporting.behave_events import FinishedScenario
from support.results.outcome import Verdict
from support.runner import event_runner
from support.runner.event_runner import EventRunner

WHY = "the run was ended by SIGINT"


def interrupt() -> None:
    raise_interrupt(WHY)


class Listener:
    """Calls `at_start` and `at_end`; keeps what has finished."""

    def __init__(self, at_start: Callable[[], None], at_end: Callable[[], None]) -> None:
        self.at_start, self.at_end = at_start, at_end
        self.finished: list[Verdict] = []

    def scenario_started(self, _scenario: object) -> None:
        self.at_start()

    def scenario_finished(self, finished: FinishedScenario) -> None:
        self.at_end()
        self.finished.append(finished.verdict)


class Runner(EventRunner):
    """Runs the scenarios that it is given; behave makes no part of it."""

    def __init__(self, listener: Any) -> None:
        self.listeners, self.config = [listener], None

    def run_model(self, features: Any = None) -> bool:
        return any(
            scenario.run(self) for one in self._observed(features) for scenario in one.walk_scenarios()
        )


@pytest.mark.parametrize(
    ("at_start", "at_end", "verdict"),
    [
        (interrupt, lambda: None, Verdict("skipped", f"interrupted: {WHY}")),
        (lambda: None, interrupt, Verdict("passed")),
    ],
)
def test_a_scenario_has_its_result_when_a_signal_arrives_beside_it(
    at_start: Callable[[], None],
    at_end: Callable[[], None],
    verdict: Verdict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_runner, "selected", lambda *_: True)
    scenario = SimpleNamespace(name="toy")

    def run(_runner: object) -> bool:
        scenario.verdict = Verdict("passed")
        return False

    scenario.run = run
    feature = SimpleNamespace(walk_scenarios=lambda: [scenario], run=None)
    listener = Listener(at_start, at_end)
    with pytest.raises(KeyboardInterrupt):
        Runner(listener).run_model([feature])
    assert listener.finished == [verdict]
