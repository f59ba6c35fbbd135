"""Things that are registered under a name and looked up by it: one table, one error message."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from support.errors import AcceptanceError

T = TypeVar("T")
MAX_SUGGESTIONS = 3


class UnknownName(AcceptanceError):
    """A name that nothing is registered under; the message has close matches."""


class NameRegistry(dict[str, T]):
    """Name -> thing. `kind` is what the things are called in messages: `sequence`, `task`."""

    def __init__(self, kind: str, things: Mapping[str, T] | None = None) -> None:
        super().__init__(things or {})
        self._kind = kind

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator; raises ValueError for a name that is taken."""
        if name in self:
            raise ValueError(f"two {self._kind}s are named {name!r}; rename one")

        def add(thing: T) -> T:
            self[name] = thing
            return thing

        return add

    def find(self, name: str) -> T:
        """Raises `UnknownName` with close matches."""
        if name not in self:
            raise UnknownName(unknown(self._kind, name, self))
        return self[name]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`there is no case 'x.y'; close matches: x.z`."""
    close = difflib.get_close_matches(name, list(known), MAX_SUGGESTIONS)
    return f"there is no {kind} {name!r}" + (f"; close matches: {', '.join(close)}" if close else "")
