"""The verdict of a scenario, from behave's statuses and errors."""

from __future__ import annotations

from dataclasses import replace

from support.errors import TimeLimitExceeded
from support.results.behave_types import BehaveFeature, BehaveScenario, BehaveStep
from support.results.check import KnownIssuesFound
from support.results.known_issues import KnownIssue
from support.results.outcome import Verdict


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
    if status == "skipped" and strict and scenario.skip_reason:
        return Verdict("broken", f"not run, and this run is strict: {scenario.skip_reason}")
    if status == "skipped":
        return Verdict("skipped", scenario.skip_reason or "not selected")
    if status.startswith("untested"):
        return Verdict("skipped", f"not run: {aborted or 'nothing ran it'}")
    for step in scenario.all_steps:
        if step.status.name in ("failed", "error", "hook_error", "cleanup_error", "pending", "undefined"):
            return _step_verdict(step)
    return _hook_verdict(scenario, status, aborted)


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
        return Verdict("failed", f"{message}\n(in: {where})", timed_out=timed_out)
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
    text = str(item.captured.output or "")
    found = text[text.find("CLEANUP-ERROR") :] if "CLEANUP-ERROR" in text else ""
    return found.split("\n----", 1)[0].strip() or "a cleanup failed; its error was not captured"


def apply_known_issue(verdict: Verdict, known_issue: KnownIssue | None) -> Verdict:
    """The verdict with the known issue that lists it, if any."""
    if known_issue is None:
        return verdict
    if verdict.status == "failed":
        return replace(verdict, status="known_issue", why=known_issue.reason, source=known_issue.source)
    if verdict.status == "passed" and not known_issue.flaky:
        return Verdict("failed", known_issue.contradiction)
    return verdict
