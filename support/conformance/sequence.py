"""Sequences: checks that take several requests. Each is a function of a client of one server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.conformance.case_table import CHECK_ID
from support.conformance.check_outcome import Failure, Outcome
from support.conformance.response_parser import ConformanceError
from support.http.client import ApiClient, RequestFailed
from support.models.roles import SCRIPTED
from support.name_registry import NameRegistry
from support.results.check import Level
from support.servers.endpoint import Endpoint
from support.units import Json

# What is done, with the client of the sequence's API; raises AssertionError for what is wrong.
Steps = Callable[[Any], None]


@dataclass(frozen=True)
class RequestSequence:
    """A check that takes several requests. `model`: which of the suite's models the server has to serve."""

    id: str
    title: str
    group: str
    level: Level
    source: str
    steps: Steps
    model: str = SCRIPTED

    @property
    def expected(self) -> str:
        """For a report; the failure itself names the value that was expected."""
        return self.title


# By id. A module of sequences fills it when it is imported (`support.conformance.groups`).
SEQUENCES: NameRegistry[RequestSequence] = NameRegistry("sequence")


def sequence(
    name: str, *, title: str, group: str, level: Level, source: str, model: str = SCRIPTED
) -> Callable[[Steps], Steps]:
    """Registers the steps as the sequence with this id."""
    if not re.match(CHECK_ID, name):
        raise ValueError(f"{name!r} is no id of a check: 3 to 5 parts of [a-z0-9_] with dots between them")

    def register(steps: Steps) -> Steps:
        SEQUENCES.register(name)(RequestSequence(name, title, group, level, source, steps, model))
        return steps

    return register


def run_sequence(sequence: RequestSequence, client: ApiClient, server: Endpoint, caller: object) -> Outcome:
    """Run it to its end or to the first thing that is wrong; what is no AssertionError is raised.

    `caller`: the client of the sequence's API, which sends through `client`.
    """
    try:
        sequence.steps(caller)
    except AssertionError as error:
        layer, actual = (
            (error.layer, error.actual) if isinstance(error, ConformanceError) else ("", str(error))
        )
        failure = Failure(layer, actual, unanswered=isinstance(error, RequestFailed))
        return Outcome(sequence, server, (failure,), exchange=_last(client))
    return Outcome(sequence, server, exchange=_last(client))


def _last(client: ApiClient) -> Json:
    return client.exchanges[-1] if client.exchanges else None


def require_equal(what: str, expected: object, actual: object) -> None:
    """Raises AssertionError with both."""
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"
