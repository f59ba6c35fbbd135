"""Resource use of the monitored server: as Prometheus has it, and as the system states it before and after.

Tolerances: memory 5 % or 16 MiB, CPU time 0.1 s or 5 %; of GPUs what changes between two readings.
Utilisation, which changes all the time, is in `gpu_utilization`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from support.errors import NotSupported
from support.monitoring.session import EXPORTER_JOB, JOB, MonitoringSession
from support.programs.process import run_command
from support.programs.resource_usage import loaded_nvml

MEMORY = "process_resident_memory_bytes"
NVIDIA_SMI = "nvidia-smi"
NO_GPU = "needs an NVIDIA GPU with its driver, and this machine has none"
# Name of the metric, and how far the system's figure may be away: a share of it, or so much.
PROCESS_TOLERANCES: Mapping[str, tuple[float, float]] = {
    MEMORY: (0.05, 16 * 2**20),
    "process_cpu_seconds_total": (0.05, 0.1),
    "process_threads": (0.0, 2),
    "process_open_fds": (0.0, 2),
}
# The same, with the column of nvidia-smi and the factor of its unit.
GPU_TOLERANCES: Mapping[str, tuple[str, float, float, float]] = {
    "gpu_memory_total_bytes": ("memory.total", 2**20, 0.01, 0),
    "gpu_memory_used_bytes": ("memory.used", 2**20, 0.05, 64 * 2**20),
    "gpu_temperature_celsius": ("temperature.gpu", 1, 0.0, 5),
    "gpu_power_watts": ("power.draw", 1, 0.25, 20),
}
SECONDS = 10.0


@dataclass(frozen=True)
class Figure:
    """A figure of Prometheus, and those of the system before and after its scrape."""

    name: str
    stored: float | None
    before: float
    after: float

    def findings(self, share: float, least: float) -> Iterator[str]:
        """A figure that is missing, or away from both by more than a share of them, or than `least`."""
        if self.stored is None:
            yield f"{self.name} is not in Prometheus"
            return
        low, high = sorted((self.before, self.after))
        slack = max(share * high, least)
        if not low - slack <= self.stored <= high + slack:
            system = f"{self.before:g} to {self.after:g} by the system"
            yield f"{self.name} is {self.stored:g} in Prometheus, {system}"


def observe_process(session: MonitoringSession) -> Mapping[str, Figure]:
    """The figures of the server's process by name. Raises `NotSupported` for a server at a URL."""
    if session.server is None:
        raise NotSupported("needs a server that the suite starts: the process of one at a URL is not known")
    pid = session.server.process.pid
    return _observe(session, lambda: figures_of(pid), f'job="{JOB}"')


def observe_gpus(session: MonitoringSession) -> Mapping[str, Figure]:
    """The figures of the first GPU by name. Raises `NotSupported` without a GPU."""
    if loaded_nvml() is None:
        raise NotSupported(NO_GPU)
    return _observe(session, of_gpu, f'job="{JOB}",gpu="0"')


def _observe(
    session: MonitoringSession, read: Callable[[], Mapping[str, float]], labels: str
) -> Mapping[str, Figure]:
    before = read()
    session.wait_for_scrape(EXPORTER_JOB)
    stored = {name: session.api.query(f"{name}{{{labels}}}") for name in before}
    after = read()
    return {
        name: Figure(name, found[0].value if found else None, before[name], after[name])
        for name, found in stored.items()
    }


def figures_of(pid: int) -> Mapping[str, float]:
    """The figures of a process by psutil."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return {
        MEMORY: process.memory_info().rss,
        "process_cpu_seconds_total": times.user + times.system,
        "process_threads": process.num_threads(),
        "process_open_fds": process.num_fds(),
    }


def of_gpu() -> Mapping[str, float]:
    """The figures of the first GPU by nvidia-smi, in the units of the metrics."""
    row = stated_by_nvidia_smi(*(column for column, *_ in GPU_TOLERANCES.values()))
    found = {}
    for (name, (_, factor, *_)), text in zip(GPU_TOLERANCES.items(), row, strict=True):
        # `[N/A]`: this GPU has no such figure.
        if not text.startswith("["):
            found[name] = float(text) * factor
    return found


def stated_by_nvidia_smi(*columns: str) -> list[str]:
    """Figures of the first GPU, without units; `[N/A]` where it has none."""
    command = [NVIDIA_SMI, "--id=0", f"--query-gpu={','.join(columns)}", "--format=csv,noheader,nounits"]
    return next(csv.reader(io.StringIO(run_command(command, within=SECONDS).stdout), skipinitialspace=True))
