"""The machine during a measurement: waiting for CPUs, CPU time taken by a hypervisor, the governor.

All of Linux; elsewhere, and where the kernel has no such figure, NaN or an empty text stands for "not known".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

PRESSURE, STATISTICS = Path("/proc/pressure/cpu"), Path("/proc/stat")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Microseconds in which at least one task waited for a CPU (Documentation/accounting/psi.rst).
_WAITED = re.compile(r"^some .*total=(\d+)$", re.MULTILINE)
# Of the line of all CPUs in /proc/stat, see proc_stat(5).
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


@dataclass(frozen=True)
class MachineState:
    """Totals since the start of the system, in the units of the kernel; None where it has none."""

    at_ns: int
    waited_us: int | None
    cpu_ticks: tuple[int, ...] | None

    @staticmethod
    def now() -> MachineState:
        waited = _WAITED.search(_text(PRESSURE))
        words = _text(STATISTICS).partition("\n")[0].split()
        # Guest time is part of user time.
        ticks = tuple(map(int, words[1:9])) if len(words) > 8 and words[0] == "cpu" else None
        return MachineState(perf_counter_ns(), int(waited[1]) if waited else None, ticks)


@dataclass(frozen=True)
class MachineUse:
    """Between two states, each from 0 to 1. `cpu_pressure`: of the time, in which a task waited for a CPU.

    `steal`, `busy`: of the time of all CPUs, taken by other guests of the host, and not idle.
    """

    cpu_pressure: float = math.nan
    steal: float = math.nan
    busy: float = math.nan
    governor: str = ""

    @staticmethod
    def between(before: MachineState, after: MachineState) -> MachineUse:
        pressure = steal = busy = math.nan
        elapsed_us = (after.at_ns - before.at_ns) / 1000
        if before.waited_us is not None and after.waited_us is not None and elapsed_us > 0:
            pressure = min(1.0, (after.waited_us - before.waited_us) / elapsed_us)
        if before.cpu_ticks and after.cpu_ticks:
            spent = [end - begin for begin, end in zip(before.cpu_ticks, after.cpu_ticks, strict=True)]
            if (total := sum(spent)) > 0:
                steal = spent[_STEAL] / total
                busy = 1 - (spent[_IDLE] + spent[_IOWAIT]) / total
        return MachineUse(pressure, steal, busy, _text(GOVERNOR).strip())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
