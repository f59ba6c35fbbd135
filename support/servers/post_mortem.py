"""What has become of a server that left a case unanswered, and whether the next case finds it well."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from support.http.client import ApiClient
from support.servers.ollama_backends import Process
from support.waiting import WaitTimeout, wait_until

# A connection may be cut some moments before its server has ended.
ENDING_SECONDS = 2.0
REACH_SECONDS = 2.0
# What a program says of its own end: Go's runtime, Rust's, the C library's. Go ends with 2 after a signal.
_LAST_WORDS = re.compile(
    r"^(SIG[A-Z]+|(?:fatal error:|terminate called) [^\n]{1,80}|memory allocation of \d+ bytes failed)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Fate:
    """`words` go on after "the server ...". `back`: the next case finds it there, or a new one."""

    words: str
    back: bool = True


def fate_of(process: Process | None, url: str, let_go: Callable[[], None]) -> Fate:
    """Look after a server that has not answered. `let_go` ends one of ours: the next case gets a new one.

    One that hangs is ended as well: what it still works at would cost the next cases their answers.
    """
    if process is None:
        with contextlib.closing(ApiClient(url, within=REACH_SECONDS)) as client:
            if client.peek("/", within=REACH_SECONDS) is not None:
                return Fate("left it unanswered")
        return Fate("was not in reach any more, and is not ours to start again", back=False)
    with contextlib.suppress(WaitTimeout):
        wait_until("the end of the server", lambda: not process.alive, within=ENDING_SECONDS)
    if process.alive:
        let_go()
        return Fate("did not answer; it was ended, the next case gets a new one")
    log = process.log
    code = process.stop()
    let_go()
    return Fate(f"died ({how_it_ended(code, log)}); the next case gets a new one")


def how_it_ended(code: int, log: str) -> str:
    """`SIGSEGV`, the last words of its runtime, or the exit code."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    found = _LAST_WORDS.search(log)
    return found[1] if found else f"exit code {code}"
