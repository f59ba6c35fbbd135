"""How much of the CPU other processes had during a run: times are then not those of the target.

Sources: /proc/stat (all CPU time and steal, proc_stat(5)), /proc/pressure/cpu (the time in which a runnable
task waited for a CPU, docs.kernel.org/accounting/psi.html), the CPU time of the run's own process tree.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.programs.process import process_tree
from support.programs.sampling import SamplingThread

SAMPLE_SECONDS = 2.0
PRESSURE = Path("/proc/pressure/cpu")
# Of the CPU of the machine, for other programs: beyond it nothing that takes time is found to fail.
MOST_OTHERS = 0.25
_WAITED = re.compile(r"^some .*total=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since some moment.

    `busy`: of the machine; `steal`: of the hypervisor; `own`: of the run's processes; `waited`: with at least
    one runnable task that had no CPU, None where the kernel does not count it.
    """

    busy: float
    steal: float
    own: float
    waited: float | None


@dataclass(frozen=True)
class Interval:
    """`share` of the machine's CPU time, between two epoch seconds, that others had while the run waited."""

    start: float
    end: float
    share: float


def read_cpu_times() -> CpuTimes:
    """The times until now. Processes that have ended count with their parents."""
    machine = psutil.cpu_times()._asdict()
    busy = sum(machine.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    own = 0.0
    for process in process_tree(os.getpid()):
        with contextlib.suppress(psutil.Error):
            own += sum(process.cpu_times()[:4])
    return CpuTimes(busy, machine.get("steal", 0.0), own, _waited())


def _waited() -> float | None:
    try:
        found = _WAITED.search(PRESSURE.read_text())
    except OSError:
        return None
    return int(found[1]) / 1e6 if found else None


def share_of_others(before: CpuTimes, after: CpuTimes, seconds: float, cpus: int) -> float:
    """From 0 to 1. What others used on CPUs that were free anyway does not count."""
    capacity = seconds * cpus
    if capacity <= 0:
        return 0.0
    used = max(0.0, (after.busy - before.busy) - (after.own - before.own)) / capacity
    if before.waited is not None and after.waited is not None:
        used = min(used, (after.waited - before.waited) / seconds)
    return min(1.0, used + max(0.0, after.steal - before.steal) / capacity)


class OthersSince:
    """The share of the CPU that other programs have had since this was made."""

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), read_cpu_times()

    def share(self) -> float:
        """From 0 to 1, until now."""
        seconds = time.monotonic() - self._began
        return share_of_others(self._before, read_cpu_times(), seconds, psutil.cpu_count() or 1)


def not_judged(others: float, what: str) -> str:
    """The reason for a failure that may be that of other programs, which had this share of the CPU."""
    return f"not judged, other programs had {others:.0%} of the CPU: {what}"


class CpuContention:
    """Samples from `start` to `stop`, in a thread of its own."""

    def __init__(
        self, read: Callable[[], CpuTimes] = read_cpu_times, interval: float = SAMPLE_SECONDS
    ) -> None:
        """`interval` in seconds."""
        self.intervals: list[Interval] = []
        self._read = read
        self._interval = interval
        self._thread = SamplingThread("cpu-contention", self._run)
        self.start, self.stop = self._thread.start, self._thread.stop

    def share(self, start: float, end: float) -> float:
        """The mean between two epoch seconds; 0 where nothing was sampled."""
        parts = [
            (min(end, each.end) - max(start, each.start), each.share)
            for each in self.intervals
            if each.end > start and each.start < end
        ]
        covered = sum(seconds for seconds, _ in parts)
        return sum(seconds * share for seconds, share in parts) / covered if covered > 0 else 0.0

    def _run(self) -> None:
        cpus = psutil.cpu_count() or 1
        began, before = time.time(), self._read()
        while True:
            last = self._thread.stopping.wait(self._interval)
            now, after = time.time(), self._read()
            self.intervals.append(Interval(began, now, share_of_others(before, after, now - began, cpus)))
            if last:
                return
            began, before = now, after
