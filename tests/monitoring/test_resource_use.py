"""Resource use by Prometheus beside that by the system: each difference is found."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.monitoring import resource_use
from support.monitoring.resource_use import GPU_TOLERANCES, PROCESS_TOLERANCES, Figure, of_gpu
from support.programs.process import CompletedCommand

MEMORY = "process_resident_memory_bytes"
MIB = 2.0**20


@pytest.mark.parametrize(
    ("name", "stored", "before", "after", "finding"),
    [
        (MEMORY, 1000 * MIB, 990 * MIB, 1010 * MIB, ""),
        (MEMORY, 1055 * MIB, 990 * MIB, 1010 * MIB, ""),
        (MEMORY, 1065 * MIB, 990 * MIB, 1010 * MIB, r"1\.11673e\+09 in Prometheus, 1\.03809e\+09 to"),
        (MEMORY, 30 * MIB, 20 * MIB, 20 * MIB, ""),
        (MEMORY, 0.0, 20 * MIB, 20 * MIB, r"is 0 in Prometheus"),
        (MEMORY, 20.0, 20 * MIB, 20 * MIB, r"is 20 in Prometheus"),
        ("process_cpu_seconds_total", 1.45, 1.4, 1.4, ""),
        ("process_cpu_seconds_total", 1.6, 1.4, 1.4, r"is 1\.6 in Prometheus"),
        ("process_threads", 14.0, 12, 12, ""),
        ("process_threads", 1.0, 12, 12, r"is 1 in Prometheus, 12 to 12 by the system"),
        ("process_open_fds", None, 12, 12, "^process_open_fds is not in Prometheus$"),
    ],
)
def test_figures_that_differ_are_found(
    name: str, stored: float | None, before: float, after: float, finding: str
) -> None:
    found = "\n".join(Figure(name, stored, before, after).findings(*PROCESS_TOLERANCES[name]))
    assert bool(found) is bool(finding)
    assert re.search(finding, found)


def test_figures_of_a_gpu_have_the_units_of_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of a stand-in for nvidia-smi."""
    commands: list[Any] = []

    def nvidia_smi(command: Any, *, within: float) -> CompletedCommand:
        commands.append((command, within))
        return CompletedCommand((), 0, "81559, 1024, 41, [N/A]\n", "", 0.1)

    monkeypatch.setattr(resource_use, "run_command", nvidia_smi)
    assert of_gpu() == {
        "gpu_memory_total_bytes": 81559 * MIB,
        "gpu_memory_used_bytes": 1024 * MIB,
        "gpu_temperature_celsius": 41.0,
    }
    assert "--query-gpu=memory.total,memory.used,temperature.gpu,power.draw" in commands[0][0]
    assert len(GPU_TOLERANCES) == 4
