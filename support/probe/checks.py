"""The checks of a round, and how each ended on a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.conformance.case_runner import run_case
from support.conformance.case_table import Case, read_table
from support.http.answer_stream import time_to_first_token
from support.http.client import ApiClient
from support.servers.endpoints import Endpoint

TABLE = Path(__file__).with_name("checks.toml")


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
