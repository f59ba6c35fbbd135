"""Watches the processes that Aider starts, as git, a linter, or a shell with tests: their connections.

Aider itself reports each attempt (`fork_server.py`, audit events of Python). What it starts may be any
program, so the whole tree is looked at several times a second: a connection that is shorter may be missed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import psutil

from support.programs.connections import Connection, ConnectionReader
from support.programs.process import process_tree
from support.programs.sampling import SamplingThread

# A look takes a few milliseconds of the processor, most of them for the tree.
WATCH_SECONDS = 0.2


class ProcessWatch:
    """From entering it to leaving it, each address of these processes and all below them goes to a file once.

    A line is `HOST PORT PROGRAM`; of one that listens, for whom it listens: `0.0.0.0 80 PROGRAM, listening`.
    `roots`: process ids. `processes`: all that were seen below them.
    """

    def __init__(self, roots: Iterable[int], record: Path) -> None:
        self._roots = tuple(roots)
        self._record = record
        self._lines: set[str] = set()
        self._connections = ConnectionReader()
        self.processes: set[psutil.Process] = set()
        self._failure: Exception | None = None
        self._sampling = SamplingThread("process-watch", self._work)

    def __enter__(self) -> ProcessWatch:
        self._sampling.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampling.stop()
        if error is None and self._failure is not None:
            raise self._failure

    @property
    def left(self) -> list[psutil.Process]:
        """Those of `processes` that still run."""
        return [process for process in self.processes if _runs(process)]

    def _work(self) -> None:
        """A thread that ended at an error would have found nothing wrong: leaving the block raises it."""
        ended = False
        try:
            while not ended:
                self._look()
                ended = self._sampling.stopping.wait(WATCH_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised where the block is left
            self._failure = error

    def _look(self) -> None:
        for process in (process for root in self._roots for process in process_tree(root)):
            if process.pid not in self._roots:
                self.processes.add(process)
            # It may have ended, or become another user's.
            with contextlib.suppress(psutil.Error):
                # Before its connections: once it has ended, it has no name.
                name = process.name()
                self._add(
                    f"{address} {name}{how}" for address, how in _addresses(self._connections.read(process))
                )

    def _add(self, lines: Iterable[str]) -> None:
        new = set(lines) - self._lines
        self._lines |= new
        if new:
            with self._record.open("a", encoding="utf-8") as opened:
                opened.writelines(f"{line}\n" for line in sorted(new))


def _addresses(connections: Iterable[Connection]) -> Iterator[tuple[str, str]]:
    """What it is connected to; of a socket without another end, where it listens or receives."""
    for connection in connections:
        # Either is an empty tuple where there is none.
        if connection.raddr:
            yield f"{connection.raddr[0]} {connection.raddr[1]}", ""
        elif connection.laddr:
            yield f"{connection.laddr[0]} {connection.laddr[1]}", ", listening"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
