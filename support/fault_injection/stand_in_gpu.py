"""NVML and nvidia-smi of a machine without a GPU: a stand-in with two of them.

Its figures are constant, but for the utilisation of the first one, which is higher under load.

Only for `acceptance prove` and tests: the checks of a GPU's figures are run with a fault and without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from support.programs.process import CompletedCommand

GIB = 2**30
PERCENT_UNDER_LOAD = 90


@dataclass(frozen=True)
class Gpu:
    """What a GPU has at the moment: bytes, degrees Celsius, watts. `percent`: its utilisation."""

    used: int
    percent: int
    celsius: int
    watts: int
    total: int = 80 * GIB

    @property
    def columns(self) -> Mapping[str, float]:
        """Of nvidia-smi, in its units."""
        return {
            "memory.total": self.total / 2**20,
            "memory.used": self.used / 2**20,
            "temperature.gpu": self.celsius,
            "power.draw": self.watts,
            "utilization.gpu": self.percent,
        }


class StandInNvml:
    """What the suite uses of `pynvml` (https://docs.nvidia.com/deploy/nvml-api/), and nvidia-smi."""

    NVMLError = LookupError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        self.gpus = [Gpu(10 * GIB, 30, 45, 100), Gpu(20 * GIB, 40, 75, 500)]
        self.is_under_load = False

    def gpu(self, index: int) -> Gpu:
        """What it has at the moment."""
        is_busy = self.is_under_load and index == 0
        return replace(self.gpus[index], percent=PERCENT_UNDER_LOAD) if is_busy else self.gpus[index]

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - of NVML
        """How many there are."""
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - of NVML
        """What the other calls are given."""
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Gpu:  # noqa: N802 - of NVML
        """Bytes, as `used` and `total`."""
        return self.gpu(handle)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802 - of NVML
        """Percent, as `gpu`."""
        return SimpleNamespace(gpu=self.gpu(handle).percent)

    def nvmlDeviceGetTemperature(self, handle: int, _: int) -> int:  # noqa: N802 - of NVML
        """Degrees Celsius."""
        return self.gpu(handle).celsius

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802 - of NVML
        """Milliwatts."""
        return 1000 * self.gpu(handle).watts

    def nvidia_smi(self, command: Sequence[str], *, within: float) -> CompletedCommand:
        """The columns of `--query-gpu` of the GPU of `--id=0`, as CSV without units."""
        if command[0] != "nvidia-smi" or "--id=0" not in command or within <= 0:
            raise ValueError(f"the stand-in has no such command: {' '.join(command)}")
        query = next(word for word in command if word.startswith("--query-gpu="))
        row = ", ".join(f"{self.gpu(0).columns[name]:g}" for name in query.partition("=")[2].split(","))
        return CompletedCommand((), 0, f"{row}\n", "", 0.1)
