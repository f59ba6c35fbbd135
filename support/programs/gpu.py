"""NVIDIA's management library, where there is one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

# The devices of the driver, and of the one in WSL. Without them the import is not needed.
_DEVICES = ("/dev/nvidiactl", "/dev/dxg")


class Gpus:
    """All NVIDIA GPUs of the machine. https://docs.nvidia.com/deploy/nvml-api/"""

    def __init__(self, nvml: ModuleType) -> None:
        """`nvml`: the module `pynvml`, initialised."""
        self._nvml = nvml
        self._handles = [
            nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())
        ]

    def use(self) -> tuple[int, float]:
        """Memory in use in bytes, all GPUs together, and the utilisation of the busiest in percent.

        Of the whole machine: a container cannot tell processes apart. A GPU without these figures counts 0.
        """
        memory, busiest = 0, 0.0
        for handle in self._handles:
            try:
                memory += int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
                busiest = max(busiest, float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
            except self._nvml.NVMLError:
                continue
        return memory, busiest

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def find_gpus() -> Gpus | None:
    """None without an NVIDIA GPU or its driver."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in _DEVICES):
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return Gpus(pynvml)
    except pynvml.NVMLError:
        return None
