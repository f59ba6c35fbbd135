"""Faults of the record of GPUs: the exporter of the suite has other figures than NVML and nvidia-smi.

On a machine without a GPU both are a stand-in (`stand_in_gpu`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from support.fault_injection.stand_in_gpu import StandInNvml
from support.monitoring import gpu_utilization, process_metrics, resource_use
from support.monitoring.load import Users


def begin(change: Mapping[str, Any]) -> None:
    """From now on, in this process; an empty `change` leaves the figures as they are.

    `missing`: a metric that is. `metric`: one that is multiplied by `times`, and then increased by `plus`.
    `stuck`: one that stays as it was first.
    `first`: the index of the first GPU. `reversed`: their order is."""
    found = vars(process_metrics)["loaded_nvml"]()
    nvml = _installed_stand_in() if found is None else found
    for module in (gpu_utilization, process_metrics, resource_use):
        vars(module)["loaded_nvml"] = lambda: nvml
    collector = process_metrics.GpuCollector
    collect = collector.collect
    kept: dict[str, Sequence[Sample]] = {}
    type.__setattr__(collector, "collect", lambda own: changed(collect(own), change, kept))


def _installed_stand_in() -> ModuleType:
    """In place of NVML and nvidia-smi; it is under load while the users of the utilisation's check are."""
    stand_in = StandInNvml()
    users = vars(gpu_utilization)["users"]

    @contextmanager
    def observed(*arguments: Any) -> Iterator[Users]:
        with users(*arguments) as running:
            stand_in.is_under_load = True
            try:
                yield running
            finally:
                stand_in.is_under_load = False

    vars(gpu_utilization)["users"] = observed
    vars(resource_use)["run_command"] = stand_in.nvidia_smi
    return cast("ModuleType", stand_in)


def changed(
    metrics: Iterator[Metric], change: Mapping[str, Any], kept: dict[str, Sequence[Sample]]
) -> Iterator[Metric]:
    """The metrics of GPUs with a fault. `kept`: the first samples of each, for `stuck`."""
    for metric in metrics:
        if metric.name == change.get("missing"):
            continue
        first_samples = kept.setdefault(metric.name, metric.samples)
        samples = first_samples if metric.name == change.get("stuck") else metric.samples
        is_changed = metric.name == change.get("metric")
        times, plus = (change.get("times", 1), change.get("plus", 0)) if is_changed else (1, 0)
        labels = _labels(samples, change)
        metric.samples = [
            sample._replace(value=sample.value * times + plus, labels={"gpu": label})
            for sample, label in zip(samples, labels, strict=True)
        ]
        yield metric


def _labels(samples: Sequence[Sample], change: Mapping[str, Any]) -> Sequence[str]:
    """Of the GPUs, in the order of the samples."""
    labels = [str(int(sample.labels["gpu"]) + change.get("first", 0)) for sample in samples]
    return labels[::-1] if change.get("reversed") else labels
