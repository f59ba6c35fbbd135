"""Sequences: checks that take several requests. Each is a function of a `CheckedClient` of one server.

Its title, group and source are in `sequences/<api>.toml`, under the id that the function is registered with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from support.conformance.api import find_api
from support.conformance.case_runner import Failure, Outcome, left_open
from support.conformance.case_table import Check
from support.conformance.request_fields import require_request_fields
from support.conformance.response_parser import ConformanceError, ParsedResponse, stream_kind
from support.errors import CheckFailed, NotSupported
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.name_registry import NameRegistry
from support.results.outcome import Evidence
from support.servers.endpoints import Endpoint
from support.units import JsonMapping

# What is done, with the client of the sequence's API; raises AssertionError for what is wrong.
Steps = Callable[[Any], None]
# By the id of the check. A module of sequences fills it when it is imported.
STEPS: NameRegistry[Steps] = NameRegistry("sequence")
sequence = STEPS.register


class CheckedClient:
    """Requests to one server in one of its APIs. `model`: the name of the model there."""

    def __init__(self, client: ApiClient, server: Endpoint) -> None:
        self.client = client
        self.server = server
        self.model = server.variables["model"]
        self.api = find_api(server.api)
        # What a reader sees in the report, also when the check passes.
        self.evidence: list[Evidence] = []

    def call(
        self,
        contract: str,
        path: str,
        document: JsonMapping | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> ParsedResponse:
        """Send a request and check status and contract ("" for none); raises `ConformanceError`."""
        if document is None:
            exchange = self.send(method, path)
        else:
            body = json.dumps(document, ensure_ascii=False).encode()
            exchange = self.send(method, path, body, {"Content-Type": "application/json"})
        parsed = self.api.check_contract(exchange, contract, status=status, stream=stream_kind(path))
        if status < 400:
            require_request_fields(parsed, self.server.model_names)
        return parsed

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send anything; raises `NotSupported` when the response reports a feature that the server lacks."""
        exchange = self.client.send(method, path, body=body, headers=headers)
        unsupported_reason = self.server.unsupported_reason
        reason = unsupported_reason(exchange) if unsupported_reason else None
        if reason is not None:
            raise NotSupported(reason)
        return exchange


def run_sequence(client: ApiClient, server: Endpoint, check: Check) -> Outcome:
    """Run it to its end or to the first thing that is wrong; what is no AssertionError is raised."""
    caller = import_module(f"support.conformance.sequences.{check.api}").CLIENT(client, server)
    failures: tuple[Failure, ...] = ()
    try:
        STEPS.find(check.id)(caller)
    except ConformanceError as error:
        failures = (Failure(error.layer, error.actual, details=error.details),)
    except RequestFailed as error:
        failures = (Failure("transport", str(error), unanswered=True),)
    except AssertionError as error:
        failures = (Failure("sequence", str(error)),)
    exchange = client.exchanges[-1] if client.exchanges else None
    failures = (*failures, *left_open(exchange, failures))
    return Outcome(check, server, failures, exchange=exchange, evidence=tuple(caller.evidence))


def require_equal(what: str, expected: object, actual: object) -> None:
    """Raises AssertionError with both."""
    if actual != expected:
        raise CheckFailed(f"{what}: expected {expected!r}, got {actual!r}")
