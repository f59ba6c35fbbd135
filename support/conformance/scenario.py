"""The checks of a group, run one after another on the servers of a run, each with its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Protocol

from support.conformance.api import find_api
from support.conformance.case_runner import Failure, Outcome, run_case
from support.conformance.case_table import Case, Check, get_case, group
from support.conformance.comparison import Comparison, cell_of, command_of
from support.conformance.missing_routes import MissingRoutes
from support.conformance.sequence import run_sequence
from support.errors import NotSupported, cause_of
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.responsiveness import ServerUnresponsive
from support.programs.launcher import LaunchedProgram, LogPosition
from support.results.causes import panic_lines
from support.results.check import CheckResult, CheckStatus, require_conforming
from support.results.known_issues import KnownIssues
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.endpoints import Endpoint
from support.servers.post_mortem import await_end, cause_of_death, cause_of_panic, exit_reason
from support.settings import Settings

LOG_CHARACTERS = 1500
RESPONSE_SECONDS = 30.0
UNFINISHED = "the group was ended before this check was finished"


class Servers(Protocol):
    """The servers of a run, and what the run knows about them."""

    @property
    def missing_routes(self) -> MissingRoutes: ...

    @property
    def comparison(self) -> Comparison: ...

    @property
    def known_issues(self) -> KnownIssues: ...

    @property
    def settings(self) -> Settings: ...

    def endpoint(self, api: str, model: str) -> tuple[Endpoint, LaunchedProgram | None]:
        """The server under test with a model; one that died is replaced. None: the suite did not start it."""

    def dedicated_endpoint(
        self, api: str, model: str, cleanups: ExitStack
    ) -> tuple[Endpoint, LaunchedProgram | None]:
        """A server that is used for nothing else; it ends with `cleanups`."""

    def report_checks(self, checks: Sequence[CheckResult], /) -> None:
        """Called as the checks finish, and with all of them as `not_run` before."""


# Called for each server that a check is about to use.
UseServer = Callable[[Endpoint, LaunchedProgram | None], object]


class ConformanceScenario:
    """Runs one group of checks. `checks` is filled while they run; `exchanges_by_id`: of the failed ones.

    `evidence`: what checks leave for a reader, those that passed too.
    """

    def __init__(
        self, servers: Servers, cleanups: ExitStack, use_server: UseServer, checks: list[CheckResult]
    ) -> None:
        self.checks = checks
        self.exchanges_by_id: dict[str, list[Exchange]] = {}
        self.evidence: list[Evidence] = []
        self.group: MustCheck[str] = MustCheck("group of checks")
        self._servers = servers
        self._cleanups = cleanups
        self._use_server = use_server

    def run_group(self, api: str, name: str) -> None:
        """Run every check of a group, also after a failure. One that cannot be run any more is `not_run`."""
        chosen = [check for check in group(api, name) if self._is_selected(check)]
        self.group.set(name)
        finished, reason = 0, UNFINISHED
        self._servers.report_checks([_unfinished(check, reason) for check in chosen])
        try:
            for check in chosen:
                self.checks.append(self._result_of(check))
                finished += 1
                self._servers.report_checks(self.checks[-1:])
        except ServerUnresponsive as lost:
            reason = str(lost)
            if not finished:
                raise
        except Exception as error:
            reason = cause_of(error) or reason
            raise
        finally:
            self.checks += [_unfinished(check, reason) for check in chosen[finished:]]

    def require_conforming(self) -> None:
        """The verdict over all checks of the group (`support.results.check.require_conforming`)."""
        self.group.get()
        require_conforming(self.checks, strict=self._servers.settings.acceptance_strict)

    def require_api(self, server: Endpoint) -> None:
        """Raises `NotSupported` when a case has found the API missing."""
        missing = self._missing_api(server)
        if missing is not None:
            raise NotSupported(missing)

    def _is_selected(self, check: Check) -> bool:
        selected = self._servers.settings.selected_checks
        return not selected or check.id in selected

    def _result_of(self, check: Check) -> CheckResult:
        start, clock = time.time(), time.monotonic()
        try:
            result = self._judge(self._run(check))
        except NotSupported as unsupported:
            result = _result(check, "unsupported", reason=str(unsupported))
        if isinstance(check, Case):
            result = replace(result, cells=(*result.cells, *self._servers.comparison.cells(check)))
        return replace(result, start=start, duration=round(time.monotonic() - clock, 4))

    def _run(self, check: Check) -> Outcome:
        if not isinstance(check, Case):
            server, process = self._servers.endpoint(check.api, check.model)
            self.require_api(server)
            return self._run_on(server, process, check)
        server, process = (
            self._servers.dedicated_endpoint(check.api, check.model, self._cleanups)
            if check.destructive
            else self._servers.endpoint(check.api, check.model)
        )
        routes = self._servers.missing_routes
        missing = routes.reason_for_case(server.label, check)
        if missing is None and check.rechecks_health:
            missing = self._missing_api(server)
        if missing is not None:
            return Outcome(check, server, unsupported=missing)
        outcome = self._run_on(server, process, check)
        if outcome.missing_route is None:
            routes.mark_served(server.label, check)
        elif server.unsupported_reason is None:
            # The failure of this case stands for all others of the route; a known issue fails no run.
            listing = self._servers.known_issues.find(server.components, check.id)
            if not listing.entries or listing.difference(outcome.texts):
                routes.mark_missing(server.label, check)
        elif outcome.exchange is not None and (reason := server.unsupported_reason(outcome.exchange)):
            return Outcome(check, server, unsupported=f"{server.label}: {reason}")
        return outcome

    def _run_on(self, server: Endpoint, process: LaunchedProgram | None, check: Check) -> Outcome:
        """Run a check; a server of the suite that died or panicked meanwhile is the cause of its failure."""
        self._use_server(server, process)
        position = process.log_position if process is not None else (0, 0)
        timeout = self._servers.settings.seconds(RESPONSE_SECONDS)
        with closing(ApiClient(server.base_url, api_key=server.key, timeout=timeout)) as client:
            if isinstance(check, Case):
                outcome = run_case(client, server, check)
            else:
                outcome = run_sequence(client, server, check)
            self.evidence += outcome.evidence
            cause = _death_or_panic(outcome, process, position) if process is not None else None
            if cause is not None:
                outcome = replace(outcome, failures=(cause, *outcome.failures))
            if not outcome.passed:
                self.exchanges_by_id.setdefault(check.id, []).extend(client.exchanges)
        return outcome

    @property
    def exchanges(self) -> list[Exchange]:
        """Those of all failed checks."""
        return [exchange for those in self.exchanges_by_id.values() for exchange in those]

    def _missing_api(self, server: Endpoint) -> str | None:
        """Why nothing of the API can be used: the route that every server of it has is missing."""
        healthy = get_case(server.api, find_api(server.api).health_case)
        return self._servers.missing_routes.reason_for_route(server.label, healthy.route)

    def _judge(self, outcome: Outcome) -> CheckResult:
        check = outcome.check
        listing = self._servers.known_issues.find(outcome.server.components, check.id)
        cells = (cell_of(outcome, listing, under_test=True),) if isinstance(check, Case) else ()
        if outcome.unsupported:
            return _result(check, "unsupported", reason=outcome.unsupported, cells=cells)
        if outcome.passed:
            if not listing.contradiction:
                return _result(check, "passed", repeat=command_of(outcome), cells=cells)
            return _result(check, "failed", actual=listing.contradiction, cells=cells)
        failed = _result(
            check,
            "failed",
            actual=outcome.reason,
            repeat=command_of(outcome),
            cells=cells,
            cause=outcome.cause,
        )
        if not listing.entries:
            return replace(
                failed, known_in=self._servers.known_issues.known_elsewhere(check.id, outcome.texts)
            )
        difference = listing.difference(outcome.texts)
        if difference:
            return replace(failed, actual=difference)
        known = listing.covering(outcome.texts)
        return replace(failed, status="known_issue", reason=known.reason, reason_source=known.source)


def _death_or_panic(outcome: Outcome, process: LaunchedProgram, position: LogPosition) -> Failure | None:
    """What happened to the server while the check ran, its log from `position` on included."""
    if outcome.unanswered:
        await_end(process)
    log = process.log_since(position)
    if not process.alive:
        process.end_is_known = True
        reason = exit_reason(process.process.exit_code or 0, log)
        return Failure(
            "server",
            f"it died ({reason}); the end of its log:\n{log[-LOG_CHARACTERS:]}",
            cause=cause_of_death(process, log),
        )
    if panics := panic_lines(log):
        text = f"its log contains a panic: {panics[0]}"
        return Failure("server", text, cause=cause_of_panic(process, log))
    return None


def _result(check: Check, status: CheckStatus, **fields: Any) -> CheckResult:
    return CheckResult(
        check.id,
        check.title,
        check.group,
        check.level,
        status,
        expected=check.expected,
        source=check.source,
        severity=check.severity,
        **fields,
    )


def _unfinished(check: Check, reason: str) -> CheckResult:
    return _result(check, "not_run", reason=reason)
