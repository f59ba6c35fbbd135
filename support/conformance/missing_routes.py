"""Routes that a server does not have: how a response shows that, and which were found missing in a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.conformance.case_table import Case
from support.http.exchange import Exchange

# The body of a missing route where it is not empty: gin (Ollama), Starlette and FastAPI.
NOT_FOUND_PAGES = ("404 page not found", '{"detail":"Not Found"}', "Not Found")


def missing_route_reason(case: Case, exchange: Exchange) -> str | None:
    """Why this response shows that the route is missing; None for all others and for an expected status."""
    status = exchange.status
    if status in case.status:
        return None
    if status == 501 or (status == 405 and case.request.method != "HEAD"):
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
