"""Child processes that never outlive the run.

`ManagedProcess` starts a process and ends its whole tree. Output goes to a file, never to a pipe: a full pipe
would block a server with much output.

How a child ends, case by case:

the run ends it                    `ManagedProcess.stop`: SIGTERM, then SIGKILL for the tree, and for the
                                   process group: it has grandchildren whose parent has ended already
a step, hook or cleanup forgot it  `kill_all` at the end of the run, and at the exit of the interpreter
a second Ctrl-C or SIGTERM         `kill_all`, before the process exits at once
the interpreter exits elsewhere    `kill_all` by `atexit`
the run is killed (SIGKILL, OOM)   Linux: the kernel kills the child (PR_SET_PDEATHSIG, prctl(2));
                                   elsewhere: the next run (run_directory.py)
... and the child has children     `ProcessGroupReaper`, for programs that start others (Ollama); else: the
                                   next run (run_directory.py)
a signal just after the start      `defer_interrupts` (deferred_interrupts.py): it is raised when the child is
                                   in `managed`
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from support.programs.deferred_interrupts import defer_interrupts
from support.programs.output_limit import LIMIT, MEGABYTE, OUTPUT_LIMITS, read_output
from support.programs.run_directory import temp_prefix
from support.waiting import WaitTimeout, wait_until

TERMINATE_SECONDS = 3.0
EXIT_SECONDS = 10.0
OUTPUT_CHECK_SECONDS = 0.1
# The most that a process gets to end by itself; zero once the run was interrupted.
_longest_grace = TERMINATE_SECONDS
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# It waits for the end of its input: the pipe is closed when the process of the run has ended.
_WATCH = 'read -r _; kill -s KILL -- "-$1"'
# What `kill_all` ends. It holds them until they have ended: one without another reference is ended as well.
managed: set[ProcessTree] = set()


class ProcessTree(Protocol):
    """A process with its tree, and what is needed to end both."""

    @property
    def pid(self) -> int: ...

    @property
    def alive(self) -> bool: ...

    def stop(self, grace: float = ...) -> int: ...


@dataclass(frozen=True)
class CompletedCommand:
    """A command that ended by itself: exit code (negative: signal), output, seconds."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def describe(self) -> str:
        """One block for a failure message: command line, exit code, both streams (the ends of them)."""
        return (
            f"$ {' '.join(self.command)}\n[exit {self.exit_code} after {self.seconds:.2f} s]\n"
            f"--- stdout\n{self.stdout[-2000:]}\n--- stderr\n{self.stderr[-2000:]}"
        )


class CommandTimeout(AssertionError):
    """A command did not end in time; its tree was ended."""


class OutputTooLong(CommandTimeout):
    """A command printed more than is kept of its output; its tree was ended."""


def _before_exec(parent: int) -> None:
    # Runs between fork and exec: only async-signal-safe calls.
    # A run in the background (`nohup`, `&` in a script) ignores these, and a child would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before that.
        if os.getppid() != parent:
            os._exit(1)


def child_preexec() -> Callable[[], None] | None:
    """What a child does before exec (`preexec_fn`), POSIX only.

    It handles signals as a program in a terminal does, and on Linux the kernel kills it with this process.
    """
    return functools.partial(_before_exec, os.getpid()) if os.name == "posix" else None


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants, children first; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [*reversed(root.children(recursive=True)), root]
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int, tree: Sequence[psutil.Process]) -> None:
    """Kill the processes of a tree, and the process group of its root."""
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    if os.name == "posix":
        # Grandchildren whose parent had already ended are still in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def wait_until_exited(tree: Sequence[psutil.Process]) -> None:
    """Wait until killed processes have released their ports, files and memory, which takes a while.

    Returns as well when one of them hangs in the kernel.
    """
    with contextlib.suppress(WaitTimeout):
        wait_until("the end of the processes", lambda: all(map(_has_exited, tree)), timeout=EXIT_SECONDS)


def _has_exited(process: psutil.Process) -> bool:
    # A zombie holds nothing; its parent may never reap it.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class ManagedProcess:
    """A process with its tree, started with its output in files."""

    def __init__(  # noqa: PLR0913 - a command with its surroundings, as `subprocess.Popen`
        self,
        command: Sequence[str | Path],
        *,
        stdout: Path | None,
        stderr: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """`stdout` None: inherited. `stderr` None: the same file as `stdout`.

        Raises OSError when the program cannot be started.
        """
        self.command = tuple(str(word) for word in command)
        self.started = time.monotonic()
        # An interruption between the start and `managed.add` would leave the process behind.
        with contextlib.ExitStack() as files, defer_interrupts():
            out = None if stdout is None else files.enter_context(_output_file(stdout))
            err: IO[bytes] | int = (
                subprocess.STDOUT if stderr is None else files.enter_context(_output_file(stderr))
            )
            self._popen = subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=None if env is None else dict(env),
                cwd=cwd,
                # A group of its own: Ctrl-C reaches the runner only, which then ends its children in order.
                start_new_session=os.name == "posix",
                pass_fds=pass_fds,
                preexec_fn=child_preexec(),
            )
            managed.add(self)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._popen.poll()

    @property
    def alive(self) -> bool:
        return self.exit_code is None

    def wait(self, timeout: float) -> int:
        """The exit code; raises `CommandTimeout` (and ends the tree) when it takes longer, in seconds."""
        try:
            code = self._popen.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop(grace=0)
            raise CommandTimeout(f"`{' '.join(self.command)}` did not end within {timeout:.1f} s") from None
        managed.discard(self)
        return code

    def exited_within(self, timeout: float) -> bool:
        """Wait `timeout` seconds at most, without ending it; whether it has ended."""
        try:
            self._popen.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, signal_number: int) -> None:
        """Send one signal to the process itself."""
        self._popen.send_signal(signal_number)

    def stop(self, grace: float = TERMINATE_SECONDS) -> int:
        """End the whole tree: terminate, wait `grace` seconds, kill, wait for the end. May be called twice.

        Returns the exit code.
        """
        tree = process_tree(self.pid) if self.alive else []
        grace = min(grace, _longest_grace)
        if grace > 0:
            for process in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
            # The Popen object has to reap the child itself, else psutil takes its exit code.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout=grace)
        kill_tree(self.pid, tree)
        code = self._popen.wait()
        managed.discard(self)
        wait_until_exited(tree)
        return code


def _output_file(file: Path) -> IO[bytes]:
    """An empty file for the output of a program, within the limit of output."""
    file.write_bytes(b"")
    OUTPUT_LIMITS.watch(file)
    return file.open("ab")


class ProcessGroupReaper:
    """A helper process that kills a process group when this process ends, in whatever way. POSIX only.

    `PR_SET_PDEATHSIG` reaches the processes that the run starts, not their children: the runner of a real
    Ollama, for instance, continues with a model in memory when Ollama itself was killed with the run.
    """

    def __init__(self, group: int) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "reaper", str(group)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # A signal for the group of the run must not reach it.
                start_new_session=True,
            )

    def release(self) -> None:
        """The group has ended, and its number can be used again. May be called twice."""
        if self._watcher is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._watcher.pid, signal.SIGKILL)
        self._watcher.communicate()
        self._watcher = None


def run_command(
    command: Sequence[str | Path],
    *,
    within: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    started: Callable[[int], None] = lambda _: None,
) -> CompletedCommand:
    """Run a command to its end, `within` so many seconds. `started` gets its process id, to limit it.

    Raises OSError when it cannot be started, `CommandTimeout` when it does not end, also since it prints
    without end (`output_limit.py`).
    """
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        process = ManagedProcess(command, stdout=out, stderr=err, env=env, cwd=cwd, stdin=stdin)
        try:
            started(process.pid)
            code = _wait_within_limit(process, within, (out, err))
            seconds = time.monotonic() - process.started
        except CommandTimeout as timeout:
            process.stop(grace=0)
            output = (read_output(out) + read_output(err))[-500:]
            raise type(timeout)(f"{timeout}; it had printed: {output!r}") from None
        finally:
            # Also when it ended by itself: what it left in the background is in its process group.
            process.stop(grace=0)
        return CompletedCommand(
            command=process.command,
            exit_code=code,
            stdout=read_output(out),
            stderr=read_output(err),
            seconds=seconds,
        )


def _wait_within_limit(process: ManagedProcess, within: float, files: Sequence[Path]) -> int:
    """The exit code; raises `CommandTimeout`, or `OutputTooLong` as soon as a file is beyond the limit."""
    left = within
    while not process.exited_within(min(left, OUTPUT_CHECK_SECONDS)):
        left -= OUTPUT_CHECK_SECONDS
        command = f"`{' '.join(process.command)}`"
        if any(OUTPUT_LIMITS.times_shortened(file) or file.stat().st_size > LIMIT for file in files):
            raise OutputTooLong(f"{command} was ended: it had printed more than {LIMIT // MEGABYTE} MB")
        if left <= 0:
            raise CommandTimeout(f"{command} did not end within {within:.1f} s")
    return process.wait(EXIT_SECONDS)


def terminate_at_once() -> None:
    """From now on in this process, `stop` waits for no process to end by itself: the run was interrupted."""
    global _longest_grace
    _longest_grace = 0.0


def managed_pids() -> list[int]:
    """The process ids of what runs. May be called from any thread."""
    return [process.pid for process in managed.copy()]


def kill_all() -> int:
    """End all trees that are left; how many there were."""
    left = [process for process in list(managed) if process.alive]
    for process in left:
        process.stop(grace=0)
    return len(left)


def _keep_exit_codes() -> None:
    """Where SIGCHLD is ignored (a parent passes that on), `subprocess` reads 0 for each exit code."""
    if os.name == "posix" and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


atexit.register(kill_all)
_keep_exit_codes()
