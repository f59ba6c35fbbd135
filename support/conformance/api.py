"""The APIs that cases are written for: their contracts, and how their responses are checked and read.

A new one needs its name in `API_NAMES`, a module in `oracles/` and a folder of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

from support.conformance.contract import Contract
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.http.exchange import Exchange
from support.http.framing import server_error
from support.units import JsonMapping

API_NAMES = ("openai", "ollama", "anthropic", "responses", "metrics", "monitoring", "exporter", "prometheus")
MAX_BODY_CHARACTERS = 300
# An answer in a form that does not depend on how it was sent: text, texts, finish_reason, finish_reasons,
# usage, tool_calls, call_ids, calls_with_id, id, first_vector, last_vector; streams add what only they have.
# A missing key reads as None.
NormalizedAnswer = JsonMapping


@dataclass(frozen=True)
class Api:
    """An API. `health_case`: the id of a case that every healthy server passes, run after each rejected
    request; `health_case_for` has another one by model, where it is not the scripted one.

    `streams_end_with_done`: its server-sent events end with `data: [DONE]`; None: they may. `normalize` reads
    a response that keeps its contract; of another one it raises what a field of the wrong type raises.
    """

    name: str
    title: str
    contracts: Mapping[str, Contract]
    health_case: str
    normalize: Callable[[ParsedResponse], NormalizedAnswer]
    streams_end_with_done: bool | None = False
    health_case_for: Mapping[str, str] = field(default_factory=dict)

    def health_case_of(self, model: str) -> str:
        """The id of the case that every healthy server with this model passes."""
        return self.health_case_for.get(model, self.health_case)

    def check_response(
        self, exchange: Exchange, *, status: Collection[int], kind: str, contracts: Collection[str]
    ) -> ParsedResponse:
        """The parsed response; raises `ConformanceError` for a wrong status, framing, JSON or contract."""
        if exchange.status not in status:
            expected = " or ".join(map(str, status))
            body = exchange.text[:MAX_BODY_CHARACTERS]
            raise ConformanceError("status", f"expected {expected}, got {exchange.status}: {body!r}")
        try:
            parsed = parse(exchange, kind, ends_with_done=self.streams_end_with_done)
            for name in contracts:
                self.contracts[name].check(parsed)
        except ConformanceError as error:
            own = server_error(exchange.body) if kind in ("sse", "ndjson") else ""
            if not own:
                raise
            # It explains the rest.
            parts = [f"{own}; {part}" for part in (error.actual, *error.details)]
            raise ConformanceError(error.layer, parts[0], parts[1:]) from None
        return parsed

    def check_contract(
        self, exchange: Exchange, contract: str, *, status: int = 200, stream: str = "sse"
    ) -> ParsedResponse:
        """The same for one contract ("" for none). `stream`: the framing of streams, `sse` or `ndjson`."""
        kind = "any" if not contract else stream if contract.endswith(" stream") else "json"
        contracts = [contract] if contract else []
        return self.check_response(exchange, status=[status], kind=kind, contracts=contracts)


@cache
def find_api(name: str) -> Api:
    """Imported on first use: the official packages take longer than most scenarios."""
    api: Api = getattr(import_module(f"support.conformance.oracles.{name}"), name.upper())
    return api
