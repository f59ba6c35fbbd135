"""What Aider leaves in the report of each scenario: its changes, its runs and their requests, in short.

A failed scenario has more: all requests, whole outputs, the log of the server
(`support/reporting/evidence.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from support.aider.project import Project
from support.aider.run import AiderRun
from support.aider.traffic import AiderRequest
from support.programs.output_limit import MEGABYTE
from support.results.outcome import Evidence
from support.results.safe_text import counted, visible

CHANGE_CHARACTERS = 20_000
OUTPUT_CHARACTERS = 3_000
# The first ones, and as many of the last ones.
KEPT = 10


class Turn(NamedTuple):
    """One of many equal turns of a session. `memory`: bytes of the server after it; zero: not known."""

    seconds: float
    memory: int


def change_evidence(project: Project) -> Evidence:
    """The commits since the first one with what they change, and what is not committed."""
    try:
        changes = project.changes
    except AssertionError as error:
        # It is evidence, no check: the steps decide.
        changes = f"(git failed: {error})"
    text = shortened_middle(visible(changes), CHANGE_CHARACTERS) or "(no change)"
    return Evidence.text("changes of the project", f"{text.rstrip()}\n", "changes.txt")


def run_evidence(runs: Sequence[AiderRun]) -> Evidence:
    """Of each run, or turn of a session, the command or line, the requests and what Aider printed."""
    parts = _first_and_last([_described(run) for run in runs], KEPT, "run")
    return Evidence.text("runs of Aider", visible("\n\n".join(parts)) + "\n", "runs.txt")


def turn_evidence(turns: Sequence[Turn]) -> Evidence:
    """Of each turn its seconds and the memory of the server after it."""
    rows = ["turn,seconds,memory_mb"]
    for number, turn in enumerate(turns, 1):
        memory = f"{turn.memory / MEGABYTE:.1f}" if turn.memory else ""
        rows.append(f"{number},{turn.seconds:.3f},{memory}")
    return Evidence.text("turns of the session", "\n".join([*rows, ""]), "turns.csv")


def shortened_middle(text: str, most: int) -> str:
    """The start and the end of a text, together not more than `most` characters and a line between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def _described(run: AiderRun) -> str:
    exit_code = "" if run.exit_code is None else f"exit {run.exit_code} "
    output = shortened_middle(run.output.strip("\n"), OUTPUT_CHARACTERS)
    requests = _first_and_last([_request_line(request) for request in run.requests], KEPT, "request")
    return "\n".join(
        [
            run.command,
            f"[{exit_code}after {run.seconds:.2f} s]",
            f"--- {counted(len(run.requests), 'request')}",
            *requests,
            "--- output",
            output or "(nothing)",
        ]
    )


def _request_line(request: AiderRequest) -> str:
    exchange = request.exchange
    status = f"status {exchange.status}" if exchange.status else "no response"
    counts = (("prompt", request.prompt_tokens), ("answer", request.answer_tokens))
    tokens = ", ".join(f"{what} {'?' if count is None else count}" for what, count in counts)
    return f"{request.kind}: {status}, tokens: {tokens}, {exchange.seconds:.2f} s"


def _first_and_last(texts: Sequence[str], number: int, noun: str) -> Sequence[str]:
    left = len(texts) - 2 * number
    if left <= 0:
        return texts
    return [*texts[:number], f"[... {counted(left, noun)} left out ...]", *texts[-number:]]
