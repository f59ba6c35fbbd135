"""Faults of the record of GPUs: the exporter of the suite has other figures than NVML and nvidia-smi.

On a machine without a GPU both are a stand-in (`stand_in_gpu`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, cast

from prometheus_client.metrics_core import Metric

from support.fault_injection.stand_in_gpu import StandInNvml
from support.monitoring import gpu_utilization, process_metrics, resource_use


def begin(change: Mapping[str, Any]) -> None:
    """From now on, in this process; an empty `change` leaves the figures as they are.

    `missing`: a metric that is. `metric`: one that is multiplied by `times`, and then increased by `plus`.
    `first`: the index of the first GPU."""
    found = vars(process_metrics)["loaded_nvml"]()
    if found is None:
        stand_in = StandInNvml()
        found = cast("ModuleType", stand_in)
        vars(resource_use)["run_command"] = stand_in.nvidia_smi
    nvml = found
    for module in (gpu_utilization, process_metrics, resource_use):
        vars(module)["loaded_nvml"] = lambda: nvml
    collector = process_metrics.GpuCollector
    collect = collector.collect
    type.__setattr__(collector, "collect", lambda own: changed(collect(own), change))


def changed(metrics: Iterator[Metric], change: Mapping[str, Any]) -> Iterator[Metric]:
    """The metrics of GPUs with a fault."""
    for metric in metrics:
        if metric.name == change.get("missing"):
            continue
        is_changed = metric.name == change.get("metric")
        times, plus = (change.get("times", 1), change.get("plus", 0)) if is_changed else (1, 0)
        first = change.get("first", 0)
        metric.samples = [
            sample._replace(
                value=sample.value * times + plus, labels={"gpu": str(int(sample.labels["gpu"]) + first)}
            )
            for sample in metric.samples
        ]
        yield metric
