"""How this process has started servers, for the scripts that start them again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class ServerStart:
    """The command of a server, the variables that it was given beside those of its home, and its address.

    `setup`: commands of a shell that give it its models, once it is ready.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    setup: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, command: Sequence[str | Path], environment: Mapping[str, str], home: Path, url: str
    ) -> ServerStart:
        """Variables that are the same for every process of the user, or that name the home, are left out."""
        own = {
            name: value
            for name, value in environment.items()
            if os.environ.get(name) != value and str(home) not in value
        }
        return cls(tuple(map(str, command)), own, url)


class Starts:
    """By the address of the server; a later one at the same address replaces an earlier one."""

    def __init__(self) -> None:
        self._by_url: dict[str, ServerStart] = {}
        self.failed: list[ServerStart] = []

    def add(self, start: ServerStart) -> None:
        self._by_url[start.url] = start

    def add_setup(self, url: str, *commands: str) -> None:
        """Commands that were needed at this server, unless it was not started here."""
        if (start := self.find(url)) is not None:
            self.add(replace(start, setup=(*start.setup, *commands)))

    def find(self, url: str) -> ServerStart | None:
        """That of the server at an address, or of a request to it; None if it was not started here."""
        return self._by_url.get("/".join(url.split("/")[:3]))


STARTS = Starts()
