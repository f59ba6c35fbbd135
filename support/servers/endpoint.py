"""One API of one server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.http.exchange import Exchange


@dataclass(frozen=True)
class Endpoint:
    """A server that offers an API. `variables`: what stands for `{model}` and other names in the tables.

    `harmless_texts`: texts that an error may contain though they look like a path, such as the folder of its
    model. `unsupported_reason`: why a response reports a feature that the server is known not to have
    (`support.conformance.missing_routes`); None for a server of which nothing is listed. `components`: name
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
