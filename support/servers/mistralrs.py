"""A mistral.rs server as a process of the run."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.programs.child_environment import child_environment
from support.programs.launcher import (
    LaunchedProgram,
    LaunchFailure,
    http_ready,
    launch,
    launch_on_free_port,
    log_matches,
    port_open,
)
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.settings import Settings

READY_SECONDS = 60.0
HINTS = Path(__file__).with_name("startup_hints.toml")
PORT_TAKEN = "Address already in use"
# 0.7.0 and later, and mistralrs-server before.
LISTENING = re.compile(r"(?:Server|OpenAI-compatible server) listening on http://")
_INFORMATION = re.compile(r"^\S+Z +(INFO|DEBUG|TRACE) ")


class StartFailure(LaunchFailure, AssertionError):
    """The server did not become ready; the message holds the last log lines and the remedy if known."""


@dataclass(frozen=True)
class LaunchResult:
    """One attempt to start: `server` when it became ready, else `failure`; `seconds` until then."""

    server: LaunchedProgram | None
    failure: StartFailure | None
    seconds: float


def try_start(start: Callable[[], LaunchedProgram]) -> LaunchResult:
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
) -> LaunchedProgram:
    """Start the target with a model and wait until it is ready. `options`: more command line arguments.

    `port` None: TEST_PORT, else a free one (another is tried when it was taken meanwhile).
    Raises `StartFailure` with the end of the log; nothing is left running then.
    """
    chosen = port or settings.test_port

    def start(port: int) -> LaunchedProgram:
        url = f"http://127.0.0.1:{port}"
        words = target.command_line.serve(
            model, port, settings.test_batch_size, verbose=settings.test_verbose, options=options
        )
        logged, listens = log_matches(LISTENING), port_open(port)
        healthy = http_ready(url, "/health", lambda exchange: exchange.status == 200)

        def missing(program: LaunchedProgram) -> str:
            # RUST_LOG can silence the line in the log. A foreign process on the port must not count.
            if (no_line := logged(program)) and (closed := listens(program)):
                return f"{no_line}, and {closed}"
            return healthy(program)

        return launch(
            target.label,
            [target.path, *words],
            environment=lambda folder: child_environment(
                folder, rust_log=settings.rust_log, **(environment or {})
            ),
            ready=missing,
            timeout=settings.seconds(READY_SECONDS),
            url=url,
            kind=model.format,
            links={model.served_name: model.directory} if model.served_name else None,
        )

    try:
        return start(chosen) if chosen is not None else launch_on_free_port(start, PORT_TAKEN)
    except LaunchFailure as failure:
        remedy = hint_for(failure.log)
        advice = f"\nWhat to do: {remedy}." if remedy else ""
        raise StartFailure(
            f"{failure}{advice}", exit_code=failure.exit_code, log=failure.log, cause=failure.cause
        ) from None


def hint_for(log: str) -> str | None:
    """The first advice for a known failure in a log, or None. Lines of plain information do not count."""
    text = "\n".join(line for line in log.splitlines() if not _INFORMATION.search(line))
    return next((advice for pattern, advice in _hints() if pattern.search(text)), None)


@cache
def _hints() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = tomllib.loads(HINTS.read_text(encoding="utf-8"))["remedy"]
    return tuple((re.compile(row["pattern"], re.IGNORECASE), row["advice"]) for row in rows)
