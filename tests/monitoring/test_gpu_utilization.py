"""Utilisation of a GPU: what NVML had meanwhile is right, all else is found. Its tools are stand-ins."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.errors import CheckFailed, NotSupported
from support.monitoring import gpu_utilization, resource_use
from support.monitoring.gpu_utilization import Utilization, observe_utilization, read_meanwhile
from support.monitoring.load import CountedRequest
from support.monitoring.prometheus_pair import ScrapeTarget
from support.monitoring.session import MonitoringSession
from support.programs.process import CompletedCommand
from support.waiting import wait_until
from tests.timeouts import PATIENCE


class Gpu:
    """One whose utilisation is 0 to 5 % without load, and 60 to 95 % with streams."""

    NVMLError = LookupError

    def __init__(self) -> None:
        self.streams = 0
        self.readings = 0
        self.has_figure = True
        self._idle, self._busy = itertools.cycle([0, 2, 5]), itertools.cycle([60, 80, 95])

    def percent(self) -> int:
        return next(self._busy if self.streams else self._idle)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - of NVML
        assert index == 0
        return index

    def nvmlDeviceGetUtilizationRates(self, _: int) -> Any:  # noqa: N802 - of NVML
        if not self.has_figure:
            raise self.NVMLError
        self.readings += 1
        return SimpleNamespace(gpu=self.percent())


class Session:
    """What of a session is needed. `stored`: the value in Prometheus at a scrape, in percent."""

    target = ScrapeTarget("http://127.0.0.1:9")

    def __init__(self, gpu: Gpu, stored: Callable[[], float | None]) -> None:
        self._gpu = gpu
        self._stored = stored
        self.api = SimpleNamespace(query=self._query)

    def wait_for_scrape(self, job: str) -> None:
        """Until NVML was read in each of its states."""
        assert job == "mistralrs-exporter"
        if self._gpu.has_figure:
            until = self._gpu.readings + 6
            wait_until("readings", lambda: self._gpu.readings >= until, timeout=PATIENCE)

    def _query(self, promql: str) -> list[Any]:
        assert promql == 'gpu_utilization_ratio{job="mistralrs",gpu="0"}'
        stored = self._stored()
        return [] if stored is None else [SimpleNamespace(value=stored / 100)]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """The GPU of this machine; users make it busy."""
    gpu = Gpu()

    @contextmanager
    def users(count: int, _request: Callable[[], CountedRequest]) -> Iterator[Any]:
        gpu.streams = count
        yield SimpleNamespace(requests=[])
        gpu.streams = 0

    monkeypatch.setattr(gpu_utilization, "loaded_nvml", lambda: gpu)
    monkeypatch.setattr(gpu_utilization, "users", users)
    state(monkeypatch, gpu.percent)
    return gpu


def state(monkeypatch: pytest.MonkeyPatch, percent: Callable[[], object]) -> None:
    """Have a stand-in for nvidia-smi print it."""

    def run(command: Sequence[str], *, within: float) -> CompletedCommand:
        assert command[0] == "nvidia-smi" and "--query-gpu=utilization.gpu" in command and within > 0
        return CompletedCommand((), 0, f"{percent()}\n", "", 0.1)

    monkeypatch.setattr(resource_use, "run_command", run)


def findings(gpu: Gpu, stored: Callable[[], float | None]) -> str:
    session = cast("MonitoringSession", Session(gpu, stored))
    return "\n".join(line for one in observe_utilization(session, "m") for line in one.findings())


def test_what_nvml_had_meanwhile_is_right(gpu: Gpu) -> None:
    assert findings(gpu, gpu.percent) == ""
    # Without load and with it.
    assert gpu.readings >= 12


@pytest.mark.parametrize(
    ("stored", "finding"),
    [
        (lambda: None, r"gpu_utilization_ratio is not in Prometheus without load\n"),
        # A value that stands still is right in one of the two only.
        (
            lambda: 2,
            r"^gpu_utilization_ratio is 0\.02 in Prometheus under load; NVML had 0\.6 to 0\.95 meanwhile$",
        ),
        (
            lambda: 80,
            r"^gpu_utilization_ratio is 0\.8 in Prometheus without load; NVML had 0 to 0\.05 meanwhile$",
        ),
        # A percentage, not a share.
        (lambda: 8000, r"is 80 in Prometheus without load.*\n.*is 80 in Prometheus under load"),
    ],
)
def test_what_prometheus_has_wrong_is_found(
    gpu: Gpu, stored: Callable[[], float | None], finding: str
) -> None:
    assert re.search(finding, findings(gpu, stored))


def test_a_figure_of_another_gpu_is_found(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    state(monkeypatch, lambda: 40)
    found = findings(gpu, gpu.percent).splitlines()
    assert found[0] == "gpu_utilization_ratio is 0.4 by nvidia-smi without load; NVML had 0 to 0.05 meanwhile"
    assert len(found) == 4


def test_a_gpu_without_the_figure_has_it_nowhere(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.has_figure = False
    state(monkeypatch, lambda: "[N/A]")
    assert findings(gpu, lambda: None) == ""
    assert "is 0.07 in Prometheus under load; NVML has none" in findings(gpu, lambda: 7)


def test_without_a_gpu_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_utilization, "loaded_nvml", lambda: None)
    with pytest.raises(NotSupported, match="needs an NVIDIA GPU"):
        findings(Gpu(), lambda: 0)


def test_a_load_that_fails_is_no_load(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        @property
        def requests(self) -> list[CountedRequest]:
            raise CheckFailed("a request of the load failed")

    @contextmanager
    def users(_count: int, _request: Callable[[], CountedRequest]) -> Iterator[Any]:
        yield Failed()

    monkeypatch.setattr(gpu_utilization, "users", users)
    with pytest.raises(CheckFailed, match="a request of the load failed"):
        findings(gpu, gpu.percent)


def test_readings_reach_beyond_the_block(gpu: Gpu) -> None:
    with read_meanwhile(cast("Any", gpu)) as readings:
        wait_until("a reading", lambda: readings, timeout=PATIENCE)
        inside = len(readings)
    assert len(readings) > inside
    assert "gpu-utilization" not in {thread.name for thread in threading.enumerate()}


def test_a_change_of_one_percent_may_be_missed() -> None:
    one = Utilization("without load", [0.1, 0.2], [0.09, 0.21], 0.21)
    assert [*one.findings()] == []
    assert len([*Utilization("without load", [0.1], [0.12], 0.08).findings()]) == 2
