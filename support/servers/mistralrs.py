"""A server under test, started by us or already there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from support.programs.child_environment import child_environment
from support.programs.launcher import (
    AllOf,
    AnyOf,
    HttpReady,
    LaunchedProgram,
    LaunchFailure,
    LogMatches,
    PortOpen,
    launch,
    launch_on_free_port,
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


class Server(LaunchedProgram):
    """A running `serve` with its model, its log and its own home folder."""

    def __init__(self, program: LaunchedProgram, url: str, model: ModelArguments) -> None:
        super().__init__(program.process, program.folder, program.log_file)
        self.ready_seconds = program.ready_seconds
        self.url = url
        self.model = model

    def usage(self) -> MemoryUsage:
        """What the process tree uses now; zero when it has ended."""
        resident = 0
        for process in process_tree(self.process.pid):
            try:
                resident += process.memory_info().rss
            except psutil.Error:
                continue
        return MemoryUsage(resident)


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
    # RUST_LOG may silence the line in the log. A foreign process on the port must not pass for ours.
    listening = AnyOf(LogMatches(LISTENING), PortOpen(port))
    program = launch(
        target.label,
        [target.path, *words],
        environment=lambda folder: child_environment(folder, rust_log=settings.rust_log, **environment),
        ready=AllOf(listening, HttpReady(url, "/health", lambda exchange: exchange.status == 200)),
        timeout=settings.seconds(READY_SECONDS),
        folder_prefix="acceptance-server-",
    )
    return Server(program, url, model)
