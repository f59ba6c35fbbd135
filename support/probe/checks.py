"""The checks of a round, and how each ended on a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.conformance.case_runner import run_case
from support.conformance.case_table import Case, read_table
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.framing import FramingError, parse_events
from support.servers.endpoints import Endpoint

TABLE = Path(__file__).with_name("checks.toml")
# What a model has generated, by its name in the delta of a chunk.
GENERATED = ("content", "reasoning_content", "reasoning", "tool_calls")


@dataclass(frozen=True)
class Result:
    """How a check ended. Seconds since its request was sent; the first token of a stream only.

    `failure`: what was wrong, empty when it passed.
    """

    check: str
    failure: str
    seconds: float
    first_token_seconds: float | None = None


@cache
def probe_checks() -> Sequence[Case]:
    return list(read_table("probe", TABLE, Case).values())


def tokens_of_a_round() -> int:
    """The most tokens that the checks of a round generate."""
    requests = (case.request.json_ or {} for case in probe_checks())
    return sum(int(request.get("max_tokens", 0)) for request in requests)


def run_check(client: ApiClient, server: Endpoint, case: Case) -> Result:
    """Never raises for what the server does."""
    outcome = run_case(client, server, case)
    exchange = client.exchanges[-1]
    client.exchanges.clear()
    return Result(case.id, outcome.reason, exchange.seconds, time_to_first_token(exchange))


def time_to_first_token(exchange: Exchange) -> float | None:
    """Seconds until the first chunk of a streamed chat that has a part of the answer; None without one.

    Text, reasoning and calls of tools are parts of the answer, an empty text is not.
    """
    body = b""
    for seconds, read in exchange.chunks:
        body += read
        if _has_token(body[: body.rfind(b"\n\n") + 2]):
            return seconds
    return None


def _has_token(events: bytes) -> bool:
    try:
        documents = [json.loads(event.data) for event in parse_events(events) if event.data.startswith("{")]
        deltas = [choice["delta"] for document in documents for choice in document.get("choices", ())]
        return any(delta.get(name) for delta in deltas for name in GENERATED)
    except (FramingError, ValueError, KeyError, TypeError, AttributeError):
        return False
