"""One case, asked of one server, judged layer by layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from support.conformance.api import Api, ApiServer, View
from support.conformance.case_table import Case, Kind, find
from support.conformance.matchers import same
from support.conformance.missing_routes import lacking
from support.conformance.registry import APIS
from support.conformance.request_builder import filled
from support.conformance.response_parser import Broken, Reading, read
from support.http.client import ApiClient, NoAnswer
from support.http.exchange import Exchange

Outcome = Literal["kept", "broken", "lacking"]
# A backtrace, a place in somebody's sources, a panic; never a client's business.
INSIDES = re.compile(
    r"Traceback \(most recent call last\)|panicked at|stack backtrace|RUST_BACKTRACE"
    r"|\b[\w/.-]+\.(?:rs|py|go|cpp|c|js):\d+|(?:^|[\s\"'`(=])/(?:home|root|usr|tmp|var|etc|opt|Users)/[\w.-]+"
)


@dataclass(frozen=True)
class Result:
    """What became of a case on a server. `layer` and `seen` say what was not kept, and how it looked."""

    case: Case
    server: ApiServer
    outcome: Outcome
    layer: str = ""
    seen: str = ""
    exchange: Exchange | None = None

    @property
    def reason(self) -> str:
        """One line for a person."""
        if self.outcome == "lacking":
            return f"{self.server.label} has no such route ({self.seen})"
        return f"{self.layer}: {self.seen}" if self.outcome == "broken" else ""

    def require_kept(self) -> None:
        """Raises AssertionError with the layer, what was seen, the rule's source, and how to repeat it."""
        if self.outcome == "kept":
            return
        repeat = f"\n{self.exchange.describe()}" if self.exchange is not None else ""
        raise AssertionError(f"{self.reason}\nrule: {self.case.source}{repeat}")


def ask(client: ApiClient, server: ApiServer, case: Case) -> Result:
    """Send the case's request and judge the answer; never raises for what the server does."""
    mark = len(client.exchanges)
    try:
        _ask(client, server, case)
    except _Lacking as why:
        return Result(case, server, "lacking", "status", str(why), client.exchanges[-1])
    except (Broken, NoAnswer) as error:
        layer, seen = (error.layer, error.seen) if isinstance(error, Broken) else ("transport", str(error))
        exchanges = client.exchanges[mark:]
        return Result(case, server, "broken", layer, seen, exchanges[-1] if exchanges else None)
    return Result(case, server, "kept", exchange=client.exchanges[mark])


class _Lacking(Exception):
    pass


def _ask(client: ApiClient, server: ApiServer, case: Case) -> None:
    api = APIS[server.api]
    reading = _judge(client, server, api, case)
    view = api.view(reading)
    _check_expectations(case, server, reading, view)
    if case.again is not None:
        _check_again(client, server, api, case, view)
    if case.refusal:
        check_nothing_inside(reading.exchange, server)
    if case.then_a_good_request:
        client.reconnect()
        good = ask(client, server, find(api.name, api.good_for.get(case.model, api.good)))
        if good.outcome != "kept":
            raise Broken("afterwards", f"a good request is no longer served: {good.reason}")


def _judge(
    client: ApiClient, server: ApiServer, api: Api, case: Case, change: Mapping[str, Any] | None = None
) -> Reading:
    request = case.request.build(server.names, change)
    exchange = client.send(request.method, request.path, body=request.body, headers=request.headers)
    if exchange.status not in case.status:
        missing = lacking(case, exchange)
        if missing is not None:
            raise _Lacking(missing)
        wanted = " or ".join(map(str, case.status))
        raise Broken("status", f"expected {wanted}, got {exchange.status}: {exchange.text[:300]!r}")
    for name, matchers in case.headers.items():
        fault = matchers.fault(exchange.headers.get(name))
        if fault is not None:
            raise Broken("headers", f"{name}: {fault}")
    kind, contracts = case.kind, case.contract
    streamed = (change or {}).get("stream")
    if streamed is not None:
        # The same question in the other form: its contracts are those of that form.
        kind = _stream_kind(request.path) if streamed else "json"
        contracts = [_counterpart(name, streamed) for name in contracts]
    reading = read(exchange, kind, api.streams_end_with_done)
    for name in contracts:
        api.contracts[name].check(reading)
    return reading


def _stream_kind(path: str) -> Kind:
    """Ollama's own routes stream lines, the OpenAI API events."""
    return "ndjson" if path.startswith("/api/") else "sse"


def _counterpart(contract: str, streamed: bool) -> str:
    plain = contract.removesuffix(" stream")
    return f"{plain} stream" if streamed else plain


def _check_expectations(case: Case, server: ApiServer, reading: Reading, view: View) -> None:
    document = reading.document(view)
    for expectation in case.expect:
        wanted = expectation.model_copy(
            update={name: filled(getattr(expectation, name), server.names) for name in expectation.given}
        )
        fault = wanted.check(document)
        if fault is not None:
            raise Broken("expectation", fault)


def _check_again(client: ApiClient, server: ApiServer, api: Api, case: Case, first: View) -> None:
    assert case.again is not None
    second = api.view(_judge(client, server, api, case, case.again.change))
    for name in case.again.same:
        if not same(first.get(name), second.get(name)):
            raise Broken("again", f"{name} was {first.get(name)!r:.300}, then {second.get(name)!r:.300}")
    for name in case.again.differs:
        if same(first.get(name), second.get(name)):
            raise Broken("again", f"{name} was the same both times: {first.get(name)!r:.300}")


def check_nothing_inside(exchange: Exchange, server: ApiServer) -> None:
    """A refusal tells nothing of the server's insides: no backtrace, no path, no secret."""
    text = exchange.text
    if server.key and server.key in text:
        raise Broken("discretion", "the answer repeats the client's key")
    for words in sorted((*server.names.values(), *server.own_words), key=len, reverse=True):
        text = text.replace(words, "")
    found = INSIDES.search(text)
    if found:
        raise Broken("discretion", f"the answer tells of the server's insides: {found[0].strip()!r}")
