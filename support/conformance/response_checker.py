"""Status, framing, JSON and contracts of one response: the check that cases, sequences and clients share."""

from __future__ import annotations

from collections.abc import Collection

from support.conformance.api import Api
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.http.exchange import Exchange

MAX_BODY_CHARACTERS = 300


def check_response(
    exchange: Exchange, api: Api, *, status: Collection[int], kind: str, contracts: Collection[str]
) -> ParsedResponse:
    """The parsed response; raises `ConformanceError` for the first of these that is wrong."""
    require_status(exchange, status)
    parsed = parse(exchange, kind, ends_with_done=api.streams_end_with_done)
    for name in contracts:
        api.contracts[name].check(parsed)
    return parsed


def check_contract(
    exchange: Exchange, api: Api, contract: str, *, status: int = 200, stream: str = "sse"
) -> ParsedResponse:
    """The same for one contract ("" for none). `stream`: the framing of streams, `sse` or `ndjson`."""
    kind = "any" if not contract else stream if contract.endswith(" stream") else "json"
    contracts = [contract] if contract else []
    return check_response(exchange, api, status=[status], kind=kind, contracts=contracts)


def require_status(exchange: Exchange, status: Collection[int]) -> None:
    """Raises `ConformanceError` for any other status."""
    if exchange.status not in status:
        expected = " or ".join(map(str, status))
        body = exchange.text[:MAX_BODY_CHARACTERS]
        raise ConformanceError("status", f"expected {expected}, got {exchange.status}: {body!r}")
