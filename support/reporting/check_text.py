"""The texts about a check that all reports share."""

from __future__ import annotations

from support.results.check import CheckResult, CheckStatus
from support.results.rerun_command import rerun_command
from support.results.safe_text import visible

STATUS_NAMES: dict[CheckStatus, str] = {
    "passed": "passed",
    "failed": "failed",
    "known_issue": "known issue",
    "unsupported": "unsupported",
    "not_run": "not run",
}


def failure_text(check: CheckResult) -> str:
    """What a reader needs of a check that did not conform: first the cause, or what was received."""
    lines = [
        f"cause: {check.cause}" if check.cause else "",
        check.actual or "the check failed without a message",
        f"known in: {check.known_in}" if check.known_in else "",
        f"expected: {check.expected}" if check.expected else "",
        f"source: {check.source}" if check.source else "",
        f"repeat: {check.repeat}" if check.repeat else "",
        f"rerun: {rerun_command('--case', check.id)}",
    ]
    return visible("\n".join(line for line in lines if line))


def failure_message(text: str, known_in: str) -> str:
    """For a line that may be cut: other programs and versions of which the failure is listed come first."""
    return f"known in {known_in}: {text}" if known_in else text


def reason_text(check: CheckResult) -> str:
    """Why a check is a known issue, unsupported or not run, with the place where that is documented."""
    source = f" ({check.reason_source})" if check.reason_source else ""
    prefix = "known issue: " if check.status == "known_issue" else ""
    return visible(f"{prefix}{check.reason or STATUS_NAMES[check.status]}{source}")
