"""The master outlives its workers, also those that say nothing any more."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.errors import EXIT_TERMINATED
from support.reporting.behave_events import RunError
from support.results.record import Record
from support.runner import worker_pool
from support.runner.coordinator import Coordinator
from support.runner.scheduler import Schedule, Task
from support.runner.signals import Signals
from support.runner.worker_pool import Worker, WorkerPool, prestarted_workers
from support.waiting import wait_until
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(
    not worker_pool.workers_supported(), reason="there are no workers on this system"
)

# Of silence; and for what would go on for a minute.
SHORT, LONG = 1.0, 30.0
# Speaks as a worker does, for as long as it does.
TALK = """
import faulthandler, json, socket, sys, time
faulthandler.enable()
master = socket.socket(fileno=0)
lines = master.makefile("r")
def say(**words):
    master.sendall((json.dumps(words) + "\\n").encode())
print("here", file=sys.stderr, flush=True)
json.loads(lines.readline())
"""
RECORD = Record("toy", "Toy", "toy.feature:1", "toy", "broken", start=1.0)


@dataclass
class Scenario:
    tags: tuple[str, ...] = ()
    effective_tags: tuple[str, ...] = ()
    name: str = "toy"


@dataclass
class Told:
    """Remembers what it is told."""

    deaths: list[tuple[str | None, str]] = field(default_factory=list)
    said: str = ""

    def scenario_started(self, record: Record) -> None: ...

    def scenario_finished(self, record: Record) -> None: ...

    def run_error(self, worker: Worker, failure: RunError) -> None: ...

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
        self.deaths.append((task.running.name if task and task.running else None, reason))
        self.said = worker.last_output()


def lead(
    monkeypatch: pytest.MonkeyPatch, script: str, *tags: str
) -> tuple[Told, Coordinator, Signals, float]:
    """A run of one file by a worker that does this; with the seconds that it took."""

    def managed(command: list[str], **options: Any) -> Any:
        return managed_process([sys.executable, "-c", TALK + script], **options)

    managed_process = worker_pool.ManagedProcess
    monkeypatch.setattr(worker_pool, "ManagedProcess", managed)
    told, signals, own = Told(), Signals(), WorkerPool([])

    def start(lane: str, anew: bool) -> Worker:
        worker = own.take(lane)
        # Silence counts from the greeting on: to come up takes as long as the machine likes.
        wait_until("the worker is there", lambda: "here" in worker.last_output(), timeout=PATIENCE)
        worker.configure({}, to_terminal=False, is_replacement=anew)
        return worker

    task = Task.from_scenarios("toy.feature", {RECORD.location: Scenario(tags, tags)})
    master = Coordinator(Schedule([task]), told, start=start, signals=signals, heartbeat_timeout=SHORT)
    begun = time.monotonic()
    try:
        master.run(["w1"])
    finally:
        own.close()
    return told, master, signals, time.monotonic() - begun


def test_a_worker_that_is_silent_outside_scenarios_is_ended_with_its_stacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, master, _, seconds = lead(monkeypatch, "def hangs_at_the_end(): time.sleep(60)\nhangs_at_the_end()")
    assert told.deaths == [(None, "nothing was heard of it for 1 s, its stacks are in its output")]
    assert "in hangs_at_the_end" in told.said
    assert master.broken
    assert SHORT < seconds < LONG


def test_a_worker_that_is_silent_in_a_scenario_has_its_budget_first(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        f"say(ready=True)\nlines.readline()\nmaster.sendall({RECORD.to_line()!r}.encode())\ntime.sleep(60)"
    )
    told, _, _, seconds = lead(monkeypatch, script, "budget.1s")
    assert [name for name, _ in told.deaths] == ["toy"]
    assert 1 + SHORT < seconds < LONG


def test_a_worker_that_dies_at_once_is_not_started_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told, master, _, _ = lead(monkeypatch, "say(ready=True)")
    assert len(told.deaths) == 1
    assert master.broken


def test_a_signal_that_a_worker_alone_received_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _, signals, _ = lead(monkeypatch, f"say(ready=True)\nsay(end={EXIT_TERMINATED})")
    assert not told.deaths
    assert signals.exit_code == EXIT_TERMINATED


def test_a_worker_that_nobody_greeted_is_ended(tmp_path: Path) -> None:
    own = WorkerPool(["features"])
    own.prestart(1)
    worker = own._prestarted[0]
    own.close()
    assert not worker.process.alive
    assert not worker.log.parent.exists()


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        ([], 1),
        (["--define=acceptance_jobs=0"], 0),
        (["--define=acceptance_jobs=many"], 1),
        (["--define=acceptance_jobs=64", "--define=acceptance_jobs=1"], 1),
    ],
)
def test_workers_are_started_before_the_settings_are_known(words: list[str], jobs: int) -> None:
    assert prestarted_workers(words) == jobs
