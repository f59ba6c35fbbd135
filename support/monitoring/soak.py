"""Memory under a long load while nobody scrapes: whether the memory of a server grows without bound.

A histogram of metrics-exporter-prometheus, which mistral.rs uses from 0.9 on, keeps each value, 8 bytes,
until a scrape or an upkeep; one of them has a value for each token of a stream. Memory is read between two
rounds of requests, when none is open, and the lowest value of each third of the tokens is compared: what is
kept for each token raises it, what an allocator holds for a while does not.

Source: https://docs.rs/metrics-exporter-prometheus (upkeep); mistral.rs, issues 167 and 1528 (memory grows)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

from support.errors import NotSupported
from support.http.client import ApiClient
from support.monitoring.load import User
from support.programs.launcher import LaunchedProgram
from support.settings import Settings

USERS = 8
# Of a user in a round, and of an answer. Longer ones take more time for each token, and more memory.
REQUESTS, TOKENS = 5, 200
SOAK_TOKENS = 600_000
SOAK_SECONDS = 900.0
# Between the lowest values of two thirds: 5.2 bytes for each token.
LIMIT_BYTES = 2**20
MIB = 2**20


@dataclass(frozen=True)
class Soak:
    """`samples`: tokens so far, and the resident memory in bytes, between two rounds; `seconds`: its time."""

    samples: Sequence[tuple[int, int]]
    seconds: float

    @property
    def tokens(self) -> int:
        """Of prompts and answers, by the usage of the answers."""
        return self.samples[-1][0]

    @property
    def lowest(self) -> Sequence[int]:
        """The lowest resident memory of each third."""
        parts: list[list[int]] = [[], [], []]
        for tokens, resident in self.samples:
            parts[min(3 * tokens // self.tokens, 2)].append(resident)
        return [min(part) for part in parts]

    @property
    def growth(self) -> tuple[int, int]:
        """From the first to the second third, and from the second to the last one."""
        first, second = (after - before for before, after in itertools.pairwise(self.lowest))
        return first, second

    @property
    def detected(self) -> float:
        """The smallest growth that is found, in bytes for each token."""
        return LIMIT_BYTES / (self.tokens / 3)

    def findings(self) -> Iterator[str]:
        """Memory that still grows in the last third."""
        first, last = self.growth
        if last > LIMIT_BYTES:
            yield (
                f"resident memory grew by {last / MIB:.2f} MiB in the last third of {self.tokens} tokens, by "
                f"{first / MIB:.2f} MiB in the second: {last / (self.tokens / 3):.1f} bytes for each token; "
                f"expected at most {self.detected:.1f}"
            )

    def text(self) -> str:
        """For a reader of the report."""
        lowest = ", ".join(f"{each / MIB:.2f}" for each in self.lowest)
        return (
            f"{self.tokens} tokens in {self.seconds:.0f} s, {len(self.samples)} readings\n"
            f"lowest resident memory of each third: {lowest} MiB\n"
            f"growth of more than {self.detected:.1f} bytes for each token is found\n\n"
            "tokens, resident memory in MiB:\n"
            + "".join(f"{tokens:>8} {resident / MIB:8.2f}\n" for tokens, resident in self.samples)
        )


def observe_soak(start: Callable[[], LaunchedProgram], settings: Settings, model: str) -> Soak:
    """Start a server, send requests without any scrape, end it.

    Raises `StartFailure`, `NotSupported` when it is too slow, and what a request has failed with.
    """
    limit = settings.seconds(SOAK_SECONDS)
    with ExitStack() as stack:
        # The server ends first: open requests end with it.
        users = stack.enter_context(ThreadPoolExecutor(USERS))
        server = start()
        stack.callback(server.stop)
        user = User(server.url, model)

        def requests(_: int) -> int:
            with closing(ApiClient(server.url)) as client:
                return sum(user.stream_by(client, TOKENS).tokens for _ in range(REQUESTS))

        began = time.monotonic()
        samples = [(0, server.resident_memory())]
        while samples[-1][0] < SOAK_TOKENS:
            tokens = samples[-1][0] + sum(users.map(requests, range(USERS)))
            samples.append((tokens, server.resident_memory()))
            if time.monotonic() - began > limit:
                raise NotSupported(
                    f"needs a server that processes {SOAK_TOKENS} tokens in {limit:g} s, not {tokens}"
                )
        return Soak(samples, time.monotonic() - began)
