"""Energy that the machine has used so far, where a counter of it can be read.

NVIDIA's GPUs count millijoules since the driver was loaded (`nvmlDeviceGetTotalEnergyConsumption`, Volta and
later). Intel's and AMD's processors count microjoules of each package, up to a limit after which they begin
with zero (docs.kernel.org/power/powercap/powercap.html); mostly only root may read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from support.programs.resource_usage import find_gpus

POWERCAP = Path("/sys/class/powercap")
# A package; `intel-rapl:0:1` is a part of one, and counted with it.
_PACKAGE = re.compile(r"intel-rapl:\d+")
MICROJOULE = 1e-6


class EnergyCounter(Protocol):
    """`source`: what is counted."""

    source: str

    def joules(self) -> float | None:
        """Since some moment; None when it cannot be read any more."""


class GpuMeter(Protocol):
    """What is needed of `support.programs.resource_usage.Gpus`."""

    def joules(self) -> float | None: ...

    def close(self) -> None: ...


@dataclass
class GpuEnergy:
    """All NVIDIA GPUs together."""

    gpus: GpuMeter
    source: str = "NVML"

    def joules(self) -> float | None:
        return self.gpus.joules()


@dataclass
class PackageEnergy:
    """All processor packages together."""

    packages: list[Path]
    source: str = "RAPL"
    _turns: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def joules(self) -> float | None:
        try:
            return MICROJOULE * sum(map(self._microjoules, self.packages))
        except (OSError, ValueError):
            return None

    def _microjoules(self, package: Path) -> int:
        """Goes on where the counter begins again; it has to be read once in each of its turns."""
        now = int((package / "energy_uj").read_text())
        last, turns = self._turns.get(package, (now, 0))
        if now < last:
            turns += 1
        self._turns[package] = now, turns
        return now + turns * int((package / "max_energy_range_uj").read_text())


def energy_counters(
    powercap: Path = POWERCAP, gpus: Callable[[], GpuMeter | None] = find_gpus
) -> list[EnergyCounter]:
    """Those of this machine that can be read; none on most."""
    found: list[EnergyCounter] = []
    meter = gpus()
    if meter is not None:
        if meter.joules() is None:
            meter.close()
        else:
            found.append(GpuEnergy(meter))
    # The domain `psys` is the whole machine with its packages.
    packages = sorted(one for one in powercap.glob("intel-rapl:*") if _is_package(one))
    processors = PackageEnergy(packages)
    if packages and processors.joules() is not None:
        found.append(processors)
    return found


def _is_package(domain: Path) -> bool:
    if not _PACKAGE.fullmatch(domain.name):
        return False
    try:
        return (domain / "name").read_text().startswith("package")
    except OSError:
        return False
