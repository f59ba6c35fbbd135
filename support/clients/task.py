"""What an official client is sent out for, and what it brings home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from support.conformance.api import ApiServer

# Each has `travel(server, name, within)` and `JOURNEYS`; read when needed, the packages take a while.
CLIENTS: Mapping[str, str] = {
    "openai": "support.clients.openai_sdk",
    "responses": "support.clients.responses_sdk",
    "anthropic": "support.clients.anthropic_sdk",
}


@dataclass(frozen=True)
class Journey:
    """What the client brought home: `got` is to equal `wanted`."""

    name: str
    wanted: Any
    got: Any

    def require_arrived(self) -> None:
        """Raises AssertionError when the client got something else."""
        assert self.got == self.wanted, f"{self.name}: expected {self.wanted!r}, got {self.got!r}"


def went(
    name: str,
    wanted: Any,
    way: Callable[[], Any],
    *,
    refused: type[Exception],
    failed: type[Exception],
) -> Journey:
    """Go this way; what the client raises is what it got. `refused` are named, `failed` say why as well."""
    try:
        got = way()
    except refused as error:
        got = type(error).__name__
    except failed as error:
        got = f"{type(error).__name__}: {error}"
    return Journey(name, wanted, got)


def send_out(server: ApiServer, name: str, within: float) -> Journey:
    """Let the official client of this server's API go on a journey; `within`: seconds for each answer."""
    journey: Journey = import_module(CLIENTS[server.api]).travel(server, name, within)
    return journey


def journeys_of(api: str) -> frozenset[str]:
    """The names of the journeys of an API's client."""
    return frozenset(import_module(CLIENTS[api]).JOURNEYS)
