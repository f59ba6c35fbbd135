"""An API: its contracts, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.conformance.contract import Contract
from support.conformance.response_parser import ParsedResponse
from support.units import JsonMapping

# An answer in a form that does not depend on how it was sent: text, texts, finish_reason, finish_reasons,
# usage, tool_calls, call_ids, id, first_vector; streams add what only they have. A missing key reads as None.
NormalizedAnswer = JsonMapping


@dataclass(frozen=True)
class Api:
    """An API. `health_case`: the id of a case that every healthy server passes, run after each rejected
    request; `health_case_for` has another one by model, where it is not the scripted one.

    `streams_end_with_done`: its server-sent events end with `data: [DONE]`; None: they may. `normalize` never
    raises.
    """

    name: str
    title: str
    contracts: Mapping[str, Contract]
    health_case: str
    normalize: Callable[[ParsedResponse], NormalizedAnswer]
    streams_end_with_done: bool | None = False
    health_case_for: Mapping[str, str] = field(default_factory=dict)
