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
from support.reporting.behave_events import OutsideFailure
from support.results.record import Record
from support.runner.scheduler import Schedule, Task
from support.runner.signals import Signals
from support.runner.time_limits import HOOK_SECONDS, SCENARIO_SECONDS, tagged
from support.runner.worker_pool import Worker

# How soon a signal is passed on, and the death of a worker is seen whose children hold its socket.
LOOK_SECONDS = 0.1
# Beside the budget of its scenario, a worker may be silent for its hooks and cleanups.
SILENT_SECONDS = 3 * HOOK_SECONDS


class Listener(Protocol):
    """Who is told what happens."""

    def begins(self, record: Record) -> None:
        """A scenario began; the record says that its process ended, until `ends` replaces it."""

    def ends(self, record: Record) -> None:
        """A scenario has ended, or something failed outside all scenarios."""

    def outside(self, worker: Worker, failure: OutsideFailure) -> None:
        """A worker could not begin."""

    def died(self, worker: Worker, task: Task | None, how: str) -> None:
        """A worker is gone without having said so. `task.current` is what it ran, if it ran a scenario."""


class Master:
    """Has the tasks of a schedule run. `start` makes a worker for a lane and greets it."""

    def __init__(
        self,
        schedule: Schedule,
        listener: Listener,
        *,
        start: Callable[[str, bool], Worker],
        signals: Signals,
        stop_at_failure: bool = False,
        time_factor: float = 1.0,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """`start` gets whether the worker takes the place of a dead one. `silent_seconds` are scaled."""
        self._schedule = schedule
        self._listener = listener
        self._start = start
        self._signals = signals
        self._stop_at_failure = stop_at_failure
        self._time_factor = time_factor
        self._silent_seconds = silent_seconds
        self._passed_on = False
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        # Whether something was wrong that no scenario tells of.
        self.broken = False

    def run(self, lanes: Sequence[str]) -> None:
        """Until all is done, or a signal came and the workers have ended."""
        for lane in lanes:
            self._add(lane, anew=False)
        while self._workers:
            self._hand_out()
            for key, _ in self._selector.select(LOOK_SECONDS):
                self._listen(key.data)
            for worker in [worker for worker in self._workers if not worker.process.alive]:
                self._listen(worker)
            for worker in self._workers:
                self._end_when_silent(worker)
            self._pass_on_signal()
        self.broken = self.broken or not self._schedule.empty
        self._selector.close()

    def _add(self, lane: str, *, anew: bool) -> None:
        worker = self._start(lane, anew)
        self._workers.append(worker)
        self._selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _hand_out(self) -> None:
        for worker in [worker for worker in self._workers if worker.idle]:
            task = self._schedule.next(worker.folder)
            if task is not None:
                worker.folder = task.folder
                worker.task, worker.idle = task, False
                worker.heard = time.monotonic()
                worker.send({"file": task.file, "over": sorted(task.begun)})
            elif self._schedule.empty:
                worker.dismiss()

    def _pass_on_signal(self) -> None:
        number = self._signals.received
        if number is None or self._passed_on:
            return
        self._passed_on = True
        self._schedule.drop()
        for worker in self._workers:
            worker.process.send(number)

    def _listen(self, worker: Worker) -> None:
        messages, over = worker.receive()
        for message in messages:
            if "ready" in message:
                self._leave(worker)
                worker.idle = worker.ready = True
            elif "end" in message:
                worker.end_code = int(message["end"])
            elif "outside" in message:
                self._listener.outside(worker, OutsideFailure(**message["outside"]))
            else:
                self._note(worker.task, Record.from_line(json.dumps(message)))
        if over:
            self._end(worker)

    def _note(self, task: Task | None, record: Record) -> None:
        if task is not None and record.location in task.open:
            task.begun.add(record.location)
            task.current = record
            self._listener.begins(record)
            return
        if task is not None and record.location in task.scenarios:
            task.current = None
        self._listener.ends(record)
        if record.gates and self._stop_at_failure:
            self._schedule.drop()

    def _leave(self, worker: Worker) -> None:
        if worker.task is not None:
            self._schedule.leave(worker.task)
            worker.task = None

    def _end_when_silent(self, worker: Worker) -> None:
        """Where no limit of its own reaches: a formatter, the end of the suite, an import."""
        if worker.idle or worker.ended_for is not None:
            return
        seconds = (self._own_seconds(worker.task) + self._silent_seconds) * self._time_factor
        if time.monotonic() - worker.heard > seconds:
            worker.end(f"nothing was heard of it for {seconds:.0f} s, its stacks are in its output")

    @staticmethod
    def _own_seconds(task: Task | None) -> float:
        if task is None or task.current is None:
            return 0.0
        scenario: Any = task.scenarios[task.current.location]
        return tagged(scenario.tags, scenario.effective_tags) or SCENARIO_SECONDS

    def _end(self, worker: Worker) -> None:
        task = worker.task
        self._selector.unregister(worker.socket)
        self._workers.remove(worker)
        self._leave(worker)
        how = worker.ended()
        if worker.end_code is None:
            if not self._passed_on:
                self._listener.died(worker, task, how)
                self._replace(worker, task)
        elif worker.end_code > 128:
            # Someone ended it, not us, and it told all: that was meant for the run.
            self._signals.received = self._signals.received or worker.end_code - 128
        elif worker.end_code != EXIT_PASSED:
            self.broken = True

    def _replace(self, worker: Worker, task: Task | None) -> None:
        current = None if task is None else task.current
        if task is not None:
            task.current = None
        if current is None:
            # Not a scenario's fault. What dies before the first one would die again.
            self.broken = True
        elif self._stop_at_failure:
            self._schedule.drop()
        elif task is not None and task.open:
            self._schedule.again(task)
        if not self._schedule.empty and task is not None:
            self._add(worker.lane, anew=True)
