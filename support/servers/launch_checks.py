"""Checks of a server start: ready in time, or failed with an error that names the problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from support.errors import CheckFailed
from support.programs.launcher import LaunchedProgram
from support.results.causes import PANIC
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.servers.mistralrs import LISTENING, LaunchResult, StartFailure

LOADED = re.compile(r"Model loaded\.")
MISSING_TOOL_SERVER = re.compile(r"Failed to initialize MCP client")


def check_ready(result: LaunchResult, limit: float) -> None:
    """The server is ready and was so within the limit in seconds."""
    if result.failure is not None:
        raise result.failure
    if result.seconds > limit:
        raise CheckFailed(f"expected ready within {limit} s, took {result.seconds:.2f} s")


def check_log_reports_loaded(server: LaunchedProgram) -> None:
    """The log reports the loaded model, before it reports that the server listens."""
    log = server.log
    loaded, listening = LOADED.search(log), LISTENING.search(log)
    if not loaded:
        raise CheckFailed(f"the log does not report a loaded model:\n{log[-1500:]}")
    if not listening:
        raise CheckFailed(f"the log does not report that the server listens:\n{log[-1500:]}")
    if loaded.start() >= listening.start():
        raise CheckFailed(f"it listened before the model was loaded:\n{log[-1500:]}")


def check_log_reports_missing_tool_server(server: LaunchedProgram) -> None:
    """The log reports that a tool server is missing (mistral.rs 0.8.2 and later)."""
    if not MISSING_TOOL_SERVER.search(server.log):
        raise CheckFailed(f"the log does not mention the missing tool server:\n{server.log[-1500:]}")


def check_memory(server: LaunchedProgram, limit: int) -> None:
    """The resident memory of its process tree stays below the limit in bytes."""
    used = server.resident_memory()
    if used >= limit:
        raise CheckFailed(f"expected less than {limit / 1e6:.0f} MB of memory, it uses {used / 1e6:.0f} MB")


def check_failed(result: LaunchResult, exit_code: int, limit: float) -> None:
    """The start failed with this exit code, in time (seconds), and without a panic."""
    failure = _failure(result)
    # The same panic is one cause, whatever the model was.
    panic = failure if PANIC in failure.log else None
    if failure.exit_code != exit_code:
        found = f"got {failure.exit_code} after {result.seconds:.1f} s"
        raise CheckFailed(f"expected exit code {exit_code}, {found}.\n{failure}") from panic
    if panic is not None:
        raise CheckFailed(f"expected an error, got a crash.\n{failure}") from panic
    if result.seconds > limit:
        raise CheckFailed(f"expected an error within {limit} s, took {result.seconds:.1f} s")


def check_error_mentions(result: LaunchResult, words: Sequence[str]) -> None:
    """The output ends with one `Error:` line that contains at least one of the words."""
    failure = _failure(result)
    lines = [line for line in failure.log.splitlines() if line.startswith("Error: ")]
    if len(lines) != 1:
        raise CheckFailed(f"expected one line `Error: ...`, found {len(lines)}.\n{failure}")
    message = failure.log[failure.log.index(lines[0]) :].lower()
    if not any(word.lower() in message for word in words):
        raise CheckFailed(f"expected one of {list(words)} in the error message: {message.strip()!r}")


def _failure(result: LaunchResult) -> StartFailure:
    if result.failure is None:
        raise CheckFailed("expected the start to fail, but the server is ready")
    return result.failure


LOG_EVENTS: Mapping[str, Callable[[LaunchedProgram], None]] = {
    "the loaded model": check_log_reports_loaded,
    "a missing tool server": check_log_reports_missing_tool_server,
}


class ServerStart(ScenarioResult):
    """Attempts to start the server."""

    kind = "server start"

    def __init__(self, attempts: MustCheck[LaunchResult]) -> None:
        self._attempts = attempts

    @property
    def available(self) -> bool:
        return self._attempts.available

    def require_exit(self, exit_code: int, limit: float) -> None:
        check_failed(self._attempts.get(), exit_code, limit)
