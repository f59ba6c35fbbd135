"""Resource usage of the target during a run: one sample per second, one line per sample."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import psutil

from support.programs.process import managed_pids, process_tree
from support.programs.sampling import SamplingThread

SAMPLE_SECONDS = 1.0
# Finding all descendants costs more than reading their figures: it may take this share of a core, and is done
# less often where there are many processes.
DISCOVERY_CPU_SHARE = 0.004
# A worker of this run, whose children are the target's (support/runner/coordinator.py).
WORKER_MODULE = "support.runner.worker"


# The devices of the driver, and of the one in WSL. Without them the import is not needed.
_DEVICES = ("/dev/nvidiactl", "/dev/dxg")


class Gpus:
    """All NVIDIA GPUs of the machine. https://docs.nvidia.com/deploy/nvml-api/"""

    def __init__(self, nvml: ModuleType) -> None:
        """`nvml`: the module `pynvml`, initialised."""
        self._nvml = nvml
        self._handles = [
            nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())
        ]

    def use(self) -> tuple[int, float]:
        """Memory in use in bytes, all GPUs together, and the utilisation of the busiest in percent.

        Of the whole machine: a container cannot tell processes apart. A GPU without these figures counts 0.
        """
        memory, busiest = 0, 0.0
        for handle in self._handles:
            try:
                memory += int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
                busiest = max(busiest, float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
            except self._nvml.NVMLError:
                continue
        return memory, busiest

    def joules(self) -> float | None:
        """Energy since the driver was loaded, all GPUs together; None when one of them does not count it."""
        try:
            energies = [self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles]
        except self._nvml.NVMLError:
            return None
        return sum(energies) / 1000 if energies else None

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def find_gpus() -> Gpus | None:
    """None without an NVIDIA GPU or its driver."""
    nvml = loaded_nvml()
    if nvml is None:
        return None
    try:
        return Gpus(nvml)
    except nvml.NVMLError:
        return None


def loaded_nvml() -> ModuleType | None:
    """The module `pynvml`, initialised; None without an NVIDIA GPU or its driver."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in _DEVICES):
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    module: ModuleType = pynvml
    return module


@dataclass(frozen=True)
class Sample:
    """One line. `time` ISO 8601 in UTC; the target's processes together; 100 % is one core.

    The GPU's figures are those of the machine, empty (None) where there is none.
    """

    time: str
    processes: int
    cpu_percent: float
    memory_bytes: int
    threads: int
    open_files: int
    gpu_memory_bytes: int | None = None
    gpu_percent: float | None = None


MEGABYTE = 1e6
HEADER = [field.name for field in fields(Sample)]


@dataclass
class ResourceSampler:
    """Writes `file` (CSV with a header) from `start` to `stop`, in a thread of its own.

    `roots`: process ids whose trees are watched, read before each sample. `interval` in seconds.
    """

    file: Path
    _: KW_ONLY
    roots: Callable[[], Iterable[int]] = managed_pids
    tree: Callable[[int], list[psutil.Process]] = process_tree
    gpus: Callable[[], Gpus | None] = find_gpus
    interval: float = SAMPLE_SECONDS

    def __post_init__(self) -> None:
        self.samples: list[Sample] = []
        self.cost = 0.0
        # Why the file is incomplete.
        self.error: OSError | None = None
        self._members: dict[int, dict[int, psutil.Process]] = {}
        self._discovery_due = 0.0
        self._thread = SamplingThread("resource-record", self._run)
        # After `stop`, `cost` is known: the share of a core that the sampler took.
        self.start, self.stop = self._thread.start, self._thread.stop

    def sample(self, gpus: Gpus | None = None) -> Sample:
        """What all trees use now."""
        members = self._discover()
        cpu, memory, threads, files, seen = 0.0, 0, 0, 0, 0
        for member in members:
            try:
                with member.oneshot():
                    cpu += member.cpu_percent()
                    memory += member.memory_info().rss
                    threads += member.num_threads()
                seen += 1
                # Windows counts handles: files and more.
                if sys.platform == "win32":
                    files += member.num_handles()
                else:
                    files += member.num_fds()
            except (psutil.Error, OSError):
                continue
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        used = gpus.use() if gpus is not None else (None, None)
        return Sample(moment, seen, round(cpu, 1), memory, threads, files, *used)

    def _discover(self) -> list[psutil.Process]:
        """All processes of all trees; known ones are the same objects, which keep their last CPU time."""
        roots = set(self.roots())
        for root in self._members.keys() - roots:
            del self._members[root]
        began, due = time.thread_time(), time.monotonic() >= self._discovery_due
        for root in roots if due else roots - self._members.keys():
            known = self._members.get(root, {})
            self._members[root] = {
                member.pid: known.get(member.pid, member)
                for member in self.tree(root)
                if member.pid in known or not _is_harness(member)
            }
        if due:
            self._discovery_due = time.monotonic() + (time.thread_time() - began) / DISCOVERY_CPU_SHARE
        # A tree can be a part of another one.
        return list({pid: member for tree in self._members.values() for pid, member in tree.items()}.values())

    def _run(self) -> None:
        began, used = time.monotonic(), time.thread_time()
        gpus = self.gpus()
        try:
            with self.file.open("w", encoding="utf-8", newline="") as stream:
                lines = csv.writer(stream)
                lines.writerow(HEADER)
                due = began
                while True:
                    last = self._thread.stopping.is_set()
                    sample = self.sample(gpus)
                    self.samples.append(sample)
                    lines.writerow(astuple(sample))
                    stream.flush()
                    if last:
                        break
                    due = max(due + self.interval, time.monotonic())
                    self._thread.stopping.wait(due - time.monotonic())
        except OSError as error:
            # A full disk ends the record, not the run.
            self.error = error
        finally:
            self.cost = (time.thread_time() - used) / max(time.monotonic() - began, 1e-9)
            if gpus is not None:
                gpus.close()


def _is_harness(member: psutil.Process) -> bool:
    try:
        return WORKER_MODULE in member.cmdline()
    except (psutil.Error, OSError):
        return False
