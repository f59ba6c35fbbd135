"""Routes that a server is known not to have, as the suite lists them (`optional_routes.toml`).

A listed route counts as unsupported only where the server rejects it as documented: status 501 and Ollama's
form of an error, `{"error": "<feature> is not supported by this gateway"}`; no body in answer to HEAD.
"""

from __future__ import annotations

import tomllib
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


def unsupported_reason(server: str, exchange: Exchange, *, unloads: bool) -> str | None:
    """Why this response rejects a listed route in the documented form; None for any other response.

    `unloads`: the server behind this one can unload a model, so it has to do that.
    """
    for route in optional_routes(server):
        is_required = route.requires == "unload" and unloads
        if not is_required and route.matches(exchange) and _rejects(exchange, route.message):
            return f"{route.message} ({route.source})"
    return None


def _rejects(exchange: Exchange, message: str) -> bool:
    if exchange.status != NOT_IMPLEMENTED:
        return False
    # A response to HEAD has no body that could hold the message.
    if exchange.method == "HEAD":
        return exchange.body == b""
    try:
        return bool(exchange.json() == {"error": message})
    except NotJson:
        return False
