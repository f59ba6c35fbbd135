"""Routes that a server is known not to have, as the suite lists them (`optional_routes.toml`).

A listed route counts as unsupported only where the server rejects it as documented: status 501 and Ollama's
form of an error, `{"error": "<feature> is not supported by this gateway"}`; no body in answer to HEAD.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from support.http.exchange import Exchange, NotJson

FILE = Path(__file__).with_name("optional_routes.toml")
NOT_IMPLEMENTED = 501


@dataclass(frozen=True)
class OptionalRoute:
    """A route that a kind of server may lack; without `path` a feature of any route."""

    server: str
    feature: str
    source: str
    method: str = ""
    path: str = ""
    requires: str = ""

    @property
    def message(self) -> str:
        """The error of the server."""
        return f"{self.feature} is not supported by this gateway"

    def matches(self, exchange: Exchange) -> bool:
        """Whether the request is one for it."""
        if not self.path:
            return True
        path = urlsplit(exchange.url).path
        fixed, placeholder, _ = self.path.partition("{")
        same_path = path.startswith(fixed) if placeholder else path == self.path
        return same_path and exchange.method == self.method


@cache
def optional_routes(server: str) -> tuple[OptionalRoute, ...]:
    """What is listed for a kind of server (`mistralrs-gateway`)."""
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    rows = (OptionalRoute(**row) for row in (*document["route"], *document["feature"]))
    return tuple(row for row in rows if row.server == server)


@dataclass(frozen=True)
class OptionalRoutes:
    """What one server may lack. `unloads`: the server behind it can unload a model, so it has to do that."""

    server: str
    unloads: bool

    def unsupported_reason(self, exchange: Exchange) -> str | None:
        """Why this response rejects a listed route in the documented form; None for any other response."""
        if exchange.status != NOT_IMPLEMENTED:
            return None
        for route in self._possible():
            if route.matches(exchange) and _rejects(exchange, route.message):
                return f"{route.message} ({route.source})"
        return None

    def _possible(self) -> Iterator[OptionalRoute]:
        for route in optional_routes(self.server):
            if not (route.requires == "unload" and self.unloads):
                yield route


def _rejects(exchange: Exchange, message: str) -> bool:
    # A response to HEAD has no body that could hold the message.
    if exchange.method == "HEAD":
        return exchange.body == b""
    try:
        return bool(exchange.json() == {"error": message})
    except NotJson:
        return False
