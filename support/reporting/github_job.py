"""What GitHub shows of a run: the summary on the page of its job, and an annotation for each cause."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from support.reporting.run_verdict import RunVerdict
from support.results.safe_text import counted, first_lines
from support.user_files import problem_of

# GitHub shows ten of a kind for each step.
MOST_ANNOTATIONS = 10
_ESCAPED = {"%": "%25", "\r": "%0D", "\n": "%0A"}
# In a property; there these two end a value as well.
_ESCAPED_IN_TITLE = {**_ESCAPED, ":": "%3A", ",": "%2C"}


def write_job_summary(text: str) -> None:
    """To the file whose content GitHub shows on the page of the job, where there is one."""
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(page).open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            print(f"acceptance: GITHUB_STEP_SUMMARY cannot be written: {problem_of(error)}", file=sys.stderr)


def job_annotations(verdict: RunVerdict) -> Iterator[str]:
    """Workflow commands of GitHub Actions, one line each; none elsewhere, and none for GO."""
    if os.environ.get("GITHUB_ACTIONS") != "true" or verdict.go:
        return
    causes = [cause for cause in verdict.causes if cause.findings]
    for cause in causes[: MOST_ANNOTATIONS - 1]:
        first = cause.findings[0]
        more = f" ({counted(len(cause.findings), 'failure')})" if len(cause.findings) > 1 else ""
        title = f"{cause.severity}, {cause.standing}: {first.title}"
        yield _command(title, f"{first_lines(cause.reason, 3)}{more}")
    yield _command(verdict.headline, verdict.sentences[0])


def _command(title: str, message: str) -> str:
    return f"::error title={_escaped(title, _ESCAPED_IN_TITLE)}::{_escaped(message, _ESCAPED)}"


def _escaped(text: str, letters: dict[str, str]) -> str:
    return "".join(letters.get(letter, letter) for letter in text)
