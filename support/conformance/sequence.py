"""Walks: behaviours that take several requests. How one went, and how all of them judge an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from support.conformance.api import Api
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.http.exchange import Exchange


@dataclass(frozen=True)
class SequenceResult:
    """How a walk went: None, or what was not as it should be."""

    failure: AssertionError | None = None

    def require_passed(self) -> None:
        """Raises what went wrong."""
        if self.failure is not None:
            raise self.failure


def run_sequence(steps: Callable[[], None]) -> SequenceResult:
    """Take a walk to its end or to the first thing that is wrong; what is no AssertionError is raised."""
    try:
        steps()
    except AssertionError as error:
        return SequenceResult(error)
    return SequenceResult()


def require_response(
    exchange: Exchange, api: Api, contract: str, *, status: int, stream: str
) -> ParsedResponse:
    """An answer with this status that keeps the contract ("" for none); raises `Broken`.

    `stream`: how this API frames its streams, `sse` or `ndjson`.
    """
    if exchange.status != status:
        raise ConformanceError("status", f"expected {status}\n{exchange.describe()}")
    if not contract:
        return ParsedResponse(exchange, "any")
    kind = stream if contract.endswith(" stream") else "json"
    reading = parse(exchange, kind, api.streams_end_with_done)
    api.contracts[contract].check(reading)
    return reading


def require_equal(what: str, expected: object, actual: object) -> None:
    """Raises AssertionError with both."""
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"
