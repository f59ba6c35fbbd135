"""The record of resources, with processes and GPUs that are made up, and with a real one."""

from __future__ import annotations

import contextlib
import csv
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import psutil
import pytest

from support.programs.resource_usage import HEADER, Gpus, ResourceSampler, Sample
from support.reporting.resource_chart import MAX_POINTS, Line, line_chart, resource_chart
from support.waiting import wait_until
from tests.timeouts import PATIENCE


class FakeProcess:
    def __init__(self, pid: int, memory: int = 1000, *, gone: bool = False, words: str = "serve") -> None:
        self.pid, self.memory, self.gone, self.words = pid, memory, gone, words.split()

    @contextlib.contextmanager
    def oneshot(self) -> Iterator[None]:
        yield

    def cpu_percent(self) -> float:
        if self.gone:
            raise psutil.NoSuchProcess(self.pid)
        return 12.5

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=self.memory)

    def cmdline(self) -> list[str]:
        return self.words

    def num_threads(self) -> int:
        return 3

    def num_fds(self) -> int:
        return 7


class FakeNvml:
    """Two GPUs, the second of which tells nothing."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.open = True

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if handle:
            raise self.NVMLError("not supported")
        return SimpleNamespace(used=5 * 2**30)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=40)

    def nvmlShutdown(self) -> None:
        self.open = False


def record(tmp_path: Path, trees: dict[int, list[FakeProcess]], **options: Any) -> ResourceSampler:
    return ResourceSampler(
        tmp_path / "resource-usage.csv",
        roots=lambda: list(trees),
        tree=lambda pid: cast("list[psutil.Process]", list(trees.get(pid, []))),
        **{"gpus": lambda: None, **options},
    )


def test_trees_are_added_up_and_none_counts_twice(tmp_path: Path) -> None:
    child = FakeProcess(2, memory=50)
    trees = {1: [child, FakeProcess(1)], 2: [child], 3: [FakeProcess(3, gone=True)]}
    sample = record(tmp_path, trees).sample()
    assert sample == Sample(sample.time, 2, 25.0, 1050, 6, 14)
    assert datetime.fromisoformat(sample.time).tzinfo is not None


def test_what_has_ended_is_forgotten_and_what_is_new_is_found(tmp_path: Path) -> None:
    trees = {1: [FakeProcess(1)]}
    made = record(tmp_path, trees)
    assert made.sample().processes == 1
    trees[9] = [FakeProcess(9)]
    assert made.sample().processes == 2, "a new tree is seen at once"
    trees[1].append(FakeProcess(4))
    wait_until(
        "a new child is seen after some samples", lambda: made.sample().processes == 3, timeout=PATIENCE
    )
    trees.clear()
    assert made.sample().processes == 0


def test_workers_of_the_run_are_no_part_of_the_target(tmp_path: Path) -> None:
    worker = FakeProcess(1, words="python -m support.runner.worker features")
    assert record(tmp_path, {1: [FakeProcess(2), worker]}).sample().processes == 1


def test_gpus_are_added_up_and_closed(tmp_path: Path) -> None:
    nvml = FakeNvml()
    made = record(tmp_path, {}, gpus=lambda: Gpus(cast("ModuleType", nvml)), interval=0.01)
    made.start()
    made.stop()
    assert (made.samples[-1].gpu_memory_bytes, made.samples[-1].gpu_percent) == (5 * 2**30, 40.0)
    assert not nvml.open


def test_file_grows_line_by_line_and_ends_well(tmp_path: Path) -> None:
    made = record(tmp_path, {1: [FakeProcess(1)]}, interval=0.02)
    made.start()
    file = tmp_path / "resource-usage.csv"
    wait_until("three lines", lambda: file.exists() and file.read_text().count("\n") >= 4, timeout=PATIENCE)
    made.stop()
    made.stop()
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == HEADER
    assert len(rows) == len(made.samples)
    assert {row["memory_bytes"] for row in rows} == {"1000"}
    assert {row["gpu_memory_bytes"] for row in rows} == {""}
    assert not any(thread.name == "resource-record" for thread in threading.enumerate())


def test_folder_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    made = record(tmp_path / "missing", {})
    made.start()
    made.stop()
    assert made.samples == []


@pytest.mark.engine
def test_real_tree_is_seen_for_next_to_nothing(tmp_path: Path) -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        made = ResourceSampler(tmp_path / "r.csv", roots=lambda: [process.pid])
        made.start()
        try:
            # The first of the two may have been seen alone, at its start.
            wait_until(
                "both are seen at work",
                lambda: any(s.processes == 2 and s.cpu_percent > 1 for s in made.samples),
                timeout=PATIENCE,
                seen=lambda: made.samples[-1:],
            )
        finally:
            made.stop()
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
    assert made.samples[-1].processes == 2
    assert made.samples[-1].memory_bytes > 1e6
    # Half a hundredth where this was written, the start included; others are slower.
    assert made.cost < 0.03, f"it took {made.cost:.2%} of a core"


def test_chart_is_an_image_with_a_panel_for_each_line() -> None:
    many = 5 * MAX_POINTS
    values = [0.0] * many
    values[1234] = 99.0
    svg = line_chart(list(range(many)), [Line("CPU < %", values), Line("Memory in MB", [1.0] * many)])
    root = ElementTree.fromstring(svg)
    titles = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU < %", "Memory in MB", "99"} <= set(titles)
    lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 2
    points = [point.split(",") for point in lines[0].attrib["points"].split()]
    assert len(points) <= MAX_POINTS
    assert min(float(y) for _, y in points) == 22, "the peak is there"


def test_each_panel_of_the_chart_names_its_unit_and_what_it_adds_up() -> None:
    one = Sample("2026-01-01T00:00:00Z", 2, 12.5, 1_000_000, 3, 7)
    titles = re.compile(r'<text class="t"[^>]*>(.*)</text>')
    own = [
        "CPU in % of a core, all processes together",
        "Memory in MB, all processes together",
        "Threads, all processes together",
        "Open files, all processes together",
    ]
    assert titles.findall(resource_chart([one])) == own
    with_gpu = replace(one, gpu_memory_bytes=1, gpu_percent=50.0)
    gpu = ["GPU memory in MB, of the whole machine", "GPU utilisation in %, of the busiest GPU"]
    assert titles.findall(resource_chart([one, with_gpu])) == own + gpu


def test_chart_of_nothing_is_still_an_image() -> None:
    ElementTree.fromstring(line_chart([], [Line("CPU in %", [])]))
