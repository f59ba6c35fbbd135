"""Starts that ran into their time limit: after two of the same kind in a row no more are tried.

Each would take as long as the ones before, and a run has hundreds of scenarios. Of a program that has never
become ready, one more start of each other kind is tried.
"""

from __future__ import annotations

NEVER_READY_LIMIT = 2


class NeverReady:
    """The failed starts of this process, by the kind of start; a kind may be one of a program's several."""

    def __init__(self) -> None:
        self._failures: dict[str, list[str]] = {}
        # Programs: how often a start of any kind has failed, and those that were ready once.
        self._failed: dict[str, int] = {}
        self._ready: set[str] = set()

    def reason(self, kind: str, program: str = "") -> str:
        """Why no further start of this kind is tried; empty when it can be."""
        failed = self._failures.get(kind, [])
        hopeless = self.never_ready(program) and self._failed[program] > NEVER_READY_LIMIT
        if len(failed) < (1 if hopeless else NEVER_READY_LIMIT):
            return ""
        starts = "start" if len(failed) == 1 else f"{len(failed)} starts"
        return f"{kind} was not started again: its last {starts} never became ready ({failed[0]})"

    def never_ready(self, program: str) -> bool:
        """Whether a program was started, and never became ready."""
        return program in self._failed and program not in self._ready

    def is_suspect(self, kind: str, program: str) -> bool:
        """Whether the next start will presumably fail as well."""
        return kind in self._failures or self.never_ready(program)

    def failed(self, kind: str, message: str, program: str = "") -> None:
        """A start has run into its time limit."""
        self._failures.setdefault(kind, []).append(message)
        if program:
            self._failed[program] = self._failed.get(program, 0) + 1

    def succeeded(self, kind: str, program: str = "") -> None:
        """A start became ready."""
        self._failures.pop(kind, None)
        self._ready.add(program)


NEVER_READY = NeverReady()
