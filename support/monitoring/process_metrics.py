"""Resource use of a server as metrics for Prometheus: its process, and the GPUs of the machine.

mistral.rs has no such metrics. Names are those that exporters for one process use
(https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from support.errors import SettingsError
from support.programs.resource_usage import loaded_nvml

PROCESS_UP = "process_up"
# Name, help, method of psutil.Process, and how its result becomes a number: what has no `/proc`.
_BY_PSUTIL: tuple[tuple[str, str, Callable[[psutil.Process], float]], ...] = (
    ("process_resident_memory_bytes", "Resident memory", lambda process: process.memory_info().rss),
    ("process_start_time_seconds", "Start, Unix time", lambda process: process.create_time()),
)


def find_listener(port: int) -> int:
    """The process that listens on a TCP port; raises `SettingsError` when none is seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
        if listens and connection.pid is not None:
            return connection.pid
    raise SettingsError(
        f"no process that listens on port {port} is visible to this user; give its --pid, or run as its user"
    )


def require_own_address(host: str) -> None:
    """Raises `SettingsError` for another machine: what listens on the same port here is not its server."""
    try:
        addresses = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SettingsError(
            f"--target: {host!r} is unknown ({error}); give an address of this machine"
        ) from None
    for family, _, _, _, address in addresses:
        with suppress(OSError), socket.socket(family) as free:
            # Only an address of this machine can be bound.
            free.bind(address)
            return
    raise SettingsError(f"--target: {host} is another machine; run this on it")


class ListeningProcess:
    """The process that listens on a TCP port, and its successor when it has ended."""

    def __init__(self, port: int) -> None:
        """Raises `SettingsError` when none is seen."""
        self._port = port
        self._process = psutil.Process(find_listener(port))

    def pid(self) -> int | None:
        """None when it has ended, and nothing else listens there yet."""
        if not _runs(self._process):
            try:
                self._process = psutil.Process(find_listener(self._port))
            except (SettingsError, psutil.NoSuchProcess):
                return None
        return self._process.pid


def process_registry(pid: Callable[[], int | None]) -> CollectorRegistry:
    """Metrics of a process, and of the GPUs where there are any. A process that has ended has none.

    `pid`: called for each scrape; None while there is no process.
    """
    registry = CollectorRegistry()
    if sys.platform == "linux":
        ProcessCollector(pid=lambda: pid() or "none", registry=registry)
    registry.register(_ProcessByPsutil(pid, whole=sys.platform != "linux"))
    nvml = loaded_nvml()
    if nvml is not None:
        registry.register(GpuCollector(nvml))
    return registry


def _runs(process: psutil.Process) -> bool:
    """A child that has ended and that its parent has not waited for does not run."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _process(pid: int | None) -> psutil.Process | None:
    """None for one that does not run."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid) if pid is not None else None
        return process if process is not None and _runs(process) else None
    return None


class _ProcessByPsutil(Collector):
    """Whether it runs, its threads, and `whole`: also what `ProcessCollector` reads from `/proc` on Linux."""

    def __init__(self, pid: Callable[[], int | None], *, whole: bool) -> None:
        self._pid = pid
        self._whole = whole

    def collect(self) -> Iterator[Metric]:
        process = _process(self._pid())
        yield GaugeMetricFamily(PROCESS_UP, "Whether the process runs", value=process is not None)
        if process is None:
            return
        try:
            yield GaugeMetricFamily("process_threads", "Threads", value=process.num_threads())
            if self._whole:
                times = process.cpu_times()
                spent = times.user + times.system
                yield CounterMetricFamily("process_cpu_seconds_total", "CPU time, in all", value=spent)
                for name, text, value in _BY_PSUTIL:
                    yield GaugeMetricFamily(name, text, value=value(process))
        except psutil.Error:
            return


class GpuCollector(Collector):
    """NVIDIA GPUs. A figure that a GPU does not have is left out.

    Source: https://docs.nvidia.com/deploy/nvml-api/
    """

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml

    def collect(self) -> Iterator[Metric]:
        nvml = self._nvml
        figures: tuple[tuple[str, str, Callable[[object], float]], ...] = (
            ("gpu_memory_used_bytes", "Memory in use", lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used),
            ("gpu_memory_total_bytes", "Memory", lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total),
            (
                "gpu_utilization_ratio",
                "Share of the time in which a kernel ran",
                lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
            ),
            (
                "gpu_temperature_celsius",
                "Temperature",
                lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
            ),
            ("gpu_power_watts", "Power draw", lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
        )
        gpus = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        for name, text, read in figures:
            family = GaugeMetricFamily(name, text, labels=["gpu"])
            for number, gpu in enumerate(gpus):
                try:
                    family.add_metric([str(number)], read(gpu))
                except nvml.NVMLError:
                    continue
            yield family
