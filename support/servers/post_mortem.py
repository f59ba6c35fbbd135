"""Why a server did not respond: exited, hung, unreachable; and whether the next case has a server."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.http.client import ApiClient
from support.programs.launcher import LaunchedProgram
from support.results.causes import panic_in
from support.waiting import WaitTimeout, wait_until

# A connection may be cut some moments before its server has ended.
EXIT_SECONDS = 2.0
CONNECT_SECONDS = 2.0
# The last message of a program: Go's runtime, Rust's, the C library's. Go exits with 2 after a signal.
_FATAL_MESSAGE = re.compile(
    r"^(SIG[A-Z]+|(?:fatal error:|terminate called) [^\n]{1,80}|memory allocation of \d+ bytes failed)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class PostMortem:
    """`summary` follows "the server ...". `recovered`: the next case has it, or a new one."""

    summary: str
    recovered: bool = True


def post_mortem(process: LaunchedProgram | None, url: str, discard: Callable[[], None]) -> PostMortem:
    """Why a server did not respond. `discard` ends one of the suite, also one that hangs: the next case gets
    a new one."""
    if process is None:
        with contextlib.closing(ApiClient(url, timeout=CONNECT_SECONDS, may_be_silent=True)) as client:
            if client.try_get("/", timeout=CONNECT_SECONDS) is not None:
                return PostMortem("left it unanswered")
        return PostMortem("is not reachable any more, and was not started by the suite", recovered=False)
    await_end(process)
    if process.alive:
        discard()
        return PostMortem("did not answer; it was ended, the next case gets a new one")
    log = process.log
    code = process.stop()
    discard()
    return PostMortem(f"died ({exit_reason(code, log)}); the next case gets a new one")


def await_end(process: LaunchedProgram) -> None:
    """After a request that was not answered: its end, if that comes soon."""
    with contextlib.suppress(WaitTimeout):
        wait_until("the end of the server", lambda: not process.alive, timeout=EXIT_SECONDS)


def cause_of_death(process: LaunchedProgram, log: str) -> str:
    """The cause of everything that failed because this server has ended; `log`: since the scenario began."""
    return cause_of_panic(process, log) or (
        f"{_name(process)} died: {exit_reason(process.process.exit_code or 0, log)}"
    )


def cause_of_panic(process: LaunchedProgram, log: str) -> str:
    """The cause of everything that failed because of the first panic of the log; empty without one."""
    panic = panic_in(log)
    return f"{_name(process)} {panic}" if panic else ""


def _name(process: LaunchedProgram) -> str:
    """The file name of its program, such as `mistralrs`."""
    return Path(process.process.command[0]).name


def exit_reason(code: int, log: str) -> str:
    """`SIGSEGV`, the last message of its runtime, or the exit code."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    found = _FATAL_MESSAGE.search(log)
    return found[1] if found else f"exit code {code}"
