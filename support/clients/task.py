"""Tasks of the official clients, and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from support.servers.endpoint import Endpoint

# Each has `run(server, name, timeout)` and `TASKS`; imported when needed, the packages take a while.
CLIENTS: Mapping[str, str] = {
    "openai": "support.clients.openai_sdk",
    "responses": "support.clients.responses_sdk",
    "anthropic": "support.clients.anthropic_sdk",
}


@dataclass(frozen=True)
class TaskResult:
    """The result of a task: `actual` has to equal `expected`."""

    name: str
    expected: object
    actual: object

    def require_expected(self) -> None:
        """Raises AssertionError when the client got something else."""
        assert self.actual == self.expected, f"{self.name}: expected {self.expected!r}, got {self.actual!r}"


def run_task(
    name: str,
    expected: object,
    function: Callable[[], object],
    *,
    refused: type[Exception],
    failed: type[Exception],
) -> TaskResult:
    """Run it. An error of the client is its result: its name if `refused`, with its message if `failed`."""
    try:
        got = function()
    except refused as error:
        got = type(error).__name__
    except failed as error:
        got = f"{type(error).__name__}: {error}"
    return TaskResult(name, expected, got)


def run_sdk_task(server: Endpoint, name: str, timeout: float) -> TaskResult:
    """Run a task of the official client of this server's API; `timeout`: seconds for each response."""
    result: TaskResult = import_module(CLIENTS[server.api]).run(server, name, timeout)
    return result


def task_names(api: str) -> frozenset[str]:
    """The names of the tasks of an API's client."""
    return frozenset(import_module(CLIENTS[api]).TASKS)
