"""The same case on other servers: for the matrix of the report, never for the verdict."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from support.conformance.case_runner import Failure, Outcome, run_case
from support.conformance.case_table import Case
from support.conformance.missing_routes import MissingRoutes
from support.errors import AcceptanceError, NotSupported
from support.http.client import ApiClient
from support.results.known_issues import NOT_LISTED, KnownIssues, Listing
from support.results.outcome import CellStatus, MatrixCell, mark_known
from support.servers.endpoints import Endpoint
from support.servers.post_mortem import PostMortem

# Cases without a response before a server is no longer used: in a row (it is gone for good), and in all
# (cases damage it again and again). Each may take the whole time-out.
MAX_CONSECUTIVE_UNANSWERED = 3
MAX_UNANSWERED = 8
# With less time than that, no server could respond.
MIN_SECONDS = 1.0
# A longer command does not fit into a page of many rows; the evidence of the scenario has it.
MAX_COMMAND_LENGTH = 1500


class ComparedServer(Protocol):
    """A server to compare with. Started, or reached, on first use."""

    label: str

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        """The server with this model, None when it has no such API.

        Raises NotSupported when it has no such model, and AcceptanceError or AssertionError when it is not
        available. One that has died is started again.
        """

    def diagnose_no_answer(self) -> PostMortem:
        """Why the server of the last `endpoint_for` did not respond."""

    def close(self) -> None:
        """End what was started."""


def cell_of(outcome: Outcome, listing: Listing = NOT_LISTED, *, under_test: bool = False) -> MatrixCell:
    """The cell of a server that ran the check, with the known issues that list it there."""
    status: CellStatus = "passed" if outcome.passed else "failed" if outcome.failures else "unsupported"
    cell = MatrixCell(
        outcome.server.label,
        status,
        outcome.reason,
        under_test,
        source=outcome.check.source,
        repeat=command_of(outcome) if outcome.failures else "",
    )
    if outcome.passed or outcome.unsupported or not listing.entries:
        return cell
    difference = listing.difference(outcome.texts)
    if difference:
        return replace(cell, reason=difference if outcome.failures else cell.reason)
    known = listing.covering(outcome.texts)
    return mark_known(cell, known.reason, known.source)


def command_of(outcome: Outcome) -> str:
    """The command that repeats the request; empty when there is none that a report can show."""
    command = outcome.exchange.curl() if outcome.exchange is not None else ""
    return command if len(command) <= MAX_COMMAND_LENGTH else ""


@dataclass
class _State:
    """What is known about a server with one model: one that cannot load a model may serve another one."""

    given_up: str = ""
    unanswered: int = 0
    consecutive_unanswered: int = 0


class Comparison:
    """The compared servers of a run. One that is not available, or too often without a response, is given up.

    That bounds the time of a comparison: each case by `timeout` seconds for all servers together, each server
    by the number of cases without a response.
    """

    def __init__(
        self,
        candidates: Sequence[ComparedServer],
        timeout: float,
        missing: MissingRoutes,
        known_issues: KnownIssues | None = None,
    ) -> None:
        self._candidates = candidates
        self._timeout = timeout
        self._missing = missing
        self._known_issues = known_issues or KnownIssues(())
        # By label and model.
        self._states: defaultdict[tuple[str, str], _State] = defaultdict(_State)
        # The label that a server had when it was reached: it keeps one column of the matrix.
        self._labels: dict[str, str] = {}

    def cells(self, case: Case) -> list[MatrixCell]:
        """One cell for each server that has the case's API."""
        found, until = [], time.monotonic() + self._timeout
        for candidate in self._candidates:
            started = time.monotonic()
            cell = self._cell(candidate, case, until)
            if cell is not None:
                found.append(replace(cell, source=case.source, seconds=time.monotonic() - started))
        return found

    def close(self) -> None:
        for candidate in self._candidates:
            candidate.close()

    def _cell(self, candidate: ComparedServer, case: Case, until: float) -> MatrixCell | None:
        key = candidate.label, case.model
        state = self._states[key]
        if case.destructive:
            return self._skipped_cell(candidate, "destructive case; not run on a shared server")
        if state.given_up:
            return self._skipped_cell(candidate, state.given_up)
        try:
            server = candidate.endpoint_for(case.api, case.model)
        except NotSupported as why:
            return MatrixCell(self._labels.get(candidate.label, candidate.label), "unsupported", str(why))
        except (AcceptanceError, AssertionError) as error:
            self._give_up(key, str(error).splitlines()[0])
            return self._skipped_cell(candidate, state.given_up)
        if server is None:
            return None
        self._labels[candidate.label] = server.label
        known = self._missing.reason_for_case(server.label, case)
        if known is not None:
            return MatrixCell(server.label, "unsupported", known)
        left = until - time.monotonic()
        if left < MIN_SECONDS:
            return self._skipped_cell(candidate, "time budget of the case used up by the servers before it")
        with closing(ApiClient(server.base_url, api_key=server.key, timeout=left)) as client:
            result = run_case(client, server, case)
        if result.missing_route is not None:
            self._missing.mark_missing(server.label, case)
        if result.unanswered:
            post_mortem = candidate.diagnose_no_answer()
            self._count_unanswered(key, case, post_mortem)
            return self._unanswered_cell(result, post_mortem)
        state.consecutive_unanswered = 0
        return cell_of(result, self._known_issues.find(server.components, case.id))

    def _unanswered_cell(self, result: Outcome, post_mortem: PostMortem) -> MatrixCell:
        """A known issue only when the end of the server, or its silence, is listed as well."""
        listing = self._known_issues.find(result.server.components, result.check.id)
        if listing.entries:
            end = Failure("server", post_mortem.summary)
            cell = cell_of(replace(result, failures=(end, *result.failures)), listing)
        else:
            cell = replace(cell_of(result), reason=f"the server {post_mortem.summary}: {result.reason}")
        return replace(cell, incident=post_mortem.summary)

    def _count_unanswered(self, key: tuple[str, str], case: Case, post_mortem: PostMortem) -> None:
        state = self._states[key]
        state.unanswered += 1
        state.consecutive_unanswered += 1
        if not post_mortem.recovered:
            self._give_up(key, f"the server {post_mortem.summary}, since the case {case.id}")
        elif state.consecutive_unanswered == MAX_CONSECUTIVE_UNANSWERED:
            self._give_up(
                key, f"given up after {state.consecutive_unanswered} cases in a row without an answer"
            )
        elif state.unanswered == MAX_UNANSWERED:
            self._give_up(key, f"given up after {MAX_UNANSWERED} cases without an answer")

    def _skipped_cell(self, candidate: ComparedServer, why: str) -> MatrixCell:
        return MatrixCell(self._labels.get(candidate.label, candidate.label), "not_run", why)

    def _give_up(self, key: tuple[str, str], why: str) -> None:
        self._states[key].given_up = why
        print(f"Compared with {key[0]} ({key[1]} model): skipped from now on: {why}")
