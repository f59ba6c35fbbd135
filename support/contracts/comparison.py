"""The same case asked of other servers: for the matrix of the report, never for the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from support.contracts.api import ApiServer
from support.contracts.cases import Case
from support.contracts.cells import Cell
from support.contracts.engine import Result, ask
from support.contracts.lacking import MissingRoutes
from support.errors import AcceptanceError
from support.http.client import ApiClient


class Candidate(Protocol):
    """A server to compare with. Started, or reached, when first asked for."""

    label: str

    def offering(self, api: str, model: str) -> ApiServer | None:
        """The server with this model, None when it has no such API.

        Raises AcceptanceError or AssertionError when it cannot be had.
        """

    def close(self) -> None:
        """End what was started."""


def cell_of(result: Result, *, judged: bool = False) -> Cell:
    """The cell of a server that was asked."""
    return Cell(result.server.label, result.outcome, result.reason, judged)


class Comparison:
    """The candidates of a run."""

    def __init__(self, candidates: Sequence[Candidate], within: float, missing: MissingRoutes) -> None:
        self._candidates = candidates
        self._within = within
        self._missing = missing

    def cells(self, case: Case) -> list[Cell]:
        """One cell for each candidate that offers the case's API."""
        return [cell for candidate in self._candidates if (cell := self._cell(candidate, case)) is not None]

    def close(self) -> None:
        """End what the candidates started."""
        for candidate in self._candidates:
            candidate.close()

    def _cell(self, candidate: Candidate, case: Case) -> Cell | None:
        if case.alone:
            return Cell(candidate.label, "not asked", "the case may hurt its server, and this one is shared")
        try:
            server = candidate.offering(case.api, case.model)
        except (AcceptanceError, AssertionError) as error:
            return Cell(candidate.label, "not asked", str(error).splitlines()[0])
        if server is None:
            return None
        known = self._missing.reason(server.label, case)
        if known is not None:
            return Cell(server.label, "lacking", known)
        client = ApiClient(server.base_url, api_key=server.key, within=self._within)
        try:
            result = ask(client, server, case)
        finally:
            client.close()
        if result.outcome == "lacking":
            self._missing.note(server.label, case)
        return cell_of(result)
