"""A server under test, started by us or already there."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.http.client import ApiClient, RequestFailed
from support.programs.child_environment import child_environment
from support.programs.process import ManagedProcess, process_tree
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.startup_hints import hint_for
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until

READY_SECONDS = 60.0
ASK_SECONDS = 2.0
PORT_TRIES = 3
PORT_TAKEN = "Address already in use"
LOG_TAIL_LINES = 15
# 0.7.0 and later, and mistralrs-server before.
LISTENING = re.compile(r"(?:Server|OpenAI-compatible server) listening on http://")


class StartFailure(AssertionError):
    """The server did not become ready; the message holds the last log lines and the remedy if known."""

    def __init__(self, message: str, *, exit_code: int | None, log: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log


@dataclass(frozen=True)
class MemoryUsage:
    """Memory of a process tree in bytes: resident set, summed over the tree."""

    resident: int


class Server:
    """A running `serve` with its model, its log and its own home folder."""

    def __init__(
        self, process: ManagedProcess, url: str, model: ModelArguments, folder: Path, ready_seconds: float
    ) -> None:
        self.process = process
        self.url = url
        self.model = model
        self.folder = folder
        self.ready_seconds = ready_seconds

    @property
    def log(self) -> str:
        """Everything it wrote so far, both streams in order."""
        return (self.folder / "server.log").read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.alive

    def usage(self) -> MemoryUsage:
        """What the tree uses now; zero when it has ended."""
        resident = 0
        for process in process_tree(self.process.pid):
            try:
                resident += process.memory_info().rss
            except psutil.Error:
                continue
        return MemoryUsage(resident)

    def stop(self) -> int:
        """End the tree and remove its folder; the exit code. May be called twice."""
        code = self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(
    target: CommandTarget,
    model: ModelArguments,
    settings: Settings,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Server:
    """Start the target on a model and wait until it answers. `options` are more words for its command line.

    `port` None: TEST_PORT, else a free one (another is tried when somebody took it meanwhile).
    Raises `StartFailure` with the end of the log; nothing is left running then.
    """
    asked = port or settings.test_port
    if asked is not None:
        return _start_once(target, model, settings, asked, environment, options)
    for _ in range(PORT_TRIES - 1):
        try:
            return _start_once(target, model, settings, free_port(), environment, options)
        except StartFailure as failure:
            if PORT_TAKEN not in failure.log:
                raise
    return _start_once(target, model, settings, free_port(), environment, options)


def _start_once(
    target: CommandTarget,
    model: ModelArguments,
    settings: Settings,
    port: int,
    environment: Mapping[str, str] | None,
    options: Sequence[str],
) -> Server:
    folder = Path(tempfile.mkdtemp(prefix="acceptance-server-"))
    log = folder / "server.log"
    url = f"http://127.0.0.1:{port}"
    words = target.command_line.serve(model, port, settings.test_batch_size, settings.test_verbose, options)
    started = time.monotonic()
    process: ManagedProcess | None = None
    try:
        process = ManagedProcess(
            [target.path, *words],
            stdout=log,
            env=child_environment(folder, rust_log=settings.rust_log, **(environment or {})),
            cwd=folder,
        )
        running = process
        with contextlib.closing(ApiClient(url, timeout=ASK_SECONDS)) as client:
            wait_until(
                f"{target.label} ready to answer",
                lambda: _is_listening(running, port, log) and _is_healthy(client),
                timeout=settings.seconds(READY_SECONDS),
                alive=lambda: running.alive,
            )
        return Server(process, url, model, folder, time.monotonic() - started)
    except BaseException as error:
        # Whatever ended the start, Ctrl-C included: the process goes, and its folder once it was read.
        code = process.stop() if process is not None else None
        text = log.read_text(errors="replace") if log.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, WaitTimeout):
            raise _failure(str(error), code, text) from None
        raise


def _is_healthy(client: ApiClient) -> bool:
    try:
        return client.get("/health").status == 200
    except RequestFailed:
        return False


def _is_listening(process: ManagedProcess, port: int, log: Path) -> bool:
    """Whether it is our process that listens there: a stranger on the same port must not pass for it.

    Its log tells, unless RUST_LOG silences that line; then the system is asked who has the port.
    """
    if LISTENING.search(log.read_text(errors="replace")):
        return True
    for member in process_tree(process.pid):
        try:
            connections = member.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            return True
    return False


def _failure(what: str, code: int | None, log: str) -> StartFailure:
    tail = "\n".join(log.splitlines()[-LOG_TAIL_LINES:]) or "(it wrote nothing)"
    remedy = hint_for(log)
    advice = f"\nWhat to do: {remedy}." if remedy else ""
    message = f"{what} (exit code {code}). Last lines of its log:\n{tail}{advice}"
    return StartFailure(message, exit_code=code, log=log)
