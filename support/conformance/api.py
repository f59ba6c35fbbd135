"""An API, and a server that offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.conformance.contract import Contract
from support.conformance.response_parser import ParsedResponse
from support.http.exchange import Exchange

# An answer in a form that does not depend on how it was sent: text, texts, finish_reason, finish_reasons,
# usage, tool_calls, call_ids, id, first_vector; streams add what only they have. A missing key reads as None.
NormalizedAnswer = Mapping[str, Any]


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


@dataclass(frozen=True)
class Endpoint:
    """A server that offers an API. `variables`: what stands for `{model}` and other names in the tables.

    `harmless_texts`: texts that an error may contain though they look like a path, such as the folder of its
    model. `unsupported_reason`: why a response reports a feature that the server is known not to have
    (`support.conformance.optional_routes`); None for a server of which nothing is listed. `components`: name
    and version of each program that has a part in its answers; the known issues of each apply. `model_file`
    gives the GGUF file of the scripted model, for uploads.
    """

    label: str
    api: str
    base_url: str
    variables: Mapping[str, str]
    key: str | None = field(default=None, repr=False)
    harmless_texts: tuple[str, ...] = ()
    unsupported_reason: Callable[[Exchange], str | None] | None = None
    components: tuple[tuple[str, str], ...] = ()
    model_file: Callable[[], Path] | None = field(default=None, repr=False)
