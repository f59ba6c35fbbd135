"""The worker processes of a run, from the master's side.

The first one is started before behave and the settings are read: it loads what a worker needs while the
master looks at the selection and the target. So nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.programs.process import ManagedProcess
from support.programs.run_directory import RunDirectory

if TYPE_CHECKING:
    from support.runner.scheduler import Task

# How long a worker may take to end after it has closed its side, and to write its stacks when it is ended.
EXIT_SECONDS = 5.0
STACKS_SECONDS = 5.0
MAX_LOG_CHARACTERS = 4000
# How faulthandler begins what it writes when its time is over.
FAULTHANDLER_PREFIX = "\nTimeout ("
# In a worker's log before each scenario.
SCENARIO_SEPARATOR = "\x1e"


class Worker:
    """One worker process. `lane` is its place in the timeline, `stacks` where its hard limit writes."""

    def __init__(self, worker_id: str, argv: Sequence[str], folder: Path) -> None:
        self.worker_id = worker_id
        self.log = folder / f"{worker_id}.log"
        self.stacks = folder / f"{worker_id}.stacks"
        self.stacks.unlink(missing_ok=True)
        self.task: Task | None = None
        self.folder: str | None = None
        self.idle = False
        self.ready = False
        self.exit_code: int | None = None
        # What was last heard of it, and what it was ended for when the master did that.
        self.last_message_at = time.monotonic()
        self.kill_reason: str | None = None
        self._received = b""
        command = [sys.executable, "-u", "-m", "support.runner.worker", *argv]
        command += [f"--define=worker={worker_id}", "--define=allure_keep=true"]
        # What it leaves in its temporary folder goes with the run's, however it dies.
        environment = os.environ | {"TMPDIR": str(folder)}
        ours, theirs = socket.socketpair()
        self._errors = os.dup(2)
        with theirs:
            self.process = ManagedProcess(
                command,
                stdout=None,
                stderr=self.log,
                env=environment,
                stdin=theirs.fileno(),
                pass_fds=(self._errors,),
            )
        ours.setblocking(False)
        self.socket = ours

    def configure(self, target: dict[str, Any], *, to_terminal: bool, is_replacement: bool) -> None:
        """Have it begin. `speaks`: what it says goes to the person; `anew`: it replaces a dead one."""
        self.last_message_at = time.monotonic()
        self.send(
            {
                "target": target,
                "stacks": str(self.stacks),
                "speaks": to_terminal,
                "anew": is_replacement,
                "errors": self._errors,
            }
        )
        os.close(self._errors)

    def kill(self) -> None:
        """End it instead of a greeting."""
        self.process.stop(grace=0)
        self.socket.close()
        os.close(self._errors)

    def send(self, message: dict[str, Any]) -> None:
        """A worker that is gone misses nothing: its end is seen when it is listened to."""
        with suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def close_input(self) -> None:
        """No more work."""
        self.idle = False
        self.last_message_at = time.monotonic()
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
            self.last_message_at = time.monotonic()
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines], over

    def abort(self, why: str) -> None:
        """End it and its tree; its log has the stacks of its threads then."""
        self.kill_reason = why
        with suppress(OSError):
            self.process.send(signal.SIGABRT)
        self.process.exited_within(STACKS_SECONDS)
        self.process.stop(grace=0)

    def join(self) -> str:
        """Wait for its end and say how it came about."""
        self.process.exited_within(EXIT_SECONDS)
        code = self.process.stop(grace=0)
        self.socket.close()
        if self.kill_reason is not None:
            return self.kill_reason
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def hang_traceback(self) -> str:
        """What its hard limit left: what took too long, and the stacks; empty when it was not that."""
        text = self.stacks.read_text(errors="replace") if self.stacks.is_file() else ""
        return text if FAULTHANDLER_PREFIX in text else ""

    def last_output(self) -> str:
        """The end of what it printed since its last scenario began."""
        text = self.log.read_text(errors="replace") if self.log.is_file() else ""
        return text.rpartition(SCENARIO_SEPARATOR)[2][-MAX_LOG_CHARACTERS:].strip()


class WorkerPool:
    """All workers of one run, and the folder that their logs and temporary files are in."""

    def __init__(self, argv: Sequence[str]) -> None:
        """`words` are behave's command line."""
        self._argv = argv
        self._folder = RunDirectory()
        self._locked = False
        self._prestarted: list[Worker] = []

    def prestart(self, jobs: int) -> None:
        """Have so many that wait to be greeted."""
        for number in range(len(self._prestarted), jobs):
            self._prestarted.append(Worker(f"w{number + 1}", self._argv, self._folder.path))
        if not self._locked:
            self._locked = True
            self._folder.lock()

    def take(self, worker_id: str) -> Worker:
        """One that was not greeted yet."""
        for worker in self._prestarted:
            if worker.worker_id == worker_id:
                self._prestarted.remove(worker)
                return worker
        return Worker(worker_id, self._argv, self._folder.path)

    def close(self) -> None:
        """End those that nobody took, and remove the folder. May be called twice."""
        while self._prestarted:
            self._prestarted.pop().kill()
        self._folder.remove()

    def remove_folder(self) -> None:
        """When all processes were ended elsewhere."""
        self._folder.remove()


def prestarted_workers(argv: Sequence[str]) -> int:
    """How many workers to start before the settings are known; these decide afterwards."""
    asked = os.environ.get("ACCEPTANCE_JOBS", "")
    for word in argv:
        name, _, value = word.removeprefix("--define=").partition("=")
        asked = value if name == "acceptance_jobs" else asked
    return min(int(asked), os.cpu_count() or 1) if asked.isdigit() else 1


def workers_supported() -> bool:
    """Whether this system can have workers: Windows has no socket pairs to hand over."""
    return os.name == "posix"
