"""Routes that a server does not have: the listed ones, how a response shows it, and those found in a run.

A route of `optional_routes.toml` counts as unsupported only where the server rejects it as documented: status
501 and Ollama's form of an error, `{"error": "<feature> is not supported by this gateway"}`; no body in
answer to HEAD.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from support.conformance.case_table import Case, Check
from support.http.exchange import Exchange, NotJson

OPTIONAL_ROUTES = Path(__file__).with_name("optional_routes.toml")
NOT_IMPLEMENTED = 501
# What a sequence has in place of a route that unloads its model.
UNLOAD = "keep_alive 0"
ZERO_DURATION = re.compile(r"[+-]?0(?:\.0*)?(?:ns|us|ms|s|m|h)?")
# The body of a missing route where it is not empty: gin (Ollama), Starlette and FastAPI.
NOT_FOUND_PAGES = ("404 page not found", '{"detail":"Not Found"}', "Not Found")


def missing_route_reason(case: Case, exchange: Exchange) -> str | None:
    """Why this response shows that the route is missing; None for all others and for an expected status."""
    status = exchange.status
    if status in case.status:
        return None
    if status == NOT_IMPLEMENTED or (status == 405 and case.request.method != "HEAD"):
        return f"{status} for {case.route}"
    text = exchange.text.strip()
    unknown = text in ("", *NOT_FOUND_PAGES) or f"Not Found: {case.request.method} " in text
    return f"404 for {case.route}" if status == 404 and unknown else None


@dataclass
class MissingRoutes:
    """What was found missing, by server and route; the first case that finds it is the one that fails."""

    _found: dict[tuple[str, str], str] = field(default_factory=dict)
    _served: set[tuple[str, str]] = field(default_factory=set)

    def reason_for_case(self, server: str, case: Case) -> str | None:
        """Why a request is of no use, or None."""
        if self._found.get((server, case.route)) == case.id:
            return None
        return self.reason_for_route(server, case.route)

    def reason_for_route(self, server: str, route: str) -> str | None:
        """Why a request to this route (`POST /v1/responses`) is of no use, or None."""
        found_by = self._found.get((server, route))
        return found_by and f"{server} has no {route} (see {found_by})"

    def mark_missing(self, server: str, case: Case) -> None:
        """This case found its route missing; a route that has served another case is there all the same."""
        if (server, case.route) not in self._served:
            self._found.setdefault((server, case.route), case.id)

    def mark_served(self, server: str, case: Case) -> None:
        """This case found its route."""
        self._served.add((server, case.route))


@dataclass(frozen=True)
class OptionalRoute:
    """A route that a kind of server may lack; without `path` a feature: requests with a `keep_alive` of 0."""

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

    @property
    def reason(self) -> str:
        """Why checks of it are unsupported, with the source."""
        return f"{self.message} ({self.source})"

    def matches(self, exchange: Exchange) -> bool:
        """Whether the request is one for it."""
        if not self.path:
            return _requests_unload(exchange.request_body)
        return self.is_at(exchange.method, urlsplit(exchange.url).path)

    def is_at(self, method: str, path: str) -> bool:
        """Whether it is the route of this method and path; never for a feature."""
        fixed, placeholder, _ = self.path.partition("{")
        same_path = path.startswith(fixed) if placeholder else path == self.path
        return same_path and method == self.method


@cache
def optional_routes(server: str) -> tuple[OptionalRoute, ...]:
    """What is listed for a kind of server (`mistralrs-gateway`)."""
    document = tomllib.loads(OPTIONAL_ROUTES.read_text(encoding="utf-8"))
    rows = (OptionalRoute(**row) for row in (*document["route"], *document["feature"]))
    return tuple(row for row in rows if row.server == server)


def unsupported_reason(server: str, exchange: Exchange, *, unloads: bool) -> str | None:
    """Why this response rejects a listed route in the documented form; None for any other response.

    `unloads`: the server behind this one can unload a model, so it has to do that.
    """
    for route in optional_routes(server):
        is_required = route.requires == "unload" and unloads
        if not is_required and route.matches(exchange) and _rejects(exchange, route.message):
            return route.reason
    return None


def may_lack(server: str, check: Check, *, unloads: bool) -> OptionalRoute | None:
    """The listed route or feature that this check is about; `unloads` as in `unsupported_reason`."""
    method, _, path = (check.route if isinstance(check, Case) else check.needs_route).partition(" ")
    needs_unload = (
        _requests_unload(json.dumps(check.request.json_).encode())
        if isinstance(check, Case)
        else check.needs_route == UNLOAD
    )
    routes = (route for route in optional_routes(server) if not (route.requires and unloads))
    return next((one for one in routes if (one.is_at(method, path) if one.path else needs_unload)), None)


def _requests_unload(body: bytes) -> bool:
    try:
        request = json.loads(body)
    except ValueError:
        return False
    value = request.get("keep_alive") if isinstance(request, dict) else None
    return value is not None and ZERO_DURATION.fullmatch(str(value)) is not None


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
