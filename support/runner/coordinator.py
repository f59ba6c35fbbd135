"""Assigns feature files to workers, and replaces workers that crash.

A crash of a worker (support/runner/worker.py) costs the scenario that it ran: a new worker is started, and
the rest of the feature file still runs. A worker without messages for too long is killed. Results go to a
`ResultCollector` (support/runner/result_collector.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from support.errors import EXIT_PASSED
from support.reporting.behave_events import RunError
from support.results.record import Record
from support.runner.checks_of_scenarios import budget_of_scenario
from support.runner.messages import ChecksMessage, EndMessage, FeatureMessage, IdleMessage, LostServerMessage
from support.runner.scheduler import Schedule, Task
from support.runner.signals import Signals
from support.runner.time_limits import HOOK_SECONDS, SCENARIO_SECONDS
from support.runner.worker_pool import Worker

if TYPE_CHECKING:
    from support.runner.messages import FromWorker
    from support.runner.result_collector import ResultCollector

# How soon a signal is passed on.
POLL_INTERVAL = 0.1
# How long workers have after a signal; then they are killed. The reports follow, all within 5 s.
INTERRUPTED_SECONDS = 2.0
# Beyond the budget of its scenario, a worker has this time for its hooks and cleanups.
HEARTBEAT_TIMEOUT = 3 * HOOK_SECONDS


@dataclass(eq=False)
class Coordinator:
    """Has the tasks of a schedule run by workers.

    `start(worker_id)` makes a worker and starts it, also one that replaces a crashed one. `time_factor`
    scales the budgets and `heartbeat_timeout`. `broken`: something went wrong that is in no record.
    """

    schedule: Schedule
    collector: ResultCollector
    start: Callable[[str], Worker]
    signals: Signals
    stop_at_failure: bool = False
    time_factor: float = 1.0
    heartbeat_timeout: float = HEARTBEAT_TIMEOUT
    broken: bool = field(default=False, init=False)
    # When a signal was passed on.
    _interrupted_at: float | None = field(default=None, init=False)
    _workers: list[Worker] = field(default_factory=list, init=False)
    # Servers that no longer answer, by their address, with the reason.
    _lost: dict[str, str] = field(default_factory=dict, init=False)

    def run(self, worker_ids: Sequence[str]) -> None:
        """Until all is done, or a signal has arrived and the workers have ended."""
        self._workers = [self.start(worker_id) for worker_id in worker_ids]
        while self._workers:
            self._dispatch()
            readable = wait([worker.connection for worker in self._workers], POLL_INTERVAL)
            for worker in list(self._workers):
                # Also without a message: a process that was left behind can keep its connection open.
                if worker.connection in readable or not worker.process.alive:
                    self._handle_messages(worker)
            for worker in self._workers:
                self._kill_when_silent(worker)
            self._forward_signal()
            self._end_interrupted()
        self.broken = self.broken or not self.schedule.empty

    def _dispatch(self) -> None:
        for worker in [worker for worker in self._workers if worker.idle]:
            task = self.schedule.next(worker.folder)
            if task is not None:
                worker.task, worker.folder = task, task.folder
                worker.send(FeatureMessage(task.file, frozenset(task.started), dict(self._lost)))
            elif self.schedule.empty:
                worker.send(None)

    def _forward_signal(self) -> None:
        number = self.signals.received
        if number is None or self._interrupted_at is not None:
            return
        self._interrupted_at = time.monotonic()
        self.schedule.clear()
        for worker in self._workers:
            worker.process.send(number)

    def _end_interrupted(self) -> None:
        """Kill the workers that do not end soon after a signal."""
        if self._interrupted_at is None or time.monotonic() - self._interrupted_at < INTERRUPTED_SECONDS:
            return
        for worker in self._workers:
            worker.process.stop(grace=0)

    def _handle_messages(self, worker: Worker) -> None:
        messages, ended = worker.receive()
        for message in messages:
            self._handle_message(worker, message)
        if ended:
            self._handle_exit(worker)

    def _handle_message(self, worker: Worker, message: FromWorker) -> None:
        match message:
            case IdleMessage():
                self._finish_task(worker)
                worker.idle = True
            case ChecksMessage(checks):
                if worker.task is not None:
                    worker.task.checks |= {check.id: check for check in checks}
            case LostServerMessage(base_url, error):
                self._handle_lost_server(worker, base_url, error)
            case EndMessage(exit_code):
                worker.exit_code = exit_code
            case RunError():
                self.collector.run_error(worker, message)
            case Record():
                self._handle_record(worker.task, message)

    def _handle_record(self, task: Task | None, record: Record) -> None:
        if task is not None and record.location in task.pending:
            task.started.add(record.location)
            task.running, task.checks = record, {}
            self.collector.scenario_started(record)
            return
        if task is not None and record.location in task.scenarios:
            task.running = None
        self.collector.scenario_finished(record)
        if record.gates and self.stop_at_failure:
            self.schedule.clear()

    def _handle_lost_server(self, worker: Worker, base_url: str, error: RunError) -> None:
        if base_url in self._lost:
            return
        self._lost[base_url] = error.message
        self.collector.run_error(worker, error)
        if self.stop_at_failure:
            self.schedule.clear()

    def _finish_task(self, worker: Worker) -> None:
        if worker.task is not None:
            self.schedule.finish(worker.task)
            worker.task = None

    def _kill_when_silent(self, worker: Worker) -> None:
        """For code without a limit of its own: a formatter, the end of the run, an import."""
        if worker.idle or worker.kill_reason is not None:
            return
        seconds = (self._scenario_budget(worker.task) + self.heartbeat_timeout) * self.time_factor
        if time.monotonic() - worker.last_message_at > seconds:
            worker.abort(f"no message from the worker for {seconds:.0f} s, its stacks are in its output")

    @staticmethod
    def _scenario_budget(task: Task | None) -> float:
        if task is None or task.running is None:
            return 0.0
        return budget_of_scenario(task.scenarios[task.running.location]) or SCENARIO_SECONDS

    def _handle_exit(self, worker: Worker) -> None:
        task = worker.task
        self._workers.remove(worker)
        self._finish_task(worker)
        reason = worker.join()
        if worker.exit_code is None and self._interrupted_at is None:
            self.collector.worker_crashed(worker, task, reason)
            self._replace(worker, task)
            return
        if worker.exit_code is not None and worker.exit_code > 128:
            # A signal from elsewhere ended it, in order: that was meant for the run.
            self.signals.received = self.signals.received or worker.exit_code - 128
        elif worker.exit_code not in (None, EXIT_PASSED):
            self.broken = True
        if self.signals.received is not None:
            # Also of one that ended in order: the signal may have come between a result and its message.
            self.collector.worker_interrupted(task, str(self.signals.why))

    def _replace(self, worker: Worker, task: Task | None) -> None:
        current = None if task is None else task.running
        if task is not None:
            task.running = None
        if current is None:
            # No scenario is the cause. A worker that crashes before its first one would crash again.
            self.broken = True
        elif self.stop_at_failure:
            self.schedule.clear()
        elif task is not None and task.pending:
            self.schedule.requeue(task)
        if not self.schedule.empty and task is not None:
            self._workers.append(self.start(worker.worker_id))
