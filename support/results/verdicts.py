"""The verdict of a scenario, from behave's statuses and errors, and whether its failures are listed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from support.errors import SeveralFailures, TimeLimitExceeded, cause_of
from support.results.behave_types import BehaveFeature, BehaveScenario, BehaveStep
from support.results.check import CheckResult, ChecksFailed, KnownIssuesFound
from support.results.known_issues import Listing
from support.results.outcome import Verdict
from support.results.safe_text import first_lines

# Of a failure; the whole text is in its evidence.
MAX_LINES = 15
# Of what a hook finds beside the failure of a step.
HOOK_LINES = 2

FAILED_STATUSES = ("failed", "error", "hook_error", "cleanup_error", "pending", "undefined")
# Where a scenario fails when that is not in one of its steps.
TIME_LIMIT = "time limit"
CLEANUP = "cleanup"
_HOOK = re.compile(r"HOOK-ERROR in (\w+)")


def verdict_of(scenario: BehaveScenario, aborted: str | None, *, strict: bool = False) -> Verdict:
    """Its verdict without known issues. `aborted`: why the run was ended early.

    `strict`: a scenario that was skipped for a reason counts as broken.
    """
    status = scenario.status.name
    if status == "passed" and scenario.should_skip and scenario.skip_reason:
        # Left out in its last step: behave counts the steps only.
        status = "skipped"
    if status == "passed":
        return Verdict("passed")
    if getattr(scenario, "out_of_scope", False):
        return Verdict("out_of_scope", scenario.skip_reason or "")
    if status == "skipped" and strict and scenario.skip_reason:
        return Verdict("broken", f"not run, and this run is strict: {scenario.skip_reason}")
    if status == "skipped":
        return Verdict("skipped", scenario.skip_reason or "not selected")
    if status.startswith("untested"):
        return Verdict("skipped", f"not run: {aborted or 'nothing ran it'}")
    for step in scenario.all_steps:
        if step.status.name in FAILED_STATUSES:
            found, others = _step_verdict(step), list(failures_of(scenario))[1:]
            if found.status == "known_issue" and others:
                # Its checks failed as listed, and a hook or a cleanup as well.
                where, text = others[0]
                found = Verdict("failed", f"{where}: {text}\nbeside known issues: {found.message}")
            elif isinstance(step.exception, ChecksFailed):
                found = _of_checks(found, others)
            elif found.status == "failed" and isinstance(scenario.exception, AssertionError):
                ended = first_lines(str(scenario.exception), HOOK_LINES)
                found = replace(found, message=f"{found.message}\nbeside it: {ended}")
            # What a hook finds (the server died) is the cause of what a step found.
            return replace(found, cause=cause_of(step.exception) or cause_of(scenario.exception))
    return replace(_hook_verdict(scenario, status, aborted), cause=cause_of(scenario.exception))


def _of_checks(found: Verdict, others: Sequence[tuple[str, str]]) -> Verdict:
    """Of a group in which checks failed; `others`: what failed beside them."""
    if not others:
        return replace(found, by_checks=True)
    where, text = others[0]
    return replace(found, message=f"{where}: {text}\nbeside failed checks: {found.message}")


def over_time(verdict: Verdict, limit: str) -> Verdict:
    """Of a scenario that exceeded its time limit (`limit`), after all else that failed."""
    if verdict.status in ("passed", "known_issue"):
        return Verdict("failed", limit, timed_out=True)
    if verdict.by_checks:
        return replace(verdict, message=f"{limit}\nbeside failed checks: {verdict.message}", by_checks=False)
    return verdict


def interrupted(why: str) -> Verdict:
    """Of the scenario that ran when a signal ended the run: it found nothing. `why`: which signal."""
    return Verdict("skipped", f"interrupted: {why}")


def at_moved_clock(verdict: Verdict, checks: list[CheckResult], seconds: float) -> Verdict:
    """Of a scenario during which the wall clock was set: what failed may be an effect of that.

    `checks`: its checks, of which those that failed become `not_run`.
    """
    if verdict.status != "failed":
        return verdict
    why = f"the wall clock moved by {seconds:+.1f} s while this scenario ran: run it again"
    checks[:] = [
        replace(check, status="not_run", reason=why, cause="") if check.status == "failed" else check
        for check in checks
    ]
    return Verdict("broken", f"{why}; what failed: {verdict.message}", verdict.trace)


def _step_verdict(step: BehaveStep) -> Verdict:
    where = f"{step.keyword} {step.name}"
    if step.status.name == "undefined":
        return Verdict("broken", f"no step definition for: {where}")
    # A bare `assert` has no message.
    message = str(step.exception or "") or str(step.error_message or step.status.name)
    # The message of a failed check is enough; only an unexpected error needs its trace.
    if isinstance(step.exception, KnownIssuesFound):
        found = step.exception
        return Verdict("known_issue", message, why=found.reason, source=found.source)
    if isinstance(step.exception, AssertionError):
        timed_out = isinstance(step.exception, TimeLimitExceeded)
        # That of a group has as many for each of its checks.
        shown = message if isinstance(step.exception, ChecksFailed) else first_lines(message, MAX_LINES - 1)
        trace = "" if shown == message else message
        return Verdict("failed", f"{shown}\n(in: {where})", trace, timed_out=timed_out)
    return Verdict("broken", f"{message}\n(in: {where})", str(step.error_message or ""))


def _hook_verdict(scenario: BehaveScenario, status: str, aborted: str | None) -> Verdict:
    message = str(scenario.exception or "") or scenario.error_message or ""
    if not message:
        # An interruption in a hook has no message.
        message = aborted or f"behave's status is {status}"
        message = cleanup_message(scenario) if status == "cleanup_error" else message
    # What a hook finds wrong with the product (a dead server, say) is the product's fault, not the harness'.
    wrong = isinstance(scenario.exception, AssertionError)
    return Verdict(
        "failed" if wrong else "broken",
        f"{message}\n(in: {status})",
        scenario.error_message or "",
        timed_out=isinstance(scenario.exception, TimeLimitExceeded),
    )


def cleanup_message(item: BehaveScenario | BehaveFeature) -> str:
    """behave prints the errors of cleanups and keeps none of them: take them out of the captured text."""
    text = str(item.captured.output)
    found = text[text.find("CLEANUP-ERROR") :] if "CLEANUP-ERROR" in text else ""
    return found.partition("\n----")[0].strip() or "a cleanup failed; its error was not captured"


def failures_of(
    scenario: BehaveScenario, cleanup_error: BaseException | None = None
) -> Iterator[tuple[str, str]]:
    """Everything that failed in a scenario: where (the text of the step, a hook, a cleanup), and what.

    A time limit that ended a step is a place of its own. So is an error of the suite, which nothing lists.
    """
    for step in scenario.all_steps:
        if step.status.name in FAILED_STATUSES:
            yield from _texts(step.name, step.exception, str(step.error_message or step.status.name))
    message = str(scenario.error_message or "")
    if scenario.exception is not None or message:
        hook = _HOOK.search(message)
        yield from _texts(hook[1] if hook else CLEANUP, scenario.exception, message)
    if cleanup_error is not None and cleanup_error is not scenario.exception:
        yield from _texts(CLEANUP, cleanup_error, "")


def _texts(where: str, error: BaseException | None, message: str) -> Iterator[tuple[str, str]]:
    if isinstance(error, TimeLimitExceeded):
        where = TIME_LIMIT
    elif not isinstance(error, AssertionError):
        where = f"{where} ({type(error).__name__ if error is not None else 'error'})"
    texts = error.failures if isinstance(error, SeveralFailures) else (str(error or "") or message,)
    yield from ((where, text) for text in texts)


def mark_known_elsewhere(verdict: Verdict, known_in: str) -> Verdict:
    """The verdict of a failure that is listed for other programs or versions (`known_in`): it counts."""
    if not known_in or verdict.status != "failed":
        return verdict
    return replace(verdict, message=f"{verdict.message}\nknown in {known_in}", known_in=known_in)


def apply_known_issues(verdict: Verdict, listing: Listing, failures: Sequence[tuple[str, str]]) -> Verdict:
    """The verdict with the known issues that list its scenario, if any; `failures`: all that it has.

    It is a known issue when every failure is listed.
    """
    if not listing.entries:
        return verdict
    if verdict.status == "passed" and listing.contradiction:
        return Verdict("failed", listing.contradiction)
    if verdict.status != "failed":
        return verdict
    difference = listing.difference(failures)
    if difference:
        return replace(verdict, message=difference)
    known = listing.covering(failures)
    return replace(verdict, status="known_issue", why=known.reason, source=known.source)
