"""Hands out feature files to workers and outlives those that die.

A worker (support/runner/worker.py) that dies costs the scenario that it ran: a new worker is started, and
the rest of the feature file still runs. One that is silent for too long is ended. What is to be told goes to
a `Listener`, which is support/runner/result_collector.py.
"""

from __future__ import annotations

import json
import selectors
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from support.errors import EXIT_PASSED
from support.reporting.behave_events import RunError
from support.results.record import Record
from support.runner.scheduler import Schedule, Task
from support.runner.signals import Signals
from support.runner.time_limits import HOOK_SECONDS, SCENARIO_SECONDS, budget_of_tags
from support.runner.worker_pool import Worker

# How soon a signal is passed on, and the death of a worker is seen whose children hold its socket.
POLL_INTERVAL = 0.1
# Beside the budget of its scenario, a worker may be silent for its hooks and cleanups.
HEARTBEAT_TIMEOUT = 3 * HOOK_SECONDS


class RunListener(Protocol):
    """Who is told what happens."""

    def scenario_started(self, record: Record) -> None:
        """A scenario began; the record says that its process ended, until `ends` replaces it."""

    def scenario_finished(self, record: Record) -> None:
        """A scenario has ended, or something failed outside all scenarios."""

    def run_error(self, worker: Worker, failure: RunError) -> None:
        """A worker could not begin."""

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
        """A worker is gone without having said so. `task.current` is what it ran, if it ran a scenario."""


class Coordinator:
    """Has the tasks of a schedule run. `start` makes a worker for a lane and greets it."""

    def __init__(
        self,
        schedule: Schedule,
        listener: RunListener,
        *,
        start: Callable[[str, bool], Worker],
        signals: Signals,
        stop_at_failure: bool = False,
        time_factor: float = 1.0,
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
    ) -> None:
        """`start` gets whether the worker takes the place of a dead one. `silent_seconds` are scaled."""
        self._schedule = schedule
        self._listener = listener
        self._start = start
        self._signals = signals
        self._stop_at_failure = stop_at_failure
        self._time_factor = time_factor
        self._heartbeat_timeout = heartbeat_timeout
        self._signal_forwarded = False
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        # Whether something was wrong that no scenario tells of.
        self.broken = False

    def run(self, worker_ids: Sequence[str]) -> None:
        """Until all is done, or a signal came and the workers have ended."""
        for lane in worker_ids:
            self._add(lane, is_replacement=False)
        while self._workers:
            self._dispatch()
            for key, _ in self._selector.select(POLL_INTERVAL):
                self._handle_messages(key.data)
            for worker in [worker for worker in self._workers if not worker.process.alive]:
                self._handle_messages(worker)
            for worker in self._workers:
                self._kill_when_silent(worker)
            self._forward_signal()
        self.broken = self.broken or not self._schedule.empty
        self._selector.close()

    def _add(self, worker_id: str, *, is_replacement: bool) -> None:
        worker = self._start(worker_id, is_replacement)
        self._workers.append(worker)
        self._selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _dispatch(self) -> None:
        for worker in [worker for worker in self._workers if worker.idle]:
            task = self._schedule.next(worker.folder)
            if task is not None:
                worker.folder = task.folder
                worker.task, worker.idle = task, False
                worker.last_message_at = time.monotonic()
                worker.send({"file": task.file, "over": sorted(task.started)})
            elif self._schedule.empty:
                worker.close_input()

    def _forward_signal(self) -> None:
        number = self._signals.received
        if number is None or self._signal_forwarded:
            return
        self._signal_forwarded = True
        self._schedule.clear()
        for worker in self._workers:
            worker.process.send(number)

    def _handle_messages(self, worker: Worker) -> None:
        messages, over = worker.receive()
        for message in messages:
            if "ready" in message:
                self._finish_task(worker)
                worker.idle = worker.ready = True
            elif "end" in message:
                worker.exit_code = int(message["end"])
            elif "outside" in message:
                self._listener.run_error(worker, RunError(**message["outside"]))
            else:
                self._handle_record(worker.task, Record.from_line(json.dumps(message)))
        if over:
            self._handle_exit(worker)

    def _handle_record(self, task: Task | None, record: Record) -> None:
        if task is not None and record.location in task.pending:
            task.started.add(record.location)
            task.running = record
            self._listener.scenario_started(record)
            return
        if task is not None and record.location in task.scenarios:
            task.running = None
        self._listener.scenario_finished(record)
        if record.gates and self._stop_at_failure:
            self._schedule.clear()

    def _finish_task(self, worker: Worker) -> None:
        if worker.task is not None:
            self._schedule.finish(worker.task)
            worker.task = None

    def _kill_when_silent(self, worker: Worker) -> None:
        """Where no limit of its own reaches: a formatter, the end of the suite, an import."""
        if worker.idle or worker.kill_reason is not None:
            return
        seconds = (self._scenario_budget(worker.task) + self._heartbeat_timeout) * self._time_factor
        if time.monotonic() - worker.last_message_at > seconds:
            worker.abort(f"nothing was heard of it for {seconds:.0f} s, its stacks are in its output")

    @staticmethod
    def _scenario_budget(task: Task | None) -> float:
        if task is None or task.running is None:
            return 0.0
        scenario: Any = task.scenarios[task.running.location]
        return budget_of_tags(scenario.tags, scenario.effective_tags) or SCENARIO_SECONDS

    def _handle_exit(self, worker: Worker) -> None:
        task = worker.task
        self._selector.unregister(worker.socket)
        self._workers.remove(worker)
        self._finish_task(worker)
        how = worker.join()
        if worker.exit_code is None:
            if not self._signal_forwarded:
                self._listener.worker_crashed(worker, task, how)
                self._replace(worker, task)
        elif worker.exit_code > 128:
            # Someone ended it, not us, and it told all: that was meant for the run.
            self._signals.received = self._signals.received or worker.exit_code - 128
        elif worker.exit_code != EXIT_PASSED:
            self.broken = True

    def _replace(self, worker: Worker, task: Task | None) -> None:
        current = None if task is None else task.running
        if task is not None:
            task.running = None
        if current is None:
            # Not a scenario's fault. What dies before the first one would die again.
            self.broken = True
        elif self._stop_at_failure:
            self._schedule.clear()
        elif task is not None and task.pending:
            self._schedule.requeue(task)
        if not self._schedule.empty and task is not None:
            self._add(worker.worker_id, is_replacement=True)
