"""GPU utilisation by Prometheus and by nvidia-smi, within the readings of NVML from before them until after.

It changes several times a second, so no fixed tolerance is right: what NVML states meanwhile is the measure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from support.errors import NotSupported
from support.monitoring.load import User, users
from support.monitoring.resource_use import NO_GPU, stated_by_nvidia_smi
from support.monitoring.session import EXPORTER_JOB, JOB, SLOTS, MonitoringSession
from support.programs.resource_usage import loaded_nvml
from support.programs.sampling import SamplingThread

RATIO, COLUMN = "gpu_utilization_ratio", "utilization.gpu"
# NVML and nvidia-smi have whole percents; between two readings one may be missed.
RESOLUTION = 0.01
READING_SECONDS = 0.02
TOKENS = 30
ROUNDING = 1e-9


@dataclass(frozen=True)
class Utilization:
    """Shares of 1. `readings`: by NVML; `stated`: by nvidia-smi; `stored`: in Prometheus."""

    when: str
    readings: Sequence[float]
    stated: Sequence[float]
    stored: float | None

    def findings(self) -> Iterator[str]:
        """A figure that NVML never had meanwhile, or that is missing although NVML has it."""
        found = [("by nvidia-smi", one) for one in self.stated]
        if self.stored is not None:
            found.append(("in Prometheus", self.stored))
        elif self.readings:
            yield f"{RATIO} is not in Prometheus {self.when}"
        low, high = min(self.readings, default=math.nan), max(self.readings, default=math.nan)
        slack = RESOLUTION + ROUNDING
        for who, value in found:
            if not low - slack <= value <= high + slack:
                meanwhile = f"had {low:g} to {high:g} meanwhile" if self.readings else "has none"
                yield f"{RATIO} is {value:g} {who} {self.when}; NVML {meanwhile}"


def observe_utilization(session: MonitoringSession, model: str) -> Sequence[Utilization]:
    """Of the first GPU, without load and with as many streams as the server has slots.

    Raises `NotSupported` without a GPU.
    """
    nvml = loaded_nvml()
    if nvml is None:
        raise NotSupported(NO_GPU)
    user = User(session.target.url, model, session.target.key)
    idle = _observe(session, nvml, "without load")
    with users(SLOTS, lambda: user.stream(TOKENS)) as running:
        loaded = _observe(session, nvml, "under load")
        # Raises what a request has failed with.
        _ = running.requests
    return idle, loaded


def _observe(session: MonitoringSession, nvml: ModuleType, when: str) -> Utilization:
    with read_meanwhile(nvml) as readings:
        before = stated_by_nvidia_smi(COLUMN)
        session.wait_for_scrape(EXPORTER_JOB)
        stored = session.api.query(f'{RATIO}{{job="{JOB}",gpu="0"}}')
        after = stated_by_nvidia_smi(COLUMN)
    stated = [float(text) / 100 for text in (*before, *after) if not text.startswith("[")]
    return Utilization(when, readings, stated, stored[0].value if stored else None)


@contextmanager
def read_meanwhile(nvml: ModuleType) -> Iterator[list[float]]:
    """The readings of the first GPU, from the start of the block until after its end."""
    readings: list[float] = []

    def read() -> None:
        while True:
            last = thread.stopping.is_set()
            try:
                gpu = nvml.nvmlDeviceGetHandleByIndex(0)
                readings.append(nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100)
            except nvml.NVMLError:
                # This GPU has no such figure.
                return
            if last:
                return
            thread.stopping.wait(READING_SECONDS)

    thread = SamplingThread("gpu-utilization", read)
    thread.start()
    try:
        yield readings
    finally:
        thread.stop()
