"""One case, run on one server: the request, then each check of its response; what a check found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from support.conformance.api import NormalizedAnswer, find_api
from support.conformance.case_table import Case, Check, Kind, get_case
from support.conformance.matchers import json_equal
from support.conformance.missing_routes import missing_route_reason
from support.conformance.request_builder import substitute
from support.conformance.request_fields import require_request_fields
from support.conformance.response_parser import ConformanceError, ParsedResponse, stream_kind
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.http.framing import FramingError, require_closed
from support.results.outcome import Evidence
from support.servers.endpoints import Endpoint
from support.units import JsonMapping

# A backtrace, a place in a source file, a panic: of no use to a client, and of use to an attacker.
INTERNALS = re.compile(
    r"Traceback \(most recent call last\)|panicked at|stack backtrace|RUST_BACKTRACE"
    r"|\b[\w/.-]+\.(?:rs|py|go|cpp|c|js):\d+"
    r"|(?:^|[\s\"'`(=])(?P<path>/(?:home|root|usr|tmp|var|etc|opt|Users)/[\w.-]+)"
)

# A shorter key may be a part of a word.
MIN_KEY_LENGTH = 8


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong. `layer`: one of `support.results.known_issues.LAYERS`.

    `unanswered`: the server sent no response. `details`: all parts of `actual`, which may show some only.
    `cause`: why everything else failed, see `support.errors.cause_of`.
    """

    layer: str
    actual: str
    unanswered: bool = False
    details: tuple[str, ...] = ()
    cause: str = ""

    def __str__(self) -> str:
        # What a sequence compares itself needs no place.
        return self.actual if self.layer == "sequence" else f"{self.layer}: {self.actual}"


@dataclass(frozen=True)
class Outcome:
    """How a check ended on a server.

    `missing_route`: the response that shows that the server has no such route; nothing else is known then.
    `unsupported`: why the server is known not to support the check. `exchange`: the request that failed, or
    the check's own. `evidence`: what a reader sees in the report, also when the check has passed.
    """

    check: Check
    server: Endpoint
    failures: tuple[Failure, ...] = ()
    missing_route: str | None = None
    unsupported: str = ""
    exchange: Exchange | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures and self.missing_route is None and not self.unsupported

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Layer and text of everything that is wrong, for the list of known issues."""
        if self.missing_route is not None:
            return [("missing route", self.reason)]
        return [
            (failure.layer, text)
            for failure in self.failures
            for text in failure.details or (failure.actual,)
        ]

    @property
    def unanswered(self) -> bool:
        """Whether the server left the check, or the health check after it, without a response."""
        return any(failure.unanswered for failure in self.failures)

    @property
    def cause(self) -> str:
        """That of its failures, where one has any."""
        return next((failure.cause for failure in self.failures if failure.cause), "")

    @property
    def reason(self) -> str:
        """What is wrong, one line for each failure; empty when it passed."""
        if self.missing_route is not None:
            return f"{self.server.label} has no such route ({self.missing_route})"
        return self.unsupported or "\n".join(map(str, self.failures))


def run_case(client: ApiClient, server: Endpoint, case: Case) -> Outcome:
    """Send the case's request and check the response; never raises for what the server does."""
    return _CaseRun(client, server, case.for_key(server.key)).outcome()


class _CaseRun:
    """A case on its way: what has failed so far."""

    def __init__(self, client: ApiClient, server: Endpoint, case: Case) -> None:
        self._client = client
        self._server = server
        self._case = case
        self._api = find_api(server.api)
        self._first_exchange = len(client.exchanges)
        self._missing_route: str | None = None
        self._failures: list[Failure] = []

    def outcome(self) -> Outcome:
        """Run it to its end. What depends on a failed part is left out; the rest is checked."""
        self._check()
        exchanges = self._client.exchanges[self._first_exchange :]
        # The request that failed is the last one; of a case that passed the first one is the case's own.
        shown = (
            (exchanges[-1] if self._failures or self._missing_route else exchanges[0]) if exchanges else None
        )
        failures = (*self._failures, *left_open(shown, self._failures))
        return Outcome(self._case, self._server, failures, self._missing_route, exchange=shown)

    def _check(self) -> None:
        case = self._case
        first = self._checked_response()
        if first is None:
            return
        answer = self._normalized(first)
        if answer is None:
            return
        self._check_expectations(first, answer)
        if case.expects_error:
            with self._collecting():
                check_no_leaked_internals(first.exchange, self._server)
        if case.repetition is not None and not self._failures:
            self._check_repetition(answer)
        if case.rechecks_health and not self._failures:
            self._check_health()

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        try:
            yield
        except ConformanceError as error:
            self._failures.append(Failure(error.layer, error.actual, details=error.details))
        except RequestFailed as error:
            self._failures.append(Failure("transport", str(error), unanswered=True))

    def _checked_response(self, change: JsonMapping | None = None) -> ParsedResponse | None:
        """The response to the request, changed so; None when there is none that can be looked at further."""
        case = self._case
        request = case.request.build(self._server.variables, change)
        parsed = None
        with self._collecting():
            exchange = self._client.send(
                request.method, request.path, body=request.body, headers=request.headers
            )
            self._missing_route = missing_route_reason(case, exchange)
            if self._missing_route is not None:
                return None
            if exchange.status in case.status:
                self._check_headers(exchange)
            kind, contracts = _form(case, streamed=(change or {}).get("stream"))
            parsed = self._api.check_response(exchange, status=case.status, kind=kind, contracts=contracts)
            if exchange.status < 400:
                require_request_fields(parsed, self._server.model_names)
        return parsed

    def _normalized(self, parsed: ParsedResponse) -> NormalizedAnswer | None:
        """None where a field has another type than in any answer: a case without a contract checks none."""
        try:
            return self._api.normalize(parsed)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self._failures.append(Failure("contract", f"it cannot be read as an answer: {error}"))
            return None

    def _check_headers(self, exchange: Exchange) -> None:
        for name, matchers in self._case.headers.items():
            mismatch = matchers.mismatch(exchange.headers.get(name))
            if mismatch is not None:
                self._failures.append(Failure("headers", f"{name}: {mismatch}"))

    def _check_expectations(self, parsed: ParsedResponse, answer: NormalizedAnswer) -> None:
        document = parsed.document(answer)
        for expectation in self._case.expect:
            filled_in = {
                name: substitute(getattr(expectation, name), self._server.variables)
                for name in expectation.conditions
            }
            mismatch = expectation.model_copy(update=filled_in).check(document)
            if mismatch is not None:
                self._failures.append(Failure("expectation", mismatch))

    def _check_repetition(self, first: NormalizedAnswer) -> None:
        repetition = self._case.repetition
        assert repetition is not None
        response = self._checked_response(repetition.change)
        if response is None:
            return
        second = self._normalized(response)
        if second is None:
            return
        for name in repetition.same:
            if not json_equal(first.get(name), second.get(name)):
                seen = f"{name} was {first.get(name)!r:.300}, then {second.get(name)!r:.300}"
                self._failures.append(Failure("repetition", seen))
        for name in repetition.differs:
            if json_equal(first.get(name), second.get(name)):
                seen = f"{name} was the same both times: {first.get(name)!r:.300}"
                self._failures.append(Failure("repetition", seen))

    def _check_health(self) -> None:
        self._client.reconnect()
        name = self._api.health_case_of(self._case.model)
        healthy = run_case(self._client, self._server, get_case(self._api.name, name))
        if not healthy.passed:
            actual = f"{name} no longer passes: {healthy.reason}"
            self._failures.append(Failure("health check", actual, unanswered=healthy.unanswered))


def left_open(exchange: Exchange | None, failures: Sequence[Failure]) -> list[Failure]:
    """That a stream also stayed open after its end, whatever else is wrong with it."""
    if exchange is None or not failures or failures[0].unanswered:
        return []
    try:
        require_closed(exchange)
    except FramingError as error:
        if not any(str(error) in failure.actual for failure in failures):
            return [Failure("framing", str(error))]
    return []


def _form(case: Case, *, streamed: bool | None) -> tuple[Kind, list[str]]:
    """Kind and contracts of the response, also where the repetition requests the other form."""
    if streamed is None:
        return case.kind, case.contract
    plain = [name.removesuffix(" stream") for name in case.contract]
    if not streamed:
        return "json", plain
    return stream_kind(case.request.path), [f"{name} stream" for name in plain]


def check_no_leaked_internals(exchange: Exchange, server: Endpoint) -> None:
    """An error contains no backtrace, no path and no secret of the server; raises `ConformanceError`."""
    text = exchange.text
    if server.key and _repeats_key(server.key, text):
        raise ConformanceError("leaked internals", "the response repeats the client's key")
    public = [
        span
        for words in (*server.variables.values(), *server.harmless_texts)
        for span in _places(words, text)
    ]
    for found in INTERNALS.finditer(text):
        start, end = found.span("path") if found["path"] else found.span()
        if not any(first <= start and end <= last for first, last in public):
            raise ConformanceError("leaked internals", f"the response contains {found[0].strip()!r}")


def _repeats_key(key: str, text: str) -> bool:
    """Whether a text contains the key; a short one has to be a word of its own."""
    if len(key) >= MIN_KEY_LENGTH:
        return key in text
    return re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text) is not None


def _places(words: str, text: str) -> list[tuple[int, int]]:
    """Where a text contains these words: start and end of each place. Words may be escaped as in JSON."""
    spellings = {words, words.replace("/", "\\/"), words.replace("\\", "\\\\")} if words else set()
    return [found.span() for spelling in spellings for found in re.finditer(re.escape(spelling), text)]
