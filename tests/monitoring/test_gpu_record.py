"""Each kind of a wrong record of a GPU turns its check red, and is named.

NVML, nvidia-smi, the load and Prometheus are stand-ins: the suite has no GPU here. The page of the exporter,
which is changed, and the checks are the real ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from support.conformance.case_table import checks_of
from support.conformance.sequence import run_sequence
from support.fault_injection.catalogue import catalogue
from support.fault_injection.stand_in_gpu import GIB, Gpu, StandInNvml
from support.fault_injection.suite_process import ProcessFault
from support.http.client import ApiClient
from support.monitoring import gpu_utilization, process_metrics, resource_use
from support.monitoring.process_metrics import process_registry
from support.monitoring.prometheus_pair import ScrapeTarget
from support.monitoring.session import EXPORTER_JOB, MonitoringSession
from support.servers.endpoints import Endpoint

URL = "http://127.0.0.1:9"
FIGURES, UTILIZATION = "monitoring.resources.gpu", "monitoring.resources.gpu_utilization"
Change = Callable[[str], str]


class StandInMachine(StandInNvml):
    """Two GPUs, the first of which the server uses; their driver and nvidia-smi."""

    def __init__(self) -> None:
        super().__init__()
        self.gpus = [Gpu(1 * GIB, 3, 35, 60), Gpu(20 * GIB, 40, 75, 500)]

    def load_model(self) -> None:
        self.gpus[0] = Gpu(10 * GIB, 3, 45, 100)


class StandInSession(MonitoringSession):
    """A Prometheus that has the page of the exporter as `change` leaves it."""

    def __init__(self, change: Change) -> None:
        self.kept = {}
        self.target = ScrapeTarget(URL)
        self._change = change
        self._registry = process_registry(os.getpid)
        self._page = ""
        self.pair = cast("Any", SimpleNamespace(api=SimpleNamespace(query=self._query)))
        self.wait_for_scrape()

    def require_server(self) -> str:
        return URL

    def wait_until_scraped(self) -> Mapping[str, Any]:
        return {}

    def wait_for_scrape(self, job: str = EXPORTER_JOB) -> None:
        assert job == EXPORTER_JOB
        self._page = self._change(generate_latest(self._registry).decode())

    def _query(self, promql: str) -> list[Any]:
        found = re.fullmatch(r'(\w+)\{job="mistralrs",gpu="0"\}', promql)
        assert found, promql
        line = re.search(rf'^{found[1]}\{{gpu="0"\}} (.+)$', self._page, re.MULTILINE)
        return [SimpleNamespace(value=float(line[1]))] if line else []


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> StandInMachine:
    """With a load that makes the first GPU busy."""
    machine = StandInMachine()

    @contextmanager
    def users(_count: int, _request: object) -> Iterator[Any]:
        idle = machine.gpus[0]
        machine.gpus[0] = replace(idle, percent=80)
        yield SimpleNamespace(requests=[])
        machine.gpus[0] = idle

    for module in (gpu_utilization, process_metrics, resource_use):
        monkeypatch.setattr(module, "loaded_nvml", lambda: machine)
    monkeypatch.setattr(gpu_utilization, "users", users)
    monkeypatch.setattr(resource_use, "run_command", machine.nvidia_smi)
    return machine


def times(name: str, factor: float) -> Change:
    """This figure of each GPU in another unit."""

    def change(page: str) -> str:
        line = re.compile(rf"^({name}\{{.*\}}) (\S+)$", re.MULTILINE)
        return line.sub(lambda found: f"{found[1]} {float(found[2]) * factor}", page)

    return change


def stated(name: str, value: float) -> Change:
    """This figure of each GPU, whatever NVML has."""
    return lambda page: re.sub(rf"(?m)^({name}\{{.*\}}) \S+$", rf"\1 {value}", page)


def without(name: str) -> Change:
    return lambda page: re.sub(rf"(?m)^{name}\{{.*\n", "", page)


def of_the_other_gpu(page: str) -> str:
    return page.replace('gpu="0"', 'gpu="x"').replace('gpu="1"', 'gpu="0"').replace('gpu="x"', 'gpu="1"')


def counted_from_one(page: str) -> str:
    return page.replace('gpu="1"', 'gpu="2"').replace('gpu="0"', 'gpu="1"')


def stuck() -> Change:
    """The first page for ever."""
    pages: list[str] = []

    def change(page: str) -> str:
        pages.append(page)
        return pages[0]

    return change


USED, TOTAL, RATIO = "gpu_memory_used_bytes", "gpu_memory_total_bytes", "gpu_utilization_ratio"
WATTS, CELSIUS = "gpu_power_watts", "gpu_temperature_celsius"


def outcome(change: Change, check: str, machine: StandInMachine) -> Any:
    session = StandInSession(change)
    # The first page is that of the server without a model.
    machine.load_model()
    server = Endpoint("stand-in", "monitoring", URL, {"model": "default"}, surroundings=lambda: session)
    with closing(ApiClient(URL)) as client:
        return run_sequence(client, server, checks_of("monitoring")[check])


@pytest.mark.parametrize("check", [FIGURES, UTILIZATION])
def test_a_right_record_passes(machine: StandInMachine, check: str) -> None:
    found = outcome(str, check, machine)
    assert found.passed, found.reason


@pytest.mark.parametrize(
    ("change", "check", "finding"),
    [
        pytest.param(change, check, finding, id=f"{kind}: {check.rpartition('.')[2]} {number}")
        for number, (kind, change, check, finding) in enumerate(
            [
                ("never had", stated(USED, 30 * GIB), FIGURES, rf"{USED} is 3\.2\d*e\+10 in Prometheus"),
                (
                    "never had",
                    stated(RATIO, 0.4),
                    UTILIZATION,
                    rf"{RATIO} is 0\.4 .* without load; NVML had 0\.03",
                ),
                ("missing", without(USED), FIGURES, rf"{USED} is not in Prometheus"),
                ("missing", without(TOTAL), FIGURES, rf"{TOTAL} is not in Prometheus"),
                ("missing", without(CELSIUS), FIGURES, rf"{CELSIUS} is not in Prometheus"),
                ("missing", without(WATTS), FIGURES, rf"{WATTS} is not in Prometheus"),
                ("missing", without(RATIO), UTILIZATION, rf"{RATIO} is not in Prometheus without load"),
                ("stuck", stuck(), FIGURES, rf"{USED} is 1\.07374e\+09 in Prometheus, 1\.07374e\+10 to"),
                ("stuck", stuck(), UTILIZATION, rf"{RATIO} is 0\.03 .* under load; NVML had 0\.8 to 0\.8"),
                ("MiB", times(USED, 2**-20), FIGURES, rf"{USED} is 10240 in Prometheus"),
                ("MiB", times(TOTAL, 2**-20), FIGURES, rf"{TOTAL} is 81920 in Prometheus"),
                (
                    "milliwatts",
                    times(WATTS, 1000),
                    FIGURES,
                    rf"{WATTS} is 100000 in Prometheus, 100 to 100 by",
                ),
                (
                    "Fahrenheit",
                    stated(CELSIUS, 113),
                    FIGURES,
                    rf"{CELSIUS} is 113 in Prometheus, 45 to 45 by",
                ),
                ("percent", times(RATIO, 100), UTILIZATION, rf"{RATIO} is 3 in Prometheus without load"),
                ("of another GPU", of_the_other_gpu, FIGURES, rf"{USED} is 2\.14748e\+10 in Prometheus"),
                (
                    "of another GPU",
                    of_the_other_gpu,
                    UTILIZATION,
                    rf"{RATIO} is 0\.4 in Prometheus without load",
                ),
                ("wrong index", counted_from_one, FIGURES, rf"{USED} is not in Prometheus"),
                ("wrong index", counted_from_one, UTILIZATION, rf"{RATIO} is not in Prometheus without load"),
            ]
        )
    ],
)
def test_a_wrong_record_fails_its_check(
    machine: StandInMachine, change: Change, check: str, finding: str
) -> None:
    found = outcome(change, check, machine)
    assert not found.passed
    assert re.search(finding, found.reason), found.reason


@pytest.mark.parametrize(
    "name", [name for name, fault in catalogue().items() if fault.process.gpu is not None]
)
def test_each_fault_of_the_catalogue_fails_its_check(
    machine: StandInMachine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # `begin` changes the class for the rest of the process: here until the end of the test.
    monkeypatch.setattr(process_metrics.GpuCollector, "collect", process_metrics.GpuCollector.collect)
    fault = catalogue()[name]
    fault.process.begin()
    found = outcome(str, fault.checks[0], machine)
    assert not found.passed
    assert fault.names_problem(found.reason), found.reason


def test_a_stand_in_without_a_fault_passes(machine: StandInMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_metrics.GpuCollector, "collect", process_metrics.GpuCollector.collect)
    monkeypatch.setattr(process_metrics, "loaded_nvml", lambda: None)
    ProcessFault(gpu={}).begin()
    for check in (FIGURES, UTILIZATION):
        found = outcome(str, check, machine)
        assert found.passed, found.reason


def test_a_gpu_of_another_index_by_nvidia_smi_is_found(
    machine: StandInMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StandInMachine()
    other.gpus.reverse()
    monkeypatch.setattr(resource_use, "run_command", other.nvidia_smi)
    assert f"{USED} is 1.07374e+10 in Prometheus, 2.14748e+10 to" in outcome(str, FIGURES, machine).reason
    assert f"{RATIO} is 0.4 by nvidia-smi without load" in outcome(str, UTILIZATION, machine).reason
