"""The coordinator survives its workers, also those that send no more messages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import EXIT_TERMINATED
from support.programs.process import ManagedProcess
from support.reporting.behave_events import RunError
from support.results.record import Record
from support.runner import worker_pool
from support.runner.checks_of_scenarios import budget_of_scenario
from support.runner.coordinator import Coordinator
from support.runner.result_collector import ResultCollector
from support.runner.scheduler import Schedule, Task
from support.runner.signals import Signals
from support.runner.time_limits import SCENARIO_SECONDS
from support.runner.worker_pool import Worker, WorkerPool, prestarted_workers
from support.servers.discovery import UrlTarget
from support.waiting import wait_until
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(
    not worker_pool.workers_supported(), reason="there are no workers on this system"
)

# The heartbeat timeout of what sends no more; and the bound of what would take a minute.
SHORT, LONG = 1.0, 30.0
# Begins as a worker does; the imports are those of the messages.
FAKE_WORKER = """
import faulthandler, sys, time
from multiprocessing.connection import Connection
from support.results.record import Record
from support.reporting.behave_events import RunError
from support.runner.messages import EndMessage, IdleMessage, LostServerMessage
import support.servers.discovery
faulthandler.enable()
coordinator = Connection(0)
print("here", file=sys.stderr, flush=True)
coordinator.recv()
"""
RECORD = Record("toy", "Toy", "toy.feature:1", "toy", "broken", start=1.0)
TARGET = UrlTarget("http://127.0.0.1:1", (), "")


@dataclass
class Scenario:
    tags: tuple[str, ...] = ()
    effective_tags: tuple[str, ...] = ()
    name: str = "toy"
    all_steps: tuple[SimpleNamespace, ...] = ()


class CrashCollector(ResultCollector):
    """Keeps the crashes of workers, and the output of the last one."""

    def __init__(self) -> None:
        self.crashes: list[tuple[str | None, str]] = []
        self.output = ""
        self.at_start: Callable[[], None] = lambda: None
        self.errors: list[str] = []
        self.interrupted: list[tuple[str, str]] = []

    def worker_interrupted(self, task: Task | None, why: str) -> None:
        if task is not None and task.running is not None:
            self.interrupted.append((task.running.name, why))

    def scenario_started(self, record: Record) -> None:  # noqa: ARG002 - of the collector
        self.at_start()

    def scenario_finished(self, record: Record) -> None: ...

    def run_error(self, worker: Worker, failure: RunError) -> None:  # noqa: ARG002 - of the collector
        self.errors.append(failure.name)

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
        self.crashes.append((task.running.name if task and task.running else None, reason))
        self.output = worker.last_output()


def run_fake(
    monkeypatch: pytest.MonkeyPatch, script: str, *tags: str, hangs: str = ""
) -> tuple[CrashCollector, Coordinator, Signals, float]:
    """A run of one file by a worker with this script; with the seconds that it took.

    `hangs`: what it prints before it hangs. Its heartbeats have the short limit from then on, or from the
    start of the scenario on: the time until then depends on the machine.
    """

    def managed(_command: list[str], **options: Any) -> Any:
        return ManagedProcess([sys.executable, "-c", FAKE_WORKER + script], **options)

    monkeypatch.setattr(worker_pool, "ManagedProcess", managed)
    listener, signals, pool = CrashCollector(), Signals(), WorkerPool([])

    def start(worker_id: str) -> Worker:
        worker = pool.take(worker_id)
        wait_until("the worker is there", lambda: "here" in worker.last_output(), timeout=PATIENCE)
        worker.configure(TARGET, to_terminal=False)
        wait_until("what it hangs in", lambda: hangs in worker.last_output(), timeout=PATIENCE)
        return worker

    scenarios: dict[str, Any] = {RECORD.location: Scenario(tags, tags)}
    task = Task.from_scenarios("toy.feature", scenarios)
    coordinator = Coordinator(
        Schedule([task]),
        listener,
        start=start,
        signals=signals,
        heartbeat_timeout=SHORT if hangs else PATIENCE,
    )
    listener.at_start = lambda: setattr(coordinator, "heartbeat_timeout", SHORT)
    begun = time.monotonic()
    try:
        coordinator.run(["w1"])
    finally:
        pool.close()
    return listener, coordinator, signals, time.monotonic() - begun


def test_a_worker_without_messages_outside_scenarios_is_killed_with_its_stacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = (
        "def hangs_at_the_end():\n"
        "    print('hanging', file=sys.stderr, flush=True)\n"
        "    time.sleep(60)\n"
        "hangs_at_the_end()"
    )
    listener, coordinator, _, seconds = run_fake(monkeypatch, script, hangs="hanging")
    assert listener.crashes == [(None, "no message from the worker for 1 s, its stacks are in its output")]
    assert "in hangs_at_the_end" in listener.output
    assert coordinator.broken
    assert seconds < LONG


def test_a_worker_without_messages_in_a_scenario_has_its_budget_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = (
        "coordinator.send(IdleMessage())\n"
        "coordinator.recv()\n"
        f"coordinator.send(Record.from_line({RECORD.to_line()!r}))\n"
        "time.sleep(60)"
    )
    listener, _, _, seconds = run_fake(monkeypatch, script, "budget.1s")
    assert [name for name, _ in listener.crashes] == ["toy"]
    assert 1 + SHORT < seconds < LONG


def test_a_scenario_has_the_budget_of_its_tag_or_of_its_group() -> None:
    step = SimpleNamespace(name='the "malformed bodies" cases of the OpenAI API are run')
    group: Any = Scenario(all_steps=(step,))
    assert (budget_of_scenario(group) or 0) >= SCENARIO_SECONDS
    tagged: Any = Scenario(("budget.7s",), ("budget.7s",), all_steps=(step,))
    assert budget_of_scenario(tagged) == 7
    plain: Any = Scenario()
    assert budget_of_scenario(plain) is None


def test_a_worker_that_crashes_at_once_is_not_started_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, coordinator, _, _ = run_fake(monkeypatch, "coordinator.send(IdleMessage())")
    assert len(listener.crashes) == 1
    assert coordinator.broken


def test_a_lost_server_is_reported_once_and_made_known_to_the_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = (
        "lost = LostServerMessage('http://toy', RunError('lost', 'Toy', 'toy.feature:1', 'it hangs'))\n"
        "coordinator.send(lost)\n"
        "coordinator.send(lost)\n"
        "coordinator.send(IdleMessage())\n"
        "message = coordinator.recv()\n"
        "coordinator.send(EndMessage(0 if message.lost == {'http://toy': 'it hangs'} else 9))"
    )
    listener, coordinator, _, _ = run_fake(monkeypatch, script)
    assert listener.errors == ["lost"]
    assert not listener.crashes and not coordinator.broken


def test_a_signal_that_only_a_worker_received_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"coordinator.send(IdleMessage())\ncoordinator.send(EndMessage({EXIT_TERMINATED}))"
    listener, _, signals, _ = run_fake(monkeypatch, script)
    assert not listener.crashes
    assert signals.exit_code == EXIT_TERMINATED


def test_a_scenario_without_a_result_was_interrupted_when_a_signal_ended_its_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = (
        "coordinator.send(IdleMessage())\n"
        "coordinator.recv()\n"
        f"coordinator.send(Record.from_line({RECORD.to_line()!r}))\n"
        f"coordinator.send(EndMessage({EXIT_TERMINATED}))"
    )
    listener, _, _, _ = run_fake(monkeypatch, script)
    assert not listener.crashes
    assert listener.interrupted == [(RECORD.name, "the run was ended by SIGTERM")]


def test_a_message_that_was_cut_off_is_the_end_of_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it sent: the length of the message arrives, its content does not."""
    script = "import os\ncoordinator.send(IdleMessage())\nos.write(0, bytes([0, 0, 1, 0, 7]))\nos._exit(0)"
    listener, coordinator, _, _ = run_fake(monkeypatch, script)
    assert [reason for _, reason in listener.crashes] == ["exit code 0"]
    assert coordinator.broken


def test_a_prestarted_worker_that_was_not_taken_is_ended() -> None:
    pool = WorkerPool(["features"])
    pool.prestart(1)
    worker = pool._prestarted["w1"]
    pool.close()
    assert not worker.process.alive
    assert not worker.log.parent.exists()


@pytest.mark.parametrize(
    ("argv", "jobs"),
    [
        ([], 1),
        (["--define=acceptance_jobs=0"], 0),
        (["--define=acceptance_jobs=many"], 1),
        (["--define=acceptance_jobs=64", "--define=acceptance_jobs=1"], 1),
    ],
)
def test_workers_are_started_before_the_settings_are_known(argv: list[str], jobs: int) -> None:
    assert prestarted_workers(argv) == jobs
