"""Sequences: checks that take several requests. Each is a function of a client of one server.

Its title, group and source are in `sequences/<api>.toml`, under the id that the function is registered with.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from support.conformance.case_table import Check
from support.conformance.check_outcome import Failure, Outcome
from support.conformance.response_parser import ConformanceError
from support.http.client import ApiClient, RequestFailed
from support.name_registry import NameRegistry
from support.servers.endpoint import Endpoint

# What is done, with the client of the sequence's API; raises AssertionError for what is wrong.
Steps = Callable[[Any], None]
# By the id of the check. A module of sequences fills it when it is imported.
STEPS: NameRegistry[Steps] = NameRegistry("sequence")
sequence = STEPS.register


def run_sequence(client: ApiClient, server: Endpoint, check: Check) -> Outcome:
    """Run it to its end or to the first thing that is wrong; what is no AssertionError is raised."""
    caller = import_module(f"support.conformance.sequences.{check.api}").CLIENT(client, server)
    failures: tuple[Failure, ...] = ()
    try:
        STEPS.find(check.id)(caller)
    except AssertionError as error:
        layer, actual = (
            (error.layer, error.actual) if isinstance(error, ConformanceError) else ("", str(error))
        )
        failures = (Failure(layer, actual, unanswered=isinstance(error, RequestFailed)),)
    exchange = client.exchanges[-1] if client.exchanges else None
    return Outcome(check, server, failures, exchange=exchange)


def require_equal(what: str, expected: object, actual: object) -> None:
    """Raises AssertionError with both."""
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"
