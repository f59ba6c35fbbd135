"""One case, asked of one server, judged layer by layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from support.conformance.api import Api, Endpoint, NormalizedAnswer
from support.conformance.case_table import Case, Kind, get_case
from support.conformance.matchers import json_equal
from support.conformance.missing_routes import missing_route_reason
from support.conformance.registry import APIS
from support.conformance.request_builder import substitute
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange

Outcome = Literal["passed", "failed", "unsupported"]
# A backtrace, a place in somebody's sources, a panic; never a client's business.
INTERNALS = re.compile(
    r"Traceback \(most recent call last\)|panicked at|stack backtrace|RUST_BACKTRACE"
    r"|\b[\w/.-]+\.(?:rs|py|go|cpp|c|js):\d+|(?:^|[\s\"'`(=])/(?:home|root|usr|tmp|var|etc|opt|Users)/[\w.-]+"
)


@dataclass(frozen=True)
class Result:
    """What became of a case on a server. `layer` and `seen` say what was not kept, and how it looked."""

    case: Case
    server: Endpoint
    outcome: Outcome
    layer: str = ""
    actual: str = ""
    exchange: Exchange | None = None

    @property
    def reason(self) -> str:
        """One line for a person."""
        if self.outcome == "unsupported":
            return f"{self.server.label} has no such route ({self.actual})"
        return f"{self.layer}: {self.actual}" if self.outcome == "failed" else ""

    def require_passed(self) -> None:
        """Raises AssertionError with the layer, what was seen, the rule's source, and how to repeat it."""
        if self.outcome == "passed":
            return
        repeat = f"\n{self.exchange.describe()}" if self.exchange is not None else ""
        raise AssertionError(f"{self.reason}\nrule: {self.case.source}{repeat}")


def run_case(client: ApiClient, server: Endpoint, case: Case) -> Result:
    """Send the case's request and judge the answer; never raises for what the server does."""
    mark = len(client.exchanges)
    try:
        _run_case(client, server, case)
    except _RouteMissing as why:
        return Result(case, server, "unsupported", "status", str(why), client.exchanges[-1])
    except (ConformanceError, RequestFailed) as error:
        layer, seen = (
            (error.layer, error.actual) if isinstance(error, ConformanceError) else ("transport", str(error))
        )
        exchanges = client.exchanges[mark:]
        return Result(case, server, "failed", layer, seen, exchanges[-1] if exchanges else None)
    return Result(case, server, "passed", exchange=client.exchanges[mark])


class _RouteMissing(Exception):
    pass


def _run_case(client: ApiClient, server: Endpoint, case: Case) -> None:
    api = APIS[server.api]
    reading = _send_and_check(client, server, api, case)
    view = api.normalize(reading)
    _check_expectations(case, server, reading, view)
    if case.again is not None:
        _check_repetition(client, server, api, case, view)
    if case.expects_error:
        check_no_leaked_internals(reading.exchange, server)
    if case.rechecks_health:
        client.reconnect()
        good = run_case(
            client, server, get_case(api.name, api.health_case_for.get(case.model, api.health_case))
        )
        if good.outcome != "passed":
            raise ConformanceError("afterwards", f"a good request is no longer served: {good.reason}")


def _send_and_check(
    client: ApiClient, server: Endpoint, api: Api, case: Case, change: Mapping[str, Any] | None = None
) -> ParsedResponse:
    request = case.request.build(server.variables, change)
    exchange = client.send(request.method, request.path, body=request.body, headers=request.headers)
    if exchange.status not in case.status:
        missing = missing_route_reason(case, exchange)
        if missing is not None:
            raise _RouteMissing(missing)
        wanted = " or ".join(map(str, case.status))
        raise ConformanceError("status", f"expected {wanted}, got {exchange.status}: {exchange.text[:300]!r}")
    for name, matchers in case.headers.items():
        fault = matchers.mismatch(exchange.headers.get(name))
        if fault is not None:
            raise ConformanceError("headers", f"{name}: {fault}")
    kind, contracts = case.kind, case.contract
    streamed = (change or {}).get("stream")
    if streamed is not None:
        # The same question in the other form: its contracts are those of that form.
        kind = _stream_kind(request.path) if streamed else "json"
        contracts = [_counterpart(name, streamed) for name in contracts]
    reading = parse(exchange, kind, api.streams_end_with_done)
    for name in contracts:
        api.contracts[name].check(reading)
    return reading


def _stream_kind(path: str) -> Kind:
    """Ollama's own routes stream lines, the OpenAI API events."""
    return "ndjson" if path.startswith("/api/") else "sse"


def _counterpart(contract: str, streamed: bool) -> str:
    plain = contract.removesuffix(" stream")
    return f"{plain} stream" if streamed else plain


def _check_expectations(
    case: Case, server: Endpoint, parsed: ParsedResponse, normalized: NormalizedAnswer
) -> None:
    document = parsed.document(normalized)
    for expectation in case.expect:
        wanted = expectation.model_copy(
            update={
                name: substitute(getattr(expectation, name), server.variables)
                for name in expectation.conditions
            }
        )
        fault = wanted.check(document)
        if fault is not None:
            raise ConformanceError("expectation", fault)


def _check_repetition(
    client: ApiClient, server: Endpoint, api: Api, case: Case, first: NormalizedAnswer
) -> None:
    assert case.again is not None
    second = api.normalize(_send_and_check(client, server, api, case, case.again.change))
    for name in case.again.same:
        if not json_equal(first.get(name), second.get(name)):
            raise ConformanceError(
                "again", f"{name} was {first.get(name)!r:.300}, then {second.get(name)!r:.300}"
            )
    for name in case.again.differs:
        if json_equal(first.get(name), second.get(name)):
            raise ConformanceError("again", f"{name} was the same both times: {first.get(name)!r:.300}")


def check_no_leaked_internals(exchange: Exchange, server: Endpoint) -> None:
    """A refusal tells nothing of the server's insides: no backtrace, no path, no secret."""
    text = exchange.text
    if server.key and server.key in text:
        raise ConformanceError("discretion", "the answer repeats the client's key")
    for words in sorted((*server.variables.values(), *server.harmless_texts), key=len, reverse=True):
        text = text.replace(words, "")
    found = INTERNALS.search(text)
    if found:
        raise ConformanceError(
            "discretion", f"the answer tells of the server's insides: {found[0].strip()!r}"
        )
