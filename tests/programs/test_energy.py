"""Counters of energy: a GPU's, a processor's with its turns, and none where they cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import energy
from support.programs.energy import energy_counters


class _Gpu:
    """In place of NVML."""

    def __init__(self, *joules: float | None) -> None:
        self._joules = list(joules)
        self.closed = False

    def joules(self) -> float | None:
        return self._joules.pop(0)

    def close(self) -> None:
        self.closed = True


def package(folder: Path, name: str, kind: str, microjoules: int, limit: int = 1_000_000) -> Path:
    domain = folder / name
    domain.mkdir()
    (domain / "name").write_text(f"{kind}\n")
    (domain / "energy_uj").write_text(f"{microjoules}\n")
    (domain / "max_energy_range_uj").write_text(f"{limit}\n")
    return domain


def test_a_machine_without_counters_has_none(tmp_path: Path) -> None:
    assert energy_counters(tmp_path / "nowhere", lambda: None) == []


def test_gpus_that_do_not_count_are_left_out_and_closed(tmp_path: Path) -> None:
    gpu = _Gpu(None)
    assert energy_counters(tmp_path, lambda: gpu) == []
    assert gpu.closed


def test_gpus_and_packages_are_counted_apart(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 200_000)
    package(tmp_path, "intel-rapl:1", "package-1", 500_000)
    # A part of a package, and the whole machine: both have the same energy once more.
    package(tmp_path, "intel-rapl:0:0", "core", 100_000)
    package(tmp_path, "intel-rapl:2", "psys", 900_000)
    gpus, processors = energy_counters(tmp_path, lambda: _Gpu(5.0, 12.5))
    assert (gpus.source, gpus.joules()) == ("NVML", 12.5)
    assert processors.source == "RAPL"
    assert processors.joules() == pytest.approx(0.7)


def test_a_counter_goes_on_after_its_largest_value(tmp_path: Path) -> None:
    domain = package(tmp_path, "intel-rapl:0", "package-0", 900_000)
    (processors,) = energy_counters(tmp_path, lambda: None)
    before = processors.joules()
    (domain / "energy_uj").write_text("100000\n")
    after = processors.joules()
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(0.2)


def test_a_counter_that_becomes_unreadable_counts_nothing(tmp_path: Path) -> None:
    domain = package(tmp_path, "intel-rapl:0", "package-0", 900_000)
    (processors,) = energy_counters(tmp_path, lambda: None)
    (domain / "energy_uj").unlink()
    assert processors.joules() is None
    assert energy_counters(tmp_path, lambda: None) == []


def test_the_counters_of_this_machine_are_read() -> None:
    for counter in energy_counters():
        assert counter.joules() is not None
    assert energy.POWERCAP.is_absolute()
