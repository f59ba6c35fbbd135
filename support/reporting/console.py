"""The outcomes on a terminal while the run goes on: one line each, and the failure below it."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

from support.results.causes import comparable
from support.results.outcome import Verdict
from support.results.safe_text import indented, one_line, visible

_MARKS = {
    "passed": ("ok   ", "green"),
    "failed": ("FAIL ", "bold red"),
    "broken": ("FAIL ", "bold red"),
    "skipped": ("skip ", "yellow"),
    "out_of_scope": ("scope", "yellow"),
    "known_issue": ("known", "magenta"),
}


class SafeStream:
    """A text stream that takes any text: what it cannot encode is escaped, and a closed pipe is no error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding or "ascii"
        self.errors = "backslashreplace"

    def write(self, text: str) -> int:
        safe = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            return self._stream.write(safe)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        return self._stream.fileno()


class OutcomePrinter:
    """Writes outcomes to the terminal, also while behave has replaced `sys.stdout`."""

    def __init__(self) -> None:
        stream: TextIO = sys.__stdout__ if sys.__stdout__ is not None else sys.stdout
        # In a worker, everything else that is printed is kept as evidence too.
        stream = getattr(stream, "terminal", stream)
        # NO_COLOR (https://no-color.org) is rich's own business.
        self.console = Console(
            file=SafeStream(stream),  # type: ignore[arg-type]
            soft_wrap=True,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._last_reason = ""
        self._shown_causes: set[str] = set()

    def print_outcome(self, verdict: Verdict, line: str) -> None:
        mark, style = _MARKS[verdict.status]
        text = Text(f"{mark} ", style=style)
        text.append(visible(line), style="default" if not verdict.gates else "bold")
        self.console.print(text)
        if verdict.gates and verdict.cause and comparable(verdict.cause) in self._shown_causes:
            self.print(indented(f"as before: {one_line(verdict.cause, 300)}"), "")
        elif verdict.gates:
            self._shown_causes.add(comparable(verdict.cause))
            self.print(indented(verdict.message or "it failed without a message"), "")
        elif verdict.status in ("skipped", "out_of_scope") and verdict.message != self._last_reason:
            self.print(indented(one_line(verdict.message, 300)), "dim")
            self._last_reason = verdict.message
        elif verdict.status == "known_issue":
            self.print(indented(one_line(f"known issue: {verdict.why}", 300)), "dim")

    def print(self, text: str, style: str) -> None:
        self.console.print(Text(visible(text), style=style))


def scenario_line(capability: str, name: str) -> str:
    """`binary health / The version is shown`."""
    return f"{capability.replace('_', ' ')} / {name}"
