"""The share of the CPU that other processes had, from the counters of the kernel."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.programs import cpu_contention
from support.programs.cpu_contention import CpuContention, CpuTimes, Interval, read_cpu_times, share_of_others
from support.waiting import wait_until
from tests.timeouts import PATIENCE

START = CpuTimes(busy=100.0, steal=1.0, own=50.0, waited=7.0)


@pytest.mark.parametrize(
    ("after", "share"),
    [
        (CpuTimes(120.0, 1.0, 70.0, 17.0), 0.0),  # all of it is the run's own
        (CpuTimes(120.0, 1.0, 60.0, 17.0), 0.5),  # half of both CPUs went to others
        (CpuTimes(110.0, 1.0, 50.0, 7.0), 0.0),  # others worked on a CPU that was free
        (CpuTimes(110.0, 1.0, 50.0, 8.0), 0.1),  # and were in the way for a second
        (CpuTimes(110.0, 6.0, 60.0, 7.0), 0.25),  # the hypervisor took it
        (CpuTimes(110.0, 1.0, 50.0, None), 0.5),  # the kernel does not count who waits
        (CpuTimes(90.0, 1.0, 70.0, 17.0), 0.0),  # a counter went back
    ],
)
def test_share_of_others(after: CpuTimes, share: float) -> None:
    assert share_of_others(START, after, seconds=10.0, cpus=2) == pytest.approx(share)


def test_no_time_has_no_share() -> None:
    assert share_of_others(START, START, seconds=0.0, cpus=2) == 0.0


def test_share_between_two_moments_is_the_mean_of_what_was_sampled() -> None:
    contention = CpuContention()
    contention.intervals += [Interval(0, 10, 0.0), Interval(10, 20, 0.8)]
    assert contention.share(0, 10) == 0.0
    assert contention.share(5, 15) == pytest.approx(0.4)
    assert contention.share(15, 99) == pytest.approx(0.8)
    assert contention.share(50, 60) == 0.0


def test_own_processes_count_as_own_and_those_of_others_do_not() -> None:
    before = read_cpu_times()
    ended = subprocess.run(
        [sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"],
        timeout=PATIENCE,
        check=True,
    )
    after = read_cpu_times()
    assert ended.returncode == 0
    assert after.own - before.own >= 0.4
    assert after.busy - before.busy >= 0.4


def test_a_kernel_without_pressure_information_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu_contention, "PRESSURE", tmp_path / "none")
    assert read_cpu_times().waited is None


def test_samples_are_taken_until_the_end() -> None:
    contention = CpuContention(interval=0.01)
    began = time.time()
    contention.start()
    wait_until("two samples", lambda: len(contention.intervals) > 1, timeout=PATIENCE)
    contention.stop()
    assert contention.intervals[0].start >= began - 1
    assert all(0.0 <= each.share <= 1.0 for each in contention.intervals)
