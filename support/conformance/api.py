"""One API as the engine needs it, and one server that offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.conformance.contract import Contract
from support.conformance.response_parser import ParsedResponse
from support.http.exchange import Exchange

# An answer in words that do not depend on how it came: text, texts, finish_reason, finish_reasons, usage,
# tool_calls, call_ids, id, first_vector; streams add what only they have. A missing key reads as None.
NormalizedAnswer = Mapping[str, Any]


@dataclass(frozen=True)
class Api:
    """An API. `good`: the title of a case that every healthy server passes, asked after each refusal;
    `good_for` has another one for servers of another model than the speaking one.

    `streams_end_with_done`: its server-sent events end with `data: [DONE]`; None: they may. `view` never
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
    """A server that offers an API. `names`: what stands for `{model}` and other names in the tables.

    `own_words`: texts that it may say though they look like a path, such as the folder of its model.
    `declines`: why an answer honestly says that the server does not do what was asked; None where nothing is
    written down about that. `programs`: name and version of each that has a part in its answers; the known
    issues of each apply.
    """

    label: str
    api: str
    base_url: str
    variables: Mapping[str, str]
    key: str | None = field(default=None, repr=False)
    harmless_texts: tuple[str, ...] = ()
    unsupported_reason: Callable[[Exchange], str | None] | None = None
    components: tuple[tuple[str, str], ...] = ()
