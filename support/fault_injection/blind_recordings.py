"""Real responses: each conformance check is run once on a server, and its exchanges are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from support.conformance.api import find_api
from support.conformance.case_runner import Outcome, run_case
from support.conformance.case_table import Case, Check, checks_of, get_case
from support.conformance.sequence import run_sequence
from support.errors import NotSupported
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.endpoints import NATIVE_APIS, Endpoint
from support.suite import RunContext

# Those whose checks look at nothing but responses; the sequences of the others look at a Prometheus.
APIS = (*NATIVE_APIS, "ollama")
# A longer request takes longer to be compared than all else; its response is like others.
MAX_REQUEST_BYTES = 1_000_000


@dataclass(frozen=True)
class Recording:
    """The exchanges of a check that has passed on a server. It can be sent to another process.

    `own`: so many of them are the check's; those of a health check follow. `recorded_at`: seconds since 1970.
    """

    check_id: str
    server: Endpoint
    exchanges: tuple[Exchange, ...]
    own: int
    recorded_at: float

    @property
    def api(self) -> str:
        return self.check_id.partition(".")[0]


@dataclass(frozen=True)
class LeftOut:
    """A check without a recording, and why."""

    check_id: str
    reason: str


def record_checks(
    suite: RunContext, apis: Sequence[str], selected: Callable[[str], bool]
) -> Iterator[Recording | LeftOut]:
    """Run each selected check of these APIs on the server under test."""
    for api in apis:
        for check in checks_of(api).values():
            if selected(check.id):
                yield _record(suite, check)


def _record(suite: RunContext, check: Check) -> Recording | LeftOut:
    if isinstance(check, Case) and check.destructive:
        return LeftOut(check.id, "it may damage its server, which is used for all checks")
    try:
        server, _ = suite.endpoint(check.api, check.model)
        health = get_case(check.api, find_api(check.api).health_case)
        route = health.route if not isinstance(check, Case) else check.route
        missing = suite.missing_routes.reason_for_route(server.label, route)
        if missing is not None:
            return LeftOut(check.id, missing)
        with ExitStack() as cleanups:
            client = cleanups.enter_context(closing(ApiClient(server.base_url, api_key=server.key)))
            outcome = run_on(client, server, check)
            exchanges = tuple(client.exchanges)
    except NotSupported as unsupported:
        return LeftOut(check.id, str(unsupported))
    if isinstance(check, Case) and outcome.missing_route is not None and server.unsupported_reason is None:
        suite.missing_routes.mark_missing(server.label, check)
    if not outcome.passed:
        return LeftOut(check.id, f"it does not pass: {outcome.reason.splitlines()[0]}")
    if not exchanges:
        return LeftOut(check.id, "its requests are those of another client")
    if (size := sum(len(exchange.request_body) for exchange in exchanges)) > MAX_REQUEST_BYTES:
        return LeftOut(check.id, f"its requests are too long to be judged so often: {size} bytes")
    file = server.model_file() if server.model_file is not None else None
    plain = replace(
        server,
        unsupported_reason=None,
        model_file=partial(Path, file) if file is not None else None,
        surroundings=None,
    )
    return Recording(check.id, plain, exchanges, _own(check, len(exchanges)), time.time())


def run_on(client: ApiClient, server: Endpoint, check: Check) -> Outcome:
    """Run a case or a sequence."""
    if isinstance(check, Case):
        return run_case(client, server, check)
    return run_sequence(client, server, check)


def _own(check: Check, exchanges: int) -> int:
    if not isinstance(check, Case):
        return exchanges
    return 1 if check.repetition is None else 2
