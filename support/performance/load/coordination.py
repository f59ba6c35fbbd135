"""How the process of a load begins and ends it, alone or together with those of other machines.

Together: the plan is the first line of the standard input. The process prepares the load, prints `ready` and
waits for another line, with which all of them begin. It prints `started` and the time; `measured` when its
measured requests have ended. It keeps its load up until the input is closed: else the others would measure a
server with fewer users.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

# The option of the process.
TOGETHER = "--together"
READY, STARTED, MEASURED = "ready", "started", "measured"
_BLOCK = 1 << 16


class Alone:
    """A load that begins at once, and ends with its measured requests."""

    async def begin(self) -> None:
        """Wait until the load may begin."""

    def started(self, time_ns: int) -> None:
        """It begins now."""

    def is_to_end(self) -> bool:
        """Whether the load may end, now that its measured requests have ended."""
        return True


class Together(Alone):
    """One of several loads that begin at the same time, and go on until all have measured."""

    def __init__(self) -> None:
        self._released = self._announced = False
        self._rest = b""

    def read_line(self) -> str:
        """The next line of the standard input; raises EOFError when it was closed.

        With system calls alone: a thread that waits in a file of Python is in the way of the process's end.
        """
        while b"\n" not in self._rest:
            block = os.read(sys.stdin.fileno(), _BLOCK)
            if not block:
                raise EOFError("the standard input was closed before the load began")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        may_begin: asyncio.Future[None] = loop.create_future()

        def wait() -> None:
            try:
                self.read_line()
            except EOFError as error:
                loop.call_soon_threadsafe(may_begin.set_exception, error)
                return
            loop.call_soon_threadsafe(may_begin.set_result, None)
            while os.read(sys.stdin.fileno(), _BLOCK):
                pass
            self._released = True

        _announce(READY)
        threading.Thread(target=wait, daemon=True).start()
        await may_begin

    def started(self, time_ns: int) -> None:
        _announce(f"{STARTED} {time_ns}")

    def is_to_end(self) -> bool:
        if not self._announced:
            self._announced = True
            _announce(MEASURED)
        return self._released


def _announce(line: str) -> None:
    print(line, flush=True)
