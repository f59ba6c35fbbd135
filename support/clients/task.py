"""What an official client is sent out for, and what it brings home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from support.servers.endpoint import Endpoint

# Each has `travel(server, name, within)` and `JOURNEYS`; read when needed, the packages take a while.
CLIENTS: Mapping[str, str] = {
    "openai": "support.clients.openai_sdk",
    "responses": "support.clients.responses_sdk",
    "anthropic": "support.clients.anthropic_sdk",
}


@dataclass(frozen=True)
class TaskResult:
    """What the client brought home: `got` is to equal `wanted`."""

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
    """Go this way; what the client raises is what it got. `refused` are named, `failed` say why as well."""
    try:
        got = function()
    except refused as error:
        got = type(error).__name__
    except failed as error:
        got = f"{type(error).__name__}: {error}"
    return TaskResult(name, expected, got)


def run_sdk_task(server: Endpoint, name: str, timeout: float) -> TaskResult:
    """Let the official client of this server's API go on a journey; `within`: seconds for each answer."""
    journey: TaskResult = import_module(CLIENTS[server.api]).run(server, name, timeout)
    return journey


def task_names(api: str) -> frozenset[str]:
    """The names of the journeys of an API's client."""
    return frozenset(import_module(CLIENTS[api]).TASKS)
