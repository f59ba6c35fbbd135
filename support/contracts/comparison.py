"""The same case asked of other servers: for the matrix of the report, never for the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from support.contracts.api import ApiServer
from support.contracts.cases import Case
from support.contracts.engine import Result, ask
from support.contracts.lacking import MissingRoutes
from support.errors import AcceptanceError
from support.http.client import ApiClient
from support.reporting.verdict import Cell

# Cases without an answer before a candidate is given up.
MOST_SILENT = 3


class Candidate(Protocol):
    """A server to compare with. Started, or reached, when first asked for."""

    label: str

    def offering(self, api: str, model: str) -> ApiServer | None:
        """The server with this model, None when it has no such API.

        Raises AcceptanceError or AssertionError when it cannot be had with this model.
        """

    def close(self) -> None:
        """End what was started."""


def cell_of(result: Result, *, judged: bool = False) -> Cell:
    """The cell of a server that was asked."""
    return Cell(result.server.label, result.outcome, result.reason, judged=judged)


class Comparison:
    """The candidates of a run. One that cannot be had, or leaves cases unanswered, is given up.

    So the time that a comparison may take is bounded: for a server that hangs, `MOST_SILENT` answers.
    """

    def __init__(self, candidates: Sequence[Candidate], within: float, missing: MissingRoutes) -> None:
        self._candidates = candidates
        self._within = within
        self._missing = missing
        # By label and model: who cannot load one model may well serve another one.
        self._given_up: dict[tuple[str, str], str] = {}
        self._silent: Counter[tuple[str, str]] = Counter()
        # What a candidate turned out to be: it keeps one column of the matrix.
        self._labels: dict[str, str] = {}

    def cells(self, case: Case) -> list[Cell]:
        """One cell for each candidate that offers the case's API."""
        return [cell for candidate in self._candidates if (cell := self._cell(candidate, case)) is not None]

    def close(self) -> None:
        """End what the candidates started."""
        for candidate in self._candidates:
            candidate.close()

    def _cell(self, candidate: Candidate, case: Case) -> Cell | None:
        asked = (candidate.label, case.model)
        if case.alone:
            return self._not_asked(candidate, "the case may hurt its server, and this one is shared")
        if asked in self._given_up:
            return self._not_asked(candidate, self._given_up[asked])
        try:
            server = candidate.offering(case.api, case.model)
        except (AcceptanceError, AssertionError) as error:
            self._give_up(asked, str(error).splitlines()[0])
            return self._not_asked(candidate, self._given_up[asked])
        if server is None:
            return None
        self._labels[candidate.label] = server.label
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
        if result.layer == "transport":
            self._silent[asked] += 1
            if self._silent[asked] == MOST_SILENT:
                self._give_up(asked, f"given up after {MOST_SILENT} cases without an answer")
        return cell_of(result)

    def _not_asked(self, candidate: Candidate, why: str) -> Cell:
        return Cell(self._labels.get(candidate.label, candidate.label), "not asked", why)

    def _give_up(self, asked: tuple[str, str], why: str) -> None:
        self._given_up[asked] = why
        print(f"Compared with {asked[0]} ({asked[1]} model): not asked any more: {why}")
