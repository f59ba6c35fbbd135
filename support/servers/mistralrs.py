"""A mistral.rs server as a process of the run."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from support.programs.child_environment import child_environment
from support.programs.launcher import (
    LaunchedProgram,
    LaunchFailure,
    all_of,
    any_of,
    http_ready,
    launch,
    launch_on_free_port,
    log_matches,
    port_open,
)
from support.programs.process import process_tree
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.startup_hints import hint_for
from support.settings import Settings

READY_SECONDS = 60.0
PORT_TAKEN = "Address already in use"
# 0.7.0 and later, and mistralrs-server before.
LISTENING = re.compile(r"(?:Server|OpenAI-compatible server) listening on http://")


class StartFailure(LaunchFailure, AssertionError):
    """The server did not become ready; the message holds the last log lines and the remedy if known."""


class Server(LaunchedProgram):
    """A running `serve` with its model, its log and its own home folder."""

    def __init__(self, program: LaunchedProgram, url: str, model: ModelArguments) -> None:
        super().__init__(program.process, program.folder, program.log_file, url)
        self.model = model

    def resident_memory(self) -> int:
        """Resident memory of the process tree in bytes; zero when it has ended."""
        resident = 0
        for process in process_tree(self.process.pid):
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
        return resident


@dataclass(frozen=True)
class LaunchResult:
    """One attempt to start: `server` when it became ready, else `failure`; `seconds` until then."""

    server: Server | None
    failure: StartFailure | None
    seconds: float


def try_start(start: Callable[[], Server]) -> LaunchResult:
    """Try to start a server; a failure is a result here."""
    began = time.monotonic()
    try:
        return LaunchResult(start(), None, time.monotonic() - began)
    except StartFailure as failure:
        return LaunchResult(None, failure, time.monotonic() - began)


def start_server(
    target: CommandTarget,
    model: ModelArguments,
    settings: Settings,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Server:
    """Start the target with a model and wait until it is ready. `options`: more command line arguments.

    `port` None: TEST_PORT, else a free one (another is tried when it was taken meanwhile).
    Raises `StartFailure` with the end of the log; nothing is left running then.
    """
    chosen = port or settings.test_port

    def start(port: int) -> Server:
        return _start(target, model, settings, port, environment or {}, options)

    try:
        return start(chosen) if chosen is not None else launch_on_free_port(start, PORT_TAKEN)
    except LaunchFailure as failure:
        remedy = hint_for(failure.log)
        advice = f"\nWhat to do: {remedy}." if remedy else ""
        raise StartFailure(f"{failure}{advice}", exit_code=failure.exit_code, log=failure.log) from None


def _start(
    target: CommandTarget,
    model: ModelArguments,
    settings: Settings,
    port: int,
    environment: Mapping[str, str],
    options: Sequence[str],
) -> Server:
    url = f"http://127.0.0.1:{port}"
    words = target.command_line.serve(
        model, port, settings.test_batch_size, verbose=settings.test_verbose, options=options
    )
    # RUST_LOG can silence the line in the log. A foreign process on the port must not count.
    listening = any_of(log_matches(LISTENING), port_open(port))
    program = launch(
        target.label,
        [target.path, *words],
        environment=lambda folder: child_environment(folder, rust_log=settings.rust_log, **environment),
        ready=all_of(listening, http_ready(url, "/health", lambda exchange: exchange.status == 200)),
        timeout=settings.seconds(READY_SECONDS),
        folder_prefix="acceptance-server-",
    )
    return Server(program, url, model)
