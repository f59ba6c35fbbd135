"""Walks: behaviours that take several requests. How one went, and what they all say when values differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Walked:
    """How a walk went: None, or what was not as it should be."""

    failure: AssertionError | None = None

    def require_kept(self) -> None:
        """Raises what went wrong."""
        if self.failure is not None:
            raise self.failure


def walked(taken: Callable[[], None]) -> Walked:
    """Take a walk to its end or to the first thing that is wrong; what is no AssertionError is raised."""
    try:
        taken()
    except AssertionError as error:
        return Walked(error)
    return Walked()


def require_equal(what: str, expected: object, got: object) -> None:
    """Raises AssertionError with both."""
    assert got == expected, f"{what}: expected {expected!r}, got {got!r}"
