"""The worker processes of a run, as the coordinator sees them.

The first one is started before behave and the settings are read: it imports what a worker needs while the
selection and the target are determined. So nothing heavy is imported here.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import TYPE_CHECKING

from support.programs.deferred_interrupts import defer_interrupts
from support.programs.output_limit import read_output
from support.programs.process import ManagedProcess
from support.programs.run_directory import RunDirectory
from support.runner.messages import StartMessage

if TYPE_CHECKING:
    from support.runner.messages import FromWorker, ToWorker
    from support.runner.scheduler import Task
    from support.servers.discovery import Target

# How long a worker has to end after its last message, and to write its stacks when it is killed.
EXIT_SECONDS = 5.0
STACKS_SECONDS = 5.0
MAX_LOG_CHARACTERS = 4000
# The begin of what faulthandler writes when the hard limit is over.
FAULTHANDLER_PREFIX = "\nTimeout ("
# In a worker's log before each scenario.
SCENARIO_SEPARATOR = "\x1e"


class Worker:
    """One worker process. `worker_id` is its lane in the timeline of the reports.

    `stacks`: the file for the stacks of its hard limit. `kill_reason`: why the coordinator killed it.
    `is_replacement`: it replaces one that crashed.
    """

    def __init__(self, worker_id: str, argv: Sequence[str], folder: Path) -> None:
        self.worker_id = worker_id
        self.log = folder / f"{worker_id}.log"
        self.stacks = folder / f"{worker_id}.stacks"
        self.stacks.unlink(missing_ok=True)
        self.task: Task | None = None
        self.folder: str | None = None
        self.idle = self.is_replacement = False
        self.exit_code: int | None = None
        self.last_message_at = time.monotonic()
        self.kill_reason: str | None = None
        command = [sys.executable, "-u", "-m", "support.runner.worker", *argv, f"--define=worker={worker_id}"]
        # Its temporary files are in the folder of the run, and removed with it, however the worker ends.
        environment = os.environ | {"TMPDIR": str(folder)}
        self.connection, theirs = Pipe()
        self._terminal_errors = os.dup(2)
        with theirs:
            self.process = ManagedProcess(
                command,
                stdout=None,
                stderr=self.log,
                env=environment,
                stdin=theirs.fileno(),
                pass_fds=(self._terminal_errors,),
            )

    def configure(self, target: Target, *, to_terminal: bool) -> None:
        """Let it start."""
        errors = self._terminal_errors
        self.send(StartMessage(target, self.stacks, to_terminal, self.is_replacement, errors))
        os.close(errors)

    def kill(self) -> None:
        """End a worker that was not started."""
        self.process.stop(grace=0)
        self.connection.close()
        os.close(self._terminal_errors)

    def send(self, message: ToWorker) -> None:
        """A worker that has ended misses nothing: its end is seen when its messages are read."""
        self.idle = False
        self.last_message_at = time.monotonic()
        with suppress(OSError):
            self.connection.send(message)

    def receive(self) -> tuple[list[FromWorker], bool]:
        """The messages that have arrived, and whether no more can come."""
        messages: list[FromWorker] = []
        ended = not self.process.alive
        try:
            while self.connection.poll():
                messages.append(self.connection.recv())
                self.last_message_at = time.monotonic()
        except (EOFError, OSError):
            ended = True
        return messages, ended

    def abort(self, reason: str) -> None:
        """Kill it and its tree; its log then has the stacks of its threads."""
        self.kill_reason = reason
        with suppress(OSError):
            self.process.send(signal.SIGABRT)
        self.process.exited_within(STACKS_SECONDS)
        self.process.stop(grace=0)

    def join(self) -> str:
        """Wait for its end; how it ended."""
        self.process.exited_within(EXIT_SECONDS)
        code = self.process.stop(grace=0)
        self.connection.close()
        if self.kill_reason is not None:
            return self.kill_reason
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def hang_traceback(self) -> str:
        """What its hard limit wrote: the limit that was exceeded, and the stacks; empty without one."""
        text = self.stacks.read_text(errors="replace") if self.stacks.is_file() else ""
        return text if FAULTHANDLER_PREFIX in text else ""

    def last_output(self) -> str:
        """The end of what it printed since its last scenario started."""
        text = read_output(self.log) if self.log.is_file() else ""
        return text.rpartition(SCENARIO_SEPARATOR)[2][-MAX_LOG_CHARACTERS:].strip()


class WorkerPool:
    """The workers of a run, and the folder with their logs and temporary files.

    `argv`: behave's command line.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._folder = RunDirectory()
        self._prestarted: dict[str, Worker] = {}
        self._taken: set[str] = set()

    def prestart(self, jobs: int) -> None:
        """Start so many workers, which wait for their start message."""
        ids = [f"w{number + 1}" for number in range(jobs)]
        self._prestarted = {name: Worker(name, self._argv, self._folder.path) for name in ids}
        self._folder.lock()

    def take(self, worker_id: str) -> Worker:
        """A worker without a start message, prestarted or new; another one of the same id replaces it."""
        worker = self._prestarted.pop(worker_id, None) or Worker(worker_id, self._argv, self._folder.path)
        worker.is_replacement = worker_id in self._taken
        self._taken.add(worker_id)
        return worker

    def close(self) -> None:
        """End those that were not taken, and remove the folder. May be called twice."""
        while self._prestarted:
            self._prestarted.popitem()[1].kill()
        self._folder.remove()


def prestarted_workers(argv: Sequence[str]) -> int:
    """How many workers to start before the settings are known; these decide afterwards."""
    jobs = os.environ.get("ACCEPTANCE_JOBS", "")
    for argument in argv:
        name, _, value = argument.removeprefix("--define=").partition("=")
        jobs = value if name == "acceptance_jobs" else jobs
    return min(int(jobs), os.cpu_count() or 1) if jobs.isdigit() else 1


def prestarted_pool(argv: Sequence[str]) -> WorkerPool | None:
    """Workers that import what they need meanwhile; None when this process runs all scenarios."""
    jobs = prestarted_workers(argv)
    if not workers_supported() or not jobs:
        return None
    with defer_interrupts():
        pool = WorkerPool(argv)
        pool.prestart(jobs)
    return pool


def workers_supported() -> bool:
    """Whether this system can have workers: Windows cannot pass on the connection as standard input."""
    return os.name == "posix"
