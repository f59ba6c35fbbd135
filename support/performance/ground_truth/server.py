"""Builds and starts the synthetic server, whose tokens are the times at which they were sent.

It is a C program (`synthetic_server.c`), as a server in Python would be late by more than what is measured
here. It is built with the system's compiler on first use, into the cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from support.errors import ProgramUnavailable
from support.models.files import build_once
from support.programs.output_limit import read_output
from support.programs.process import CommandTimeout, ManagedProcess, run_command
from support.programs.run_directory import temp_prefix
from support.waiting import wait_until

SOURCE = Path(__file__).with_name("synthetic_server.c")
NAME = "synthetic-server"
BUILD_SECONDS, READY_SECONDS = 60.0, 30.0
_FLAGS = ("-std=gnu11", "-O2")
_ARRIVAL = re.compile(r"@(\d+) ")
_TOKEN = re.compile(r"(?<![@\d])(\d+) ")


@dataclass(frozen=True)
class Schedule:
    """When the server sends what. Times in microseconds; 0 leaves a part out.

    `ttft_us` is from the arrival of the request to the first event, `itl_us` the time per token, so an event
    of several tokens comes after as many of these.
    """

    ttft_us: int = 0
    itl_us: int = 0
    tokens: int = 1
    # An event of content "" that early, as the first event of many servers.
    role_us: int = 0
    tokens_per_event: int = 1
    # Each event in two writes that are that far apart; its tokens are those of the second one.
    split_us: int = 0
    # So many tokens at the start are of the reasoning.
    reasoning: int = 0
    # A comment before each event (server-sent events only).
    comments: bool = False
    # All streams send at the same moments, as a server does that batches continuously.
    together: bool = False
    # After so many tokens: an error as an event, in a stream that ends regularly; the connection is closed.
    error_after: int = 0
    drop_after: int = 0
    # What the usage has, and how long after the last token it comes (with the finish reason).
    usage: bool = True
    usage_us: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    # The numbers of the tokens as their text, the same in each answer, instead of the times.
    same_text: bool = False
    # Faults that a service level has to find. After each so many events, one more pause.
    pause_every: int = 0
    pause_us: int = 0
    # More time per token for each pair of streams that are open.
    crowded_us: int = 0
    # Twice the time per token, once so many streams were open at the same time.
    overload: int = 0
    # A fourth of the time per token for a request that is the same as the one before.
    cached_answers: bool = False
    # Nagle's algorithm: an event waits for the acknowledgement of the one before.
    nagle: bool = False
    # Memory of a request, until its end and beyond it.
    request_kib: int = 0
    kept_kib: int = 0

    @property
    def model(self) -> str:
        """The name of the model that answers so."""
        parts = [
            f"{field.name}={int(getattr(self, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != field.default or field.name == "tokens"
        ]
        return ",".join(parts)


@dataclass(frozen=True)
class SentTimes:
    """What the text of an answer states: nanoseconds of the monotonic clock.

    `arrived`: the request, complete, at the host of the server; `tokens`: when each was sent.
    """

    arrived: int
    tokens: tuple[int, ...]

    @staticmethod
    def of(text: str) -> SentTimes:
        """Raises ValueError for the text of another server."""
        arrival = _ARRIVAL.match(text)
        if arrival is None:
            raise ValueError(f"no text of the synthetic server: {text[:80]!r}")
        return SentTimes(int(arrival[1]), tuple(map(int, _TOKEN.findall(text))))


def build(cache: Path) -> Path:
    """The program, compiled once for each state of its source. Raises `ProgramUnavailable`."""
    if sys.platform != "linux":
        raise ProgramUnavailable(f"the synthetic server needs Linux (epoll, timerfd); this is {sys.platform}")
    state = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    return build_once(cache / NAME / state, _compile) / NAME


def _compile(folder: Path) -> None:
    name = os.environ.get("CC") or "cc"
    compiler = shutil.which(name)
    if compiler is None:
        raise ProgramUnavailable(
            f"the synthetic server is compiled on first use, and there is no C compiler {name!r}: "
            "install gcc or clang, or set CC"
        )
    try:
        done = run_command([compiler, *_FLAGS, "-o", folder / NAME, SOURCE], within=BUILD_SECONDS)
    except (CommandTimeout, OSError) as error:
        raise ProgramUnavailable(f"{SOURCE.name} cannot be compiled: {error}") from None
    if done.exit_code != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr.strip()]
        raise ProgramUnavailable(f"{SOURCE.name} cannot be compiled: {' '.join(errors[0].split())[:300]}")


@contextmanager
def synthetic_server(cache: Path) -> Iterator[str]:
    """Its URL. Raises `ProgramUnavailable` when it cannot be built."""
    program = build(cache)
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
        output = Path(folder) / "port"
        process = ManagedProcess([program], stdout=output)
        try:
            port = wait_until(
                "the port of the synthetic server",
                lambda: re.match(r"(\d+)\n", read_output(output)),
                timeout=READY_SECONDS,
                alive=lambda: process.alive,
                seen=lambda: read_output(output)[-300:],
            )
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            process.stop()
