"""Metrics of a process and of GPUs, beside what psutil and a stand-in for NVML state."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import httpx
import psutil
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from support.cli import main
from support.errors import EXIT_USAGE
from support.monitoring import process_metrics
from support.monitoring.exposition import MetricsPage, read_page
from support.monitoring.metrics_endpoint import served
from support.monitoring.process_metrics import (
    PROCESS_UP,
    ListeningProcess,
    find_listener,
    process_registry,
)
from support.programs.launcher import free_port
from tests.http.tiny_server import TinyServer, json_reply
from tests.timeouts import PATIENCE

# Twenty threads and a few megabytes, until its input ends.
PROGRAM = (
    "import sys, threading; kept = bytearray(40_000_000)\n"
    "for _ in range(19): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    "print('ready', flush=True); sys.stdin.read()"
)


class NoFigure(Exception):
    """Of a GPU without power management."""


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield psutil.Process(started.pid)
    finally:
        started.kill()
        started.communicate()


def page(registry: CollectorRegistry) -> MetricsPage:
    with served(registry) as url:
        return read_page(httpx.get(url, trust_env=False).text)


def test_figures_of_a_process_are_those_of_psutil(process: psutil.Process) -> None:
    found = page(process_registry(lambda: process.pid))
    assert found.findings() == []
    memory = process.memory_info().rss
    assert found.total("process_resident_memory_bytes") == pytest.approx(memory, rel=0.05)
    assert memory > 40_000_000
    assert found.total("process_threads") == process.num_threads() == 20
    assert found.total("process_open_fds") == process.num_fds()
    times = process.cpu_times()
    assert found.total("process_cpu_seconds_total") == pytest.approx(times.user + times.system, abs=0.1)
    assert found.type_of("process_cpu_seconds_total") == "counter"


def test_without_proc_psutil_has_the_same_figures(
    process: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds")
    linux = page(process_registry(lambda: process.pid))
    monkeypatch.setattr("support.monitoring.process_metrics.sys.platform", "darwin")
    other = page(process_registry(lambda: process.pid))
    for name in names:
        assert other.total(name) == pytest.approx(linux.total(name), rel=0.05, abs=0.1)


def test_a_process_that_has_ended_has_no_figures(process: psutil.Process) -> None:
    registry = process_registry(lambda: process.pid)
    process.kill()
    process.wait(PATIENCE)
    assert not [sample for sample in page(registry).samples if sample.value]


def test_the_next_process_of_the_port_follows_the_one_that_ended() -> None:
    port = free_port()
    # As long as its input is open.
    program = (
        f"import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print(); sys.stdin.read()"
    )
    registry, pids = None, []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as started:
            assert started.stdout is not None
            started.stdout.readline()
            pids.append(started.pid)
            registry = registry or process_registry(ListeningProcess(port).pid)
            found = page(registry)
            assert found.total(PROCESS_UP) == 1
            age = psutil.Process(started.pid).create_time() - found.total("process_start_time_seconds")
            assert abs(age) < 0.1
        ended = page(registry)
        assert [(sample.name, sample.value) for sample in ended.samples if "process" in sample.name] == [
            (PROCESS_UP, 0)
        ]
    assert pids[0] != pids[1]


def nvml(gpus: Sequence[Any]) -> Any:
    def power(gpu: Any) -> int:
        if gpu.milliwatts is None:
            raise NoFigure
        return cast(int, gpu.milliwatts)

    return SimpleNamespace(
        NVMLError=NoFigure,
        NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetCount=lambda: len(gpus),
        nvmlDeviceGetHandleByIndex=lambda number: gpus[number],
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=gpu.used, total=8_000_000_000),
        nvmlDeviceGetUtilizationRates=lambda _gpu: SimpleNamespace(gpu=25),
        nvmlDeviceGetTemperature=lambda _gpu, _sensor: 61,
        nvmlDeviceGetPowerUsage=power,
    )


def test_figures_of_gpus_have_their_units(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [
        SimpleNamespace(used=1_000_000_000, milliwatts=70_500),
        SimpleNamespace(used=2_000_000_000, milliwatts=None),
    ]
    monkeypatch.setattr(process_metrics, "loaded_nvml", lambda: nvml(gpus))
    found = page(process_registry(lambda: psutil.Process().pid))
    assert found.findings() == []
    assert found.total("gpu_memory_used_bytes", gpu="1") == 2_000_000_000
    assert found.total("gpu_utilization_ratio", gpu="0") == 0.25
    assert found.total("gpu_temperature_celsius", gpu="0") == 61
    watts = [sample for sample in found.samples if sample.name == "gpu_power_watts"]
    assert [(sample.labels, sample.value) for sample in watts] == [((("gpu", "0"),), 70.5)]


def test_the_process_of_a_port_is_found() -> None:
    server = TinyServer(json_reply({}))
    try:
        assert find_listener(int(server.address.rpartition(":")[2])) == psutil.Process().pid
    finally:
        server.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "give --target with the URL of a server on this machine, or --pid"),
        ("--pid 1 --target http://127.0.0.1:1", "give --target with the URL"),
        ("--pid 4194304", "--pid 4194304: no such process"),
        ("--pid none", "'none' is no whole number from 1"),
        ("--target http://127.0.0.1", "give a URL with a port"),
        ("--target http://127.0.0.1:99999", "give a URL with a port"),
        ("--target http://127.0.0.1:{free}", "no process that listens on port"),
        ("--target http://192.0.2.1:{free}", "192.0.2.1 is another machine; run this on it"),
        ("--target http://nobody.invalid:{free}", "'nobody.invalid' is unknown"),
    ],
)
def test_wrong_usage_is_one_line(arguments: str, message: str) -> None:
    words = arguments.format(free=free_port()).split()
    done = CliRunner().invoke(main, ["exporter", *words])
    assert done.exit_code == EXIT_USAGE
    assert re.fullmatch(rf"acceptance(?: exporter)?: .*{re.escape(message)}.*\n", done.output)


def test_it_ends_with_the_process_or_by_a_signal(process: psutil.Process) -> None:
    command = [sys.executable, "-c", "from support.cli import main; main()", "exporter"]
    command += ["--pid", str(process.pid)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for one in running:
            assert one.stdout is not None
            assert f"metrics of process {process.pid}: http://" in one.stdout.readline()
        running[0].send_signal(signal.SIGTERM)
        output, _ = running[0].communicate(timeout=PATIENCE)
        assert (running[0].returncode, output.rstrip().endswith("stopped")) == (0, True)
        process.kill()
        process.wait(PATIENCE)
        _, error = running[1].communicate(timeout=PATIENCE)
        assert running[1].returncode == EXIT_USAGE
        assert f"process {process.pid} has ended" in error
    finally:
        for one in running:
            one.kill()
            one.communicate()


def test_with_a_target_it_outlives_the_process() -> None:
    listener = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", f"{listener}; s.accept()"], stdout=subprocess.PIPE, text=True
    )
    exporter: subprocess.Popen[str] | None = None
    try:
        assert server.stdout is not None
        target = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        command = [sys.executable, "-c", "from support.cli import main; main()", "exporter"]
        exporter = subprocess.Popen([*command, "--target", target], stdout=subprocess.PIPE, text=True)
        assert exporter.stdout is not None
        line = exporter.stdout.readline()
        assert f"metrics of process {server.pid}: http://" in line
        url = line.split()[-1]
        assert f"{PROCESS_UP} 1.0" in httpx.get(url, trust_env=False).text
        server.kill()
        server.wait(PATIENCE)
        assert f"{PROCESS_UP} 0.0" in httpx.get(url, trust_env=False).text
        exporter.send_signal(signal.SIGTERM)
        output, _ = exporter.communicate(timeout=PATIENCE)
        assert (exporter.returncode, output.rstrip().endswith("stopped")) == (0, True)
    finally:
        for one in filter(None, (server, exporter)):
            one.kill()
            one.wait()
            assert one.stdout is not None
            one.stdout.close()
