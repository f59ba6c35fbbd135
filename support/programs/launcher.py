"""Starts a program that serves, waits until it is ready, and explains a start that failed.

A wait strategy describes what a program still lacks to be ready: a line in its log, an open port, an HTTP
response. Strategies are combined with `AllOf` and `AnyOf`.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.programs.process import ManagedProcess, process_tree
from support.waiting import WaitTimeout, wait_until

T = TypeVar("T")
LOG_TAIL_LINES = 15
PORT_TRIES = 3
REQUEST_SECONDS = 2.0


class LaunchFailure(Exception):
    """The program did not become ready; the message holds the end of its log. Nothing is left running.

    `exit_code`: negative for a signal, None when it was never started.
    """

    def __init__(self, message: str, *, exit_code: int | None, log: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log


class LaunchedProgram:
    """A program with its log, in a folder of its own. `ready_seconds`: from the start until it was ready."""

    def __init__(self, process: ManagedProcess, folder: Path, log_file: Path) -> None:
        self.process = process
        self.folder = folder
        self.log_file = log_file
        self.ready_seconds = 0.0

    @property
    def log(self) -> str:
        """Everything that it has written so far, both streams in order."""
        return self.log_file.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.alive

    def stop(self) -> int:
        """End the process tree and remove the folder; the exit code. May be called twice."""
        code = self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


class WaitStrategy(Protocol):
    """When a program is ready."""

    def missing(self, program: LaunchedProgram) -> str:
        """What it still lacks, in words for a failure; "" when it is ready."""


@dataclass(frozen=True)
class LogMatches:
    """A line of its log matches."""

    pattern: re.Pattern[str]

    def missing(self, program: LaunchedProgram) -> str:
        return "" if self.pattern.search(program.log) else f"no {self.pattern.pattern!r} in its log"


@dataclass(frozen=True)
class PortOpen:
    """The program itself, or a child of it, listens on a port: another process there does not count."""

    port: int

    def missing(self, program: LaunchedProgram) -> str:
        found = f"it does not listen on port {self.port}"
        # The list of connections is expensive to read; most polls end here.
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return found
        for process in process_tree(program.process.pid):
            try:
                connections = process.net_connections(kind="tcp")
            except psutil.Error:
                continue
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == self.port for c in connections):
                return ""
        return found


@dataclass(frozen=True)
class HttpReady:
    """A GET request has an accepted response."""

    url: str
    path: str
    accept: Callable[[Exchange], bool]

    def missing(self, program: LaunchedProgram) -> str:  # noqa: ARG002 - of the interface
        with contextlib.closing(ApiClient(self.url, timeout=REQUEST_SECONDS)) as client:
            try:
                exchange = client.get(self.path)
            except RequestFailed as error:
                return str(error)
        return "" if self.accept(exchange) else f"GET {self.path}: {exchange.status} {exchange.text[:200]!r}"


class AllOf:
    """Every strategy, one after another."""

    def __init__(self, *strategies: WaitStrategy) -> None:
        self._strategies = strategies

    def missing(self, program: LaunchedProgram) -> str:
        return next(filter(None, (strategy.missing(program) for strategy in self._strategies)), "")


class AnyOf:
    """At least one strategy."""

    def __init__(self, *strategies: WaitStrategy) -> None:
        self._strategies = strategies

    def missing(self, program: LaunchedProgram) -> str:
        found = []
        for strategy in self._strategies:
            found.append(strategy.missing(program))
            if not found[-1]:
                return ""
        return ", and ".join(found)


def launch(
    what: str,
    command: Sequence[str | Path],
    *,
    environment: Callable[[Path], Mapping[str, str]],
    ready: WaitStrategy,
    timeout: float,
    folder_prefix: str,
) -> LaunchedProgram:
    """Start a program in a new folder, which is its home, and wait until it is ready. `timeout` in seconds.

    Raises `LaunchFailure`, or OSError when the program cannot be executed; nothing is left then.
    """
    folder = Path(tempfile.mkdtemp(prefix=folder_prefix))
    log_file = folder / "server.log"
    started = time.monotonic()
    process: ManagedProcess | None = None
    try:
        process = ManagedProcess(command, stdout=log_file, env=environment(folder), cwd=folder)
        program = LaunchedProgram(process, folder, log_file)
        _wait_until_ready(what, program, ready, timeout)
        program.ready_seconds = time.monotonic() - started
        return program
    except BaseException as error:
        # Whatever ended the start, Ctrl-C included: the process goes, and its folder once it was read.
        code = process.stop() if process is not None else None
        log = log_file.read_text(errors="replace") if log_file.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, WaitTimeout):
            raise _failure(str(error), code, log) from None
        raise


def _wait_until_ready(what: str, program: LaunchedProgram, ready: WaitStrategy, timeout: float) -> None:
    missing = ""

    def is_ready() -> bool:
        nonlocal missing
        missing = ready.missing(program)
        return not missing

    wait_until(
        f"{what} ready to answer",
        is_ready,
        timeout=timeout,
        alive=lambda: program.alive,
        seen=lambda: missing,
    )


def _failure(what: str, code: int | None, log: str) -> LaunchFailure:
    tail = "\n".join(log.splitlines()[-LOG_TAIL_LINES:]) or "(it wrote nothing)"
    message = f"{what} (exit code {code}). Last lines of its log:\n{tail}"
    return LaunchFailure(message, exit_code=code, log=log)


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
