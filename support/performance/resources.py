"""What a server uses during a load: memory of its processes, GPU, energy of the machine, the CPU of others.

Memory is the resident memory of the process tree: before the load, the largest during it, and the lowest in
the time after it, in which an allocator may give memory back.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import psutil

from support.programs.cpu_contention import OthersSince
from support.programs.energy import EnergyCounter, energy_counters
from support.programs.process import process_tree
from support.programs.resource_usage import find_gpus
from support.programs.sampling import SamplingThread
from support.waiting import WaitTimeout, wait_until

MIB = 2**20
# A reading of memory takes 30 microseconds for each process, finding the processes about a millisecond.
SAMPLE_SECONDS, DISCOVERY_SECONDS = 0.05, 1.0
# After a load, until its memory is given back.
SETTLE_SECONDS = 0.25


@dataclass(frozen=True)
class ResourceUse:
    """Of one load; None is "not measured". Memory in bytes.

    `joules`: of the machine, idle power included; `energy_source`: what has counted them. `gpu_percent`:
    utilisation of the busiest GPU, the mean of the samples; `gpu_memory`: in use on all GPUs, the largest.
    `others`: share of the machine's CPU time that processes beside the run had while it waited for it.
    """

    idle: int | None = None
    peak: int | None = None
    after: int | None = None
    joules: float | None = None
    energy_source: str = ""
    gpu_percent: float | None = None
    gpu_memory: int | None = None
    others: float | None = None


class GpuUse(Protocol):
    """What is needed of `support.programs.resource_usage.Gpus`."""

    def use(self) -> tuple[int, float]: ...

    def close(self) -> None: ...


@dataclass
class ResourceWatch:
    """Watches from `start` to `stop`. `pid`: of the server; None for one at a URL, whose memory is not known.

    A server at a URL may be on this machine: then its own CPU time would count as that of others. `peak` in
    bytes, so far.
    """

    pid: int | None
    energy: Sequence[EnergyCounter] = field(default_factory=energy_counters)
    gpus: Callable[[], GpuUse | None] = find_gpus
    interval: float = SAMPLE_SECONDS
    peak: int = field(default=0, init=False)

    def start(self) -> None:
        self._idle = self.memory()
        self.peak = self._idle or 0
        self._gpu: list[tuple[int, float]] = []
        self._joules = [counter.joules() for counter in self.energy]
        self._others = OthersSince()
        self._thread = SamplingThread("load-resources", self._run)
        self._thread.start()

    def stop(self, settle_seconds: float = SETTLE_SECONDS) -> ResourceUse:
        """Waits up to `settle_seconds` until memory is given back."""
        self._thread.stop()
        others = self._others.share()
        joules, source = self._energy()
        after = self._settled(settle_seconds)
        return ResourceUse(
            idle=self._idle,
            peak=None if self._idle is None else max(self.peak, after or 0),
            after=after,
            joules=joules,
            energy_source=source,
            gpu_percent=sum(use for _, use in self._gpu) / len(self._gpu) if self._gpu else None,
            gpu_memory=max((memory for memory, _ in self._gpu), default=None),
            others=None if self.pid is None else others,
        )

    def memory(self) -> int | None:
        """Resident memory of the server's processes now; None when there is none of them."""
        return None if self.pid is None else _resident(process_tree(self.pid))

    def _run(self) -> None:
        gpus = self.gpus()
        found: Sequence[psutil.Process] = ()
        due = 0.0
        try:
            while not self._thread.stopping.wait(self.interval):
                if self.pid is not None:
                    if time.monotonic() >= due:
                        found, due = process_tree(self.pid), time.monotonic() + DISCOVERY_SECONDS
                    self.peak = max(self.peak, _resident(found) or 0)
                if gpus is not None:
                    self._gpu.append(gpus.use())
        finally:
            if gpus is not None:
                gpus.close()

    def _energy(self) -> tuple[float | None, str]:
        """Of all counters together; None as soon as one has become unreadable, or counts nothing."""
        used = [
            None if before is None or (now := counter.joules()) is None else now - before
            for counter, before in zip(self.energy, self._joules, strict=True)
        ]
        known = [joules for joules in used if joules is not None and joules > 0]
        if not used or len(known) < len(used):
            return None, ""
        return sum(known), " and ".join(counter.source for counter in self.energy)

    def _settled(self, seconds: float) -> int | None:
        """The lowest memory after the load; at once when it is back where it was."""
        lowest = self.memory()

        def is_back() -> bool:
            nonlocal lowest
            now = self.memory()
            if now is None or lowest is None or self._idle is None:
                return True
            lowest = min(lowest, now)
            return lowest <= self._idle

        with contextlib.suppress(WaitTimeout):
            wait_until("the memory of the time before the load", is_back, timeout=seconds)
        return lowest


def _resident(processes: Sequence[psutil.Process]) -> int | None:
    found = list(_resident_of_each(processes))
    return sum(found) if found else None


def _resident_of_each(processes: Sequence[psutil.Process]) -> Iterator[int]:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            yield process.memory_info().rss
