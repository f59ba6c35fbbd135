"""What a machine is: figures of another one, or of the same one at another clock rate, are not compared."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from support.performance.machine_state import GOVERNOR

CPU_INFO = Path("/proc/cpuinfo")
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class MachineProfile:
    """`cpu`: its model; `governor`: of the frequency of its first core, empty where there is none."""

    cpu: str
    cores: int
    governor: str

    @staticmethod
    def of_this_machine() -> MachineProfile:
        named = _MODEL.search(_text(CPU_INFO))
        cpu = named[1] if named else platform.processor() or platform.machine()
        return MachineProfile(" ".join(cpu.split()), os.cpu_count() or 1, _text(GOVERNOR).strip())

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, governor {self.governor or 'none'}"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
