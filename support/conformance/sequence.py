"""Walks: behaviours that take several requests. How one went, and how all of them judge an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from support.conformance.api import Api
from support.conformance.response_parser import Broken, Reading, read
from support.http.exchange import Exchange


@dataclass(frozen=True)
class Walked:
    """How a walk went: None, or what was not as it should be."""

    failure: AssertionError | None = None

    def require_kept(self) -> None:
        """Raises what went wrong."""
        if self.failure is not None:
            raise self.failure


def walked(taken: Callable[[], None]) -> Walked:
    """Take a walk to its end or to the first thing that is wrong; what is no AssertionError is raised."""
    try:
        taken()
    except AssertionError as error:
        return Walked(error)
    return Walked()


def answered(exchange: Exchange, api: Api, contract: str, *, status: int, stream: str) -> Reading:
    """An answer with this status that keeps the contract ("" for none); raises `Broken`.

    `stream`: how this API frames its streams, `sse` or `ndjson`.
    """
    if exchange.status != status:
        raise Broken("status", f"expected {status}\n{exchange.describe()}")
    if not contract:
        return Reading(exchange, "any")
    kind = stream if contract.endswith(" stream") else "json"
    reading = read(exchange, kind, api.streams_end_with_done)
    api.contracts[contract].check(reading)
    return reading


def require_equal(what: str, expected: object, got: object) -> None:
    """Raises AssertionError with both."""
    assert got == expected, f"{what}: expected {expected!r}, got {got!r}"
