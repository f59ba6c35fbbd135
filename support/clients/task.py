"""Tasks of the official clients, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from support.servers.endpoint import Endpoint

# Each has `TASKS` (name in the features -> what the task has to return, and its function), `connect` and the
# exceptions `REJECTED` and `FAILED`. Imported when needed, the packages take a while.
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


def run_sdk_task(server: Endpoint, name: str, timeout: float) -> TaskResult:
    """Run a task of the official client of this server's API; `timeout`: seconds for each response.

    An error of the client is its result: its name for a rejected request, else with its message.
    """
    client = import_module(CLIENTS[server.api])
    expected, function = client.TASKS.find(name)
    with client.connect(server, timeout) as connected:
        try:
            actual = function(connected, server.variables["model"])
        except client.REJECTED as error:
            actual = type(error).__name__
        except client.FAILED as error:
            actual = f"{type(error).__name__}: {error}"
    return TaskResult(name, expected, actual)


def task_names(api: str) -> frozenset[str]:
    """The names of the tasks of an API's client."""
    return frozenset(import_module(CLIENTS[api]).TASKS)
