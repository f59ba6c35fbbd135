"""Starts that ran into their time limit: after two of the same kind in a row no more are tried.

Each would take as long as the ones before, and a run has hundreds of scenarios.
"""

from __future__ import annotations

NEVER_READY_LIMIT = 2


class NeverReady:
    """The failed starts of this process, by the kind of start."""

    def __init__(self) -> None:
        self._failures: dict[str, list[str]] = {}

    def reason(self, kind: str) -> str:
        """Why no further start of this kind is tried; empty when it can be."""
        failed = self._failures.get(kind, [])
        if len(failed) < NEVER_READY_LIMIT:
            return ""
        return f"{kind} was not started again: its last {len(failed)} starts never became ready ({failed[0]})"

    def failed(self, kind: str, message: str) -> None:
        """A start has run into its time limit."""
        self._failures.setdefault(kind, []).append(message)

    def succeeded(self, kind: str) -> None:
        """A start became ready."""
        self._failures.pop(kind, None)


NEVER_READY = NeverReady()
