"""The processes of a run with several workers: hands out feature files and outlives dying workers.

A worker (support/running/worker.py) that dies costs the scenario that it ran: a new worker is started, and
the rest of the feature file still runs. What is to be told goes to a `Listener`, which is
support/running/parallel.py.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from support.errors import EXIT_HARNESS
from support.reporting.records import Record
from support.running.processes import ManagedProcess
from support.running.schedule import Schedule, Task

# How soon a signal is passed on, and the death of a worker is seen whose children hold its socket.
LOOK_SECONDS = 0.1
# How long a worker may take to end after it has closed its side.
END_SECONDS = 5.0
MOST_OF_A_LOG = 4000


class Worker:
    """One worker process, from the master's side. `lane` is its place in the timeline."""

    def __init__(self, lane: str, words: Sequence[str], folder: Path, greeting: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        self.lane = lane
        self.log = folder / f"{lane}.log"
        command = [sys.executable, "-m", "support.running.worker", *words]
        command += [f"--define=worker={lane}", "--define=allure_keep=true"]
        # What it leaves in its temporary folder goes with the run's, however it dies.
        environment = os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        with theirs:
            self.process = ManagedProcess(command, stdout=self.log, env=environment, stdin=theirs.fileno())
        ours.setblocking(False)
        self.socket = ours
        self.task: Task | None = None
        self.folder: str | None = None
        self.idle = False
        self.ready = False
        self.end_code: int | None = None
        self._received = b""
        self.send(greeting)

    def send(self, message: dict[str, Any]) -> None:
        """A worker that is gone misses nothing: its end is seen when it is listened to."""
        with suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def dismiss(self) -> None:
        """No more work."""
        self.idle = False
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """The whole messages that are there, and whether there will be no more."""
        over = not self.process.alive
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                over = True
                break
            self._received += data
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines], over

    def ended(self) -> str:
        """Wait for its end and say how it came about."""
        self.process.ended_within(END_SECONDS)
        code = self.process.stop(grace=0)
        self.socket.close()
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-MOST_OF_A_LOG:].strip() if self.log.is_file() else ""


class Listener(Protocol):
    """Who is told what happens."""

    def begins(self, record: Record) -> None:
        """A scenario began; the record says that its process ended, until `ends` replaces it."""

    def ends(self, record: Record) -> None:
        """A scenario has ended, or something failed outside all scenarios."""

    def died(self, worker: Worker, task: Task | None, how: str) -> None:
        """A worker is gone without having said so. `task.current` is what it ran, if it ran a scenario."""


class Master:
    """Has tasks run. `start` makes a worker for a lane; `signalled` tells which signal the run received."""

    def __init__(
        self,
        tasks: Iterable[Task],
        listener: Listener,
        *,
        start: Callable[[str], Worker],
        signalled: Callable[[], int | None],
        stop_at_failure: bool = False,
    ) -> None:
        self._schedule = Schedule(tasks)
        self._listener = listener
        self._start = start
        self._signalled = signalled
        self._stop_at_failure = stop_at_failure
        self._passed_on = False
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        # How the workers ended that ended in order, and EXIT_HARNESS for what could not be run.
        self.codes: set[int] = set()

    def run(self, jobs: int) -> None:
        """Until all is done, or a signal came and the workers have ended."""
        for number in range(jobs):
            self._add(f"w{number + 1}")
        while self._workers:
            self._hand_out()
            for key, _ in self._selector.select(LOOK_SECONDS):
                self._listen(key.data)
            for worker in [worker for worker in self._workers if not worker.process.alive]:
                self._listen(worker)
            self._pass_on_signal()
        if not self._schedule.empty:
            self.codes.add(EXIT_HARNESS)
        self._selector.close()

    def _add(self, lane: str) -> None:
        worker = self._start(lane)
        self._workers.append(worker)
        self._selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _hand_out(self) -> None:
        for worker in [worker for worker in self._workers if worker.idle]:
            task = self._schedule.next(worker.folder)
            if task is not None:
                worker.folder = task.folder
                worker.task, worker.idle = task, False
                worker.send({"file": task.file, "over": sorted(task.begun)})
            elif self._schedule.empty:
                worker.dismiss()

    def _pass_on_signal(self) -> None:
        number = self._signalled()
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

    def _end(self, worker: Worker) -> None:
        task = worker.task
        self._selector.unregister(worker.socket)
        self._workers.remove(worker)
        self._leave(worker)
        how = worker.ended()
        if worker.end_code is not None:
            self.codes.add(worker.end_code)
        elif not self._passed_on:
            self._listener.died(worker, task, how)
            self._replace(worker, task)

    def _replace(self, worker: Worker, task: Task | None) -> None:
        lost, current = task is not None, None if task is None else task.current
        if task is not None:
            task.hurt, task.current = True, None
        if current is None:
            # Not a scenario's fault. What dies before the first one would die again.
            self.codes.add(EXIT_HARNESS)
        elif self._stop_at_failure:
            self._schedule.drop()
        elif task is not None and task.open:
            self._schedule.again(task)
        if not self._schedule.empty and (lost or worker.ready):
            self._add(worker.lane)
