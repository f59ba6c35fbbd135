"""Whether a server is busy: by its metrics, else by the CPU time that it uses.

There are metrics of sequences from 0.9.2 on (`mistralrs_sequences_*`).
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol, TypeAlias

from support.chat.client import ChatEndpoint, ChatRequest
from support.http.client import ApiClient
from support.monitoring.exposition import read_page
from support.monitoring.metric_table import COMPLETED, RUNNING, TOKENS
from support.waiting import wait_until

METRICS_SECONDS = 5.0
# Share of one core above which a server is busy, below which it is idle, and the time of a measurement. A
# busy server uses a whole core on an idle machine, and 0.15 was seen on a busy one; an idle server uses none.
ACTIVE_SHARE, IDLE_SHARE = 0.08, 0.05
WINDOW_SECONDS = 0.4
# A busy server generates a token in less.
IDLE_SECONDS = 0.2


class CpuMeter(Protocol):
    """CPU use of the processes of a server."""

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far."""

    def has_runnable_thread(self) -> bool:
        """Whether a thread runs or waits for a CPU."""


class CpuActivity:
    """By CPU time: the server must have nothing else to do."""

    source = "CPU time"

    def __init__(self, meter: CpuMeter) -> None:
        self._meter = meter
        self._seen: deque[tuple[float, float]] = deque()
        self._share: float | None = None
        self._waiting = False

    def begun(self) -> bool:
        share = self._sample()
        return share is not None and share > ACTIVE_SHARE

    def ended(self) -> bool:
        share = self._sample()
        # On an overloaded machine a busy server can get no CPU time for a while.
        self._waiting = self._meter.has_runnable_thread()
        return share is not None and share < IDLE_SHARE and not self._waiting

    def last_observation(self) -> str:
        if self._share is None:
            return "nothing yet"
        return f"{self._share:.2f} cores in use{', and a runnable thread' if self._waiting else ''}"

    def _sample(self) -> float | None:
        """Cores in use over the last `WINDOW_SECONDS`; None before they have passed."""
        now = time.monotonic()
        self._seen.append((now, self._meter.cpu_seconds()))
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        (then, before), (_, used) = self._seen[0], self._seen[-1]
        if now - then >= WINDOW_SECONDS:
            self._share = (used - before) / (now - then)
        return self._share


class MetricsActivity:
    """By the counters of ended sequences and processed tokens: the server must have nothing else to do.

    The gauge of running sequences shows only that something began: in 0.9.2 it keeps its last value when
    nothing runs any more.
    """

    source = "metrics"

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._before = self._now = read_counters(client)
        self._idle_since = time.monotonic()

    def begun(self) -> bool:
        self._sample()
        return any(self._now[name] > self._before[name] for name in (TOKENS, RUNNING))

    def ended(self) -> bool:
        self._sample()
        still = time.monotonic() - self._idle_since >= IDLE_SECONDS
        return still and self._now[COMPLETED] > self._before[COMPLETED]

    def last_observation(self) -> str:
        ended, made = (self._now[name] - self._before[name] for name in (COMPLETED, TOKENS))
        return (
            f"{ended:.0f} sequences ended and {made:.0f} tokens processed since, "
            f"{self._now[RUNNING]:.0f} reported as running"
        )

    def _sample(self) -> None:
        now = read_counters(self._client)
        if now[TOKENS] != self._now[TOKENS]:
            self._idle_since = time.monotonic()
        self._now = now


# The generation of one answer, from the creation of the probe on: whether it has begun, and whether nothing
# is generated any more. `source`: what is measured.
ActivityProbe: TypeAlias = CpuActivity | MetricsActivity


def read_counters(client: ApiClient) -> dict[str, float]:
    """The counters and the gauge by name, each summed over its labels; 0 for one that is not there yet."""
    page = read_page(client.get("/metrics").text)
    return {name: page.total(name) for name in (COMPLETED, RUNNING, TOKENS)}


@contextlib.contextmanager
def watch_activity(
    direct: ChatEndpoint, meter: CpuMeter, warm_up: ChatRequest, timeout: float
) -> Iterator[ActivityProbe]:
    """A probe of an idle server, by the best source that it has.

    `warm_up` is sent before: metrics have no series of what has not happened yet. `timeout`: seconds for it.
    """
    with contextlib.closing(direct.client(METRICS_SECONDS)) as client:
        if client.get("/metrics").status != 200:
            yield CpuActivity(meter)
            return
        before = read_counters(client)[COMPLETED]
        direct.ask(warm_up, timeout=timeout)
        if COMPLETED not in client.get("/metrics").text:
            yield CpuActivity(meter)
            return
        # It may be counted some moments after its answer has come.
        wait_until(
            "the first answer in the metrics",
            lambda: read_counters(client)[COMPLETED] > before,
            timeout=timeout,
        )
        yield MetricsActivity(client)
