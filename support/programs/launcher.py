"""Starts a program that serves, waits until it is ready, and explains a start that failed.

A wait strategy returns what a program still lacks to be ready, "" when it is ready: a line in its log, an
open port, an HTTP response.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.http.responsiveness import RESPONSIVENESS
from support.programs.never_ready import NEVER_READY
from support.programs.output_limit import LEFT_OUT, OUTPUT_LIMITS, read_output
from support.programs.process import ManagedProcess, process_tree
from support.programs.starts import STARTS, ServerStart
from support.results.causes import panic_lines, why_ended
from support.waiting import WaitTimeout, wait_until

T = TypeVar("T")
# How often a log was shortened, and its length.
LogPosition = tuple[int, int]
LOG_TAIL_LINES = 15
PORT_TRIES = 3
REQUEST_SECONDS = 2.0
# After a start that was never ready: how long the next one may do nothing, and what CPU time is nothing.
IDLE_SECONDS = 10.0
IDLE_CPU_SECONDS = 0.1


class LaunchFailure(Exception):
    """The program did not become ready; the message holds the end of its log. Nothing is left running.

    `exit_code`: negative for a signal, None when it was never started. `cause`: see `cause_of`.
    """

    def __init__(self, message: str, *, exit_code: int | None, log: str, cause: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log
        self.cause = cause


class LaunchedProgram:
    """A program with its log, in a folder of its own, that serves at `url`."""

    def __init__(self, process: ManagedProcess, folder: Path, log_file: Path, url: str = "") -> None:
        self.process = process
        self.folder = folder
        self.log_file = log_file
        self.url = url
        # Whether its end is the suite's doing, or known as a failure.
        self.end_is_known = False
        # The bytes of the log in which `take_panics` has looked.
        self._examined = 0

    @property
    def log(self) -> str:
        """Everything that it has written so far, both streams in order, within the limit of output."""
        return read_output(self.log_file)

    @property
    def log_position(self) -> LogPosition:
        """The end of its log now, for `log_since`."""
        return OUTPUT_LIMITS.times_shortened(self.log_file), len(self.log)

    def log_since(self, position: LogPosition) -> str:
        """What it has written since then; if its log was shortened meanwhile, what was kept of its end."""
        times, length = position
        log = self.log
        if OUTPUT_LIMITS.times_shortened(self.log_file) != times:
            return LEFT_OUT + log.rpartition(LEFT_OUT)[2]
        return log[length:]

    @property
    def alive(self) -> bool:
        return self.process.alive

    def take_unknown_end(self) -> str:
        """How it ended by itself, once; empty while it runs, and when `end_is_known`."""
        if self.alive or self.end_is_known:
            return ""
        self.end_is_known = True
        log = self.log if self.log_file.exists() else ""
        return f"exit code {self.process.exit_code}; the end of its log:\n{log_tail(log)}"

    def take_panics(self) -> list[str]:
        """The lines of its log with a panic since the last call."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(self._examined)
                new = log.read()
        except FileNotFoundError:
            # The suite has ended it and removed its log.
            return []
        # The last line may be written at this moment.
        whole = new[: new.rfind(b"\n") + 1]
        self._examined += len(whole)
        return panic_lines(whole.decode(errors="replace"))

    def resident_memory(self) -> int:
        """Resident memory of the process tree in bytes; zero when it has ended."""
        resident = 0
        for process in process_tree(self.process.pid):
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
        return resident

    def stop(self) -> int:
        """End the process tree and remove the folder; the exit code. May be called twice."""
        self.end_is_known = True
        code = self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def log_tail(log: str) -> str:
    """Its last lines."""
    return "\n".join(log.splitlines()[-LOG_TAIL_LINES:]) or "(it wrote nothing)"


WaitStrategy = Callable[[LaunchedProgram], str]


def log_matches(pattern: re.Pattern[str]) -> WaitStrategy:
    """A line of its log matches."""
    return lambda program: "" if pattern.search(program.log) else f"no {pattern.pattern!r} in its log"


def port_open(port: int) -> WaitStrategy:
    """The program itself, or a child of it, listens on a port: another process there does not count."""

    def missing(program: LaunchedProgram) -> str:
        found = f"it does not listen on port {port}"
        # The list of connections is expensive to read; most polls end here.
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return found
        for process in process_tree(program.process.pid):
            try:
                connections = process.net_connections(kind="tcp")
            except psutil.Error:
                continue
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
                return ""
        return found

    return missing


def http_ready(url: str, path: str, accept: Callable[[Exchange], bool]) -> WaitStrategy:
    """A GET request has an accepted response."""

    def missing(program: LaunchedProgram) -> str:  # noqa: ARG001 - of every strategy
        with contextlib.closing(ApiClient(url, timeout=REQUEST_SECONDS, may_be_silent=True)) as client:
            try:
                exchange = client.get(path)
            except RequestFailed as error:
                return str(error)
        return "" if accept(exchange) else f"GET {path}: {exchange.status} {exchange.text[:200]!r}"

    return missing


def launch(  # noqa: PLR0913 - what it is, how it is started, and when it is ready
    what: str,
    command: Sequence[str | Path],
    *,
    environment: Callable[[Path], Mapping[str, str]],
    ready: WaitStrategy,
    timeout: float,
    url: str = "",
    kind: str = "",
    links: Mapping[str, Path] | None = None,
) -> LaunchedProgram:
    """Start a program in a new folder, which is its home, and wait until it is ready. `timeout` in seconds.

    `links`: names in that folder, which lead to other folders.

    Raises `LaunchFailure`, or OSError when the program cannot be executed; nothing is left then. A program
    that ran into `timeout` at its last starts of this `kind` is not started again: each would take as long.
    After the first one, it gets that time only while it does something.
    """
    kind = f"{what} ({kind})" if kind else what
    if reason := NEVER_READY.reason(kind, what):
        raise LaunchFailure(reason, exit_code=None, log="", cause=_never_ready(kind, what))
    suspect = NEVER_READY.is_suspect(kind, what)
    RESPONSIVENESS.forget(url)
    folder = Path(tempfile.mkdtemp(prefix="acceptance-server-"))
    log_file = folder / "server.log"
    process: ManagedProcess | None = None
    variables = environment(folder)
    start = ServerStart.of(command, variables, folder, url)
    try:
        for name, place in (links or {}).items():
            folder.joinpath(name).symlink_to(place.absolute(), target_is_directory=True)
        process = ManagedProcess(command, stdout=log_file, env=variables, cwd=folder)
        STARTS.add(start)
        program = LaunchedProgram(process, folder, log_file, url)
        lacking = ""
        idle = _IdleTime(program) if suspect else None

        def is_ready() -> bool:
            nonlocal lacking
            lacking = ready(program)
            if lacking and idle is not None and idle.seconds >= IDLE_SECONDS:
                raise WaitTimeout(
                    f"{what} ready to answer: not within {idle.seconds:.1f} s without CPU time, reading or "
                    f"output, after a start that was never ready; last seen: {lacking}"
                )
            return not lacking

        wait_until(
            f"{what} ready to answer",
            is_ready,
            timeout=timeout,
            alive=lambda: program.alive,
            seen=lambda: lacking,
        )
        NEVER_READY.succeeded(kind, what)
        return program
    except BaseException as error:
        # Also after Ctrl-C: the process is ended, and its folder removed once the log was read.
        was_alive = process is not None and process.alive
        code = process.stop() if process is not None else None
        log = read_output(log_file) if log_file.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, WaitTimeout):
            STARTS.failed.append(start)
            if was_alive:
                NEVER_READY.failed(kind, str(error), what)
            message = f"{error} (exit code {code}). Last lines of its log:\n{log_tail(log)}"
            cause = _never_ready(kind, what) if was_alive else f"{what} does not start: {why_ended(log)}"
            raise LaunchFailure(message, exit_code=code, log=log, cause=cause) from None
        raise


def _never_ready(kind: str, program: str) -> str:
    """One cause for all kinds of starts of a program that was never ready."""
    return f"{program if NEVER_READY.never_ready(program) else kind} does not become ready in time"


class _IdleTime:
    """How long a program has done nothing: it used no CPU time, read nothing and wrote nothing."""

    def __init__(self, program: LaunchedProgram) -> None:
        self._program = program
        self._since, self._seen = time.monotonic(), self._activity()

    @property
    def seconds(self) -> float:
        now, seen = time.monotonic(), self._activity()
        if seen[0] - self._seen[0] > IDLE_CPU_SECONDS or seen[1:] != self._seen[1:]:
            self._since, self._seen = now, seen
        return now - self._since

    def _activity(self) -> tuple[float, int, int]:
        used, read = 0.0, 0
        for process in process_tree(self._program.process.pid):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
                # Not on every platform.
                read += process.io_counters().read_bytes if hasattr(process, "io_counters") else 0
        return used, read, self._program.log_file.stat().st_size


def free_port() -> int:
    """A TCP port of the loopback interface on which nothing listens right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch_on_free_port(start: Callable[[int], T], port_taken: str) -> T:
    """Start a program on a free port; on another one if it was taken meanwhile (`port_taken` in the log)."""
    for _ in range(PORT_TRIES - 1):
        try:
            return start(free_port())
        except LaunchFailure as failure:
            if port_taken not in failure.log:
                raise
    return start(free_port())
