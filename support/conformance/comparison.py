"""The same case asked of other servers: for the matrix of the report, never for the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from support.conformance.api import ApiServer
from support.conformance.case_runner import Result, ask
from support.conformance.case_table import Case
from support.conformance.missing_routes import MissingRoutes
from support.errors import AcceptanceError, NotOffered
from support.http.client import ApiClient
from support.results.outcome import Cell, as_known
from support.servers.post_mortem import Fate

# Cases without an answer before a candidate is given up: one that never comes back, and one that the
# cases hurt again and again. Each may take the whole patience.
MOST_IN_A_ROW = 3
MOST_UNANSWERED = 8
# The layer of an answer that did not come (support.conformance.case_runner).
TRANSPORT = "transport"
# With less time than that, no server could answer.
LEAST_SECONDS = 1.0
# A command that is longer does not fit into a page of many rows; the evidence of the scenario has it.
LONGEST_COMMAND = 1500

# Why a broken behaviour was to be expected of a server, and where that is written; None when it was not.
Known = Callable[[ApiServer, Case], tuple[str, str] | None]


class Candidate(Protocol):
    """A server to compare with. Started, or reached, when first asked for."""

    label: str

    def offering(self, api: str, model: str) -> ApiServer | None:
        """The server with this model, None when it has no such API.

        Raises NotOffered when it has no such model, and AcceptanceError or AssertionError when it cannot be
        had. One that has died is started again.
        """

    def after_silence(self, api: str, model: str) -> Fate:
        """What became of the server that `offering` gave last and that did not answer."""

    def close(self) -> None:
        """End what was started."""


def cell_of(result: Result, *, judged: bool = False) -> Cell:
    """The cell of a server that was asked."""
    command = result.exchange.curl() if result.outcome == "broken" and result.exchange is not None else ""
    return Cell(
        result.server.label,
        result.outcome,
        result.reason,
        judged,
        rule=result.case.source,
        repeat=command if len(command) <= LONGEST_COMMAND else "",
    )


def nothing_known(server: ApiServer, case: Case) -> None:
    """No known issues."""


class Comparison:
    """The candidates of a run. One that cannot be had, or leaves too many cases unanswered, is given up.

    So the time that a comparison may take is bounded, for each case by `within` seconds for all of them, and
    for each server by the cases that it may leave unanswered.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        within: float,
        missing: MissingRoutes,
        known: Known = nothing_known,
    ) -> None:
        self._candidates = candidates
        self._within = within
        self._missing = missing
        self._known = known
        # By label and model: who cannot load one model may well serve another one.
        self._given_up: dict[tuple[str, str], str] = {}
        self._unanswered: Counter[tuple[str, str]] = Counter()
        self._in_a_row: Counter[tuple[str, str]] = Counter()
        # What a candidate turned out to be: it keeps one column of the matrix.
        self._labels: dict[str, str] = {}

    def cells(self, case: Case) -> list[Cell]:
        """One cell for each candidate that offers the case's API."""
        found, until = [], time.monotonic() + self._within
        for candidate in self._candidates:
            started = time.monotonic()
            cell = self._cell(candidate, case, until)
            if cell is not None:
                found.append(replace(cell, rule=case.source, seconds=time.monotonic() - started))
        return found

    def close(self) -> None:
        """End what the candidates started."""
        for candidate in self._candidates:
            candidate.close()

    def _cell(self, candidate: Candidate, case: Case, until: float) -> Cell | None:
        asked = (candidate.label, case.model)
        if case.alone:
            return self._not_asked(candidate, "the case may hurt its server, and this one is shared")
        if asked in self._given_up:
            return self._not_asked(candidate, self._given_up[asked])
        try:
            server = candidate.offering(case.api, case.model)
        except NotOffered as why:
            return Cell(self._labels.get(candidate.label, candidate.label), "lacking", str(why))
        except (AcceptanceError, AssertionError) as error:
            self._give_up(asked, str(error).splitlines()[0])
            return self._not_asked(candidate, self._given_up[asked])
        if server is None:
            return None
        self._labels[candidate.label] = server.label
        known = self._missing.reason(server.label, case)
        if known is not None:
            return Cell(server.label, "lacking", known)
        left = until - time.monotonic()
        if left < LEAST_SECONDS:
            return self._not_asked(candidate, "the servers before it took all the time that a case may take")
        result = self._ask(server, case, left)
        if result.outcome == "lacking":
            self._missing.note(server.label, case)
        if result.outcome != "broken":
            self._in_a_row[asked] = 0
            return cell_of(result)
        if unanswered(result):
            fate = candidate.after_silence(case.api, case.model)
            self._count(asked, case, fate)
            reason = f"the server {fate.words}: {result.reason}"
            return replace(cell_of(result), reason=reason, fate=fate.words)
        self._in_a_row[asked] = 0
        foretold = self._known(server, case)
        return as_known(cell_of(result), *foretold) if foretold else cell_of(result)

    def _ask(self, server: ApiServer, case: Case, within: float) -> Result:
        client = ApiClient(server.base_url, api_key=server.key, within=within)
        try:
            return ask(client, server, case)
        finally:
            client.close()

    def _count(self, asked: tuple[str, str], case: Case, fate: Fate) -> None:
        self._unanswered[asked] += 1
        self._in_a_row[asked] += 1
        if not fate.back:
            self._give_up(asked, f"the server {fate.words}, since the case {case.title!r}")
        elif self._in_a_row[asked] == MOST_IN_A_ROW:
            self._give_up(asked, f"given up after {MOST_IN_A_ROW} cases in a row without an answer")
        elif self._unanswered[asked] == MOST_UNANSWERED:
            self._give_up(asked, f"given up after {MOST_UNANSWERED} cases without an answer")

    def _not_asked(self, candidate: Candidate, why: str) -> Cell:
        return Cell(self._labels.get(candidate.label, candidate.label), "not asked", why)

    def _give_up(self, asked: tuple[str, str], why: str) -> None:
        self._given_up[asked] = why
        print(f"Compared with {asked[0]} ({asked[1]} model): not asked any more: {why}")


def unanswered(result: Result) -> bool:
    """Whether the server left the case, or the good request after it, without an answer."""
    return result.layer == TRANSPORT or (
        result.layer == "afterwards" and f" {TRANSPORT}: " in f" {result.seen}"
    )
