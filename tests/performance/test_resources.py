"""Resources during a load: memory of a process tree, energy by fake counters, a GPU in place of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.performance.resources import MIB, ResourceUse, ResourceWatch
from support.waiting import wait_until
from tests.timeouts import PATIENCE

HELD = 64 * MIB


@dataclass
class _Counter:
    """In place of NVML or RAPL: the readings before and after."""

    source: str
    readings: list[float | None]

    def joules(self) -> float | None:
        return self.readings.pop(0)


@dataclass
class _Gpus:
    """In place of NVML."""

    readings: Iterator[tuple[int, float]]
    closed: list[bool] = field(default_factory=list)
    uses: int = 0

    def use(self) -> tuple[int, float]:
        self.uses += 1
        return next(self.readings)

    def close(self) -> None:
        self.closed.append(True)


def watched(*counters: _Counter, pid: int | None = None) -> ResourceUse:
    watch = ResourceWatch(pid, counters, lambda: None)
    watch.start()
    return watch.stop()


def test_memory_is_the_largest_while_it_is_held() -> None:
    watch = ResourceWatch(os.getpid(), (), lambda: None, interval=0.005)
    watch.start()
    before = watch.memory()
    assert before is not None
    held = bytearray(os.urandom(1024)) * (HELD // 1024)
    wait_until("a sample", lambda: watch.peak > before + HELD // 2, timeout=PATIENCE)
    del held
    use = watch.stop()
    assert use.idle is not None
    assert use.peak is not None
    assert use.after is not None
    assert use.peak - use.idle > HELD / 2
    assert use.peak - use.after > HELD / 2
    assert use.others is not None


def test_a_server_at_a_url_has_no_memory_that_is_known() -> None:
    use = watched()
    assert (use.idle, use.peak, use.after, use.joules, use.gpu_percent, use.others) == (None,) * 6


@pytest.mark.parametrize(
    ("readings", "joules"),
    [
        ([[10.0, 25.0]], 15.0),
        ([[10.0, 25.0], [1.0, 2.0]], 16.0),
        # One of them stands still, or cannot be read any more: a part would pass for the whole.
        ([[10.0, 25.0], [1.0, 1.0]], None),
        ([[10.0, 25.0], [1.0, None]], None),
        ([], None),
    ],
)
def test_energy_is_that_of_all_counters(readings: list[list[float | None]], joules: float | None) -> None:
    use = watched(*(_Counter(f"counter {number}", one) for number, one in enumerate(readings)))
    assert use.joules == joules
    sources = " and ".join(f"counter {number}" for number in range(len(readings)))
    assert use.energy_source == ("" if joules is None else sources)


def test_the_use_of_a_gpu_is_a_mean_of_samples() -> None:
    gpus = _Gpus(iter([(100, 20.0), (300, 60.0), *[(200, 40.0)] * 10_000]))
    watch = ResourceWatch(None, (), lambda: gpus, interval=0.001)
    watch.start()
    wait_until("three samples", lambda: gpus.uses >= 3, timeout=PATIENCE)
    use = watch.stop()
    assert use.gpu_memory == 300
    assert use.gpu_percent == pytest.approx(40.0)
    assert gpus.closed == [True]
