"""Loading a model: what a good start and a good refusal look like."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from support.servers.launch import LaunchResult
from support.servers.mistralrs import LISTENING, Server, StartFailure

LOADED = re.compile(r"Model loaded\.")
MISSING_TOOL_SERVER = re.compile(r"Failed to initialize MCP client")


def check_ready(result: LaunchResult, limit: float) -> None:
    """The server is ready and was so within the limit in seconds."""
    if result.failure is not None:
        raise result.failure
    assert result.seconds <= limit, f"expected ready within {limit} s, took {result.seconds:.2f} s"


def check_log_reports_loaded(server: Server) -> None:
    """Its log tells that the model is loaded, before it tells that it listens."""
    log = server.log
    loaded, listening = LOADED.search(log), LISTENING.search(log)
    assert loaded, f"the log never says that the model is loaded:\n{log[-1500:]}"
    assert listening, f"the log never says that the server listens:\n{log[-1500:]}"
    assert loaded.start() < listening.start(), f"it listened before the model was loaded:\n{log[-1500:]}"


def check_log_reports_missing_tool_server(server: Server) -> None:
    """Its log tells that it goes on without a tool server (mistral.rs 0.8.2 and later)."""
    assert MISSING_TOOL_SERVER.search(server.log), (
        f"the log tells of no missing tool server:\n{server.log[-1500:]}"
    )


def check_memory(server: Server, limit: int) -> None:
    """The resident memory of its process tree stays below the limit in bytes."""
    used = server.usage().resident
    assert used < limit, f"expected less than {limit / 1e6:.0f} MB of memory, it uses {used / 1e6:.0f} MB"


def check_refused(result: LaunchResult, limit: float) -> None:
    """It ended by itself with exit code 1, in time; a crash (101, a signal) is no refusal."""
    failure = _failure(result)
    assert failure.exit_code == 1, f"expected a refusal with exit code 1, got {failure.exit_code}.\n{failure}"
    assert "panicked at" not in failure.log, f"expected a refusal, got a crash.\n{failure}"
    assert result.seconds <= limit, f"expected a refusal within {limit} s, took {result.seconds:.1f} s"


def check_error_mentions(result: LaunchResult, words: Sequence[str]) -> None:
    """Its last words are one `Error:` line that names the problem by at least one of the words."""
    failure = _failure(result)
    lines = [line for line in failure.log.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, f"expected one line `Error: ...`, found {len(lines)}.\n{failure}"
    said = failure.log[failure.log.index(lines[0]) :].lower()
    assert any(word.lower() in said for word in words), (
        f"expected the error to name one of {list(words)}, it says: {said.strip()!r}"
    )


def _failure(result: LaunchResult) -> StartFailure:
    assert result.failure is not None, "expected the start to be refused, but the server is ready"
    return result.failure


class PortBlocker:
    """Another program on a port of the loopback interface, that answers nobody."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        self._socket.close()
