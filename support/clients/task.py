"""Tasks of the official clients, and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from support.errors import CheckFailed
from support.http.body_limit import BodyTooLong
from support.http.recorder import ExchangeRecorder
from support.name_registry import NameRegistry
from support.servers.endpoints import Endpoint

# Each has `<API>_TASKS`, `connect` and the exceptions `REJECTED` and `FAILED`. Imported when needed, the
# packages take a while.
CLIENTS: Mapping[str, str] = {
    "openai": "support.clients.openai_sdk",
    "responses": "support.clients.openai_sdk",
    "anthropic": "support.clients.anthropic_sdk",
}

MESSAGE_CHARACTERS = 500
# In place of the values, where they fit together.
COUNTED = "token counts that add up"


@dataclass(frozen=True)
class TaskResult:
    """The result of a task: `actual` has to equal `expected`. A condition is met, or a text has the values.

    `server_message`: what the client has of the server's error.
    """

    name: str
    expected: object
    actual: object
    server_message: str = ""

    def require_expected(self) -> None:
        """Raises AssertionError when the client got something else."""
        if self.actual != self.expected:
            reason = f": {self.server_message[:MESSAGE_CHARACTERS]}" if self.server_message else ""
            raise CheckFailed(f"{self.name}: expected {self.expected!r}, got {self.actual!r}{reason}")


def run_sdk_task(server: Endpoint, name: str, timeout: float, recorder: ExchangeRecorder) -> TaskResult:
    """Run a task of the official client of this server's API; `timeout`: seconds for each response.

    An error of the client is its result: its name for a rejected request, else with its message.
    """
    client = import_module(CLIENTS[server.api])
    expected, function = tasks_of(server.api).find(name)
    server_message = ""
    with client.connect(server, timeout, recorder) as connected:
        try:
            actual = function(connected, server.variables["model"])
        except client.REJECTED as error:
            actual, server_message = type(error).__name__, str(error)
        except (client.FAILED, BodyTooLong) as error:
            # A client has an error of its own for a failure of its transport.
            reason = error.__cause__ if isinstance(error.__cause__, BodyTooLong) else error
            actual = f"{type(error).__name__}: {reason}"
    return TaskResult(name, expected, actual, server_message)


def tasks_of(api: str) -> NameRegistry[tuple[object, Callable[[Any, str], object]]]:
    """Name in the features -> what the task has to return, and its function."""
    tasks: NameRegistry[Any] = getattr(import_module(CLIENTS[api]), f"{api.upper()}_TASKS")
    return tasks
