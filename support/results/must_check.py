"""Results that a Then step has to check."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class UncheckedResult(AssertionError):
    """A result of a scenario that no step checked."""


class MustCheck(Generic[T]):
    """One result of a scenario. Replacing it, or ending the scenario, before it was read is an error."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._values: list[T] = []
        self._checked = True

    @property
    def available(self) -> bool:
        """Whether there is a result."""
        return bool(self._values)

    def set(self, value: T) -> None:
        """Keep a new result; raises `UncheckedResult` when the one before was never read."""
        self.require_checked()
        self._values.append(value)
        self._checked = False

    def add(self, value: T) -> None:
        """Keep one more result of several that are checked together."""
        self._values.append(value)
        self._checked = False

    def get(self) -> T:
        """The latest result; LookupError when there is none."""
        self._checked = True
        if not self._values:
            raise LookupError(f"no {self._what} yet: a step that makes one has to come first")
        return self._values[-1]

    def all(self) -> list[T]:
        """Every result of the scenario in order."""
        self._checked = True
        return list(self._values)

    def require_checked(self) -> None:
        """Raise `UncheckedResult` when the latest result was never read."""
        if not self._checked:
            raise UncheckedResult(f"the scenario never checked its {self._what}: {self._values[-1]!r:.200}")
