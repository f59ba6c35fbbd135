"""Which metrics a version of mistral.rs has, with type and labels (`metric_table.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from support.errors import NotSupported
from support.monitoring.exposition import SUFFIXES, MetricsPage

TABLE = Path(__file__).with_name("metric_table.toml")
# Those of the engine that others read by name.
COMPLETED = "mistralrs_sequences_completed_total"
RUNNING = "mistralrs_sequences_running"
TOKENS = "mistralrs_tokens_processed_total"
# Of a request: at the start and the end of an answer mistral.rs' schedulers differ by these.
UNCERTAIN_TOKENS = 2


@dataclass(frozen=True)
class Metric:
    """A metric as a version documents it."""

    name: str
    type: str
    labels: frozenset[str]
    # What a server needs to have it; empty: every server has it.
    only_with: str = ""
    # Programs with their versions (PEP 440).
    programs: Mapping[str, str] = field(default_factory=dict, hash=False)

    def is_of(self, program: str, version: str) -> bool:
        """Whether this version of a program has it."""
        try:
            return program in self.programs and SpecifierSet(self.programs[program]).contains(
                Version(version), prereleases=True
            )
        except InvalidVersion:
            return False

    def findings(self, page: MetricsPage) -> Iterator[str]:
        """What of it is not on the page, or otherwise than documented."""
        samples = [sample for sample in page.samples if page.metric_of(sample.name) == self.name]
        if not samples:
            yield f"{self.name} is missing"
            return
        if page.type_of(self.name) != self.type:
            yield f"{self.name} is a {page.type_of(self.name)}, not a {self.type}"
        for labels in sorted({frozenset(dict(sample.labels)) - {"le"} for sample in samples}, key=sorted):
            if labels != self.labels:
                expected, found = (", ".join(sorted(names)) or "none" for names in (self.labels, labels))
                yield f"{self.name} has the labels {found}, not {expected}"


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def all_metrics() -> Mapping[str, Metric]:
    """Those of every version and program, also of optional features, by name."""
    return {name: _metric(name, row) for name, row in _rows().items()}


def metric_of_series(series: str, metrics: Mapping[str, Metric]) -> Metric | None:
    """The metric of a series, also of a part of a histogram."""
    if series in metrics:
        return metrics[series]
    base = next((series.removesuffix(end) for end in SUFFIXES["histogram"] if series.endswith(end)), "")
    found = metrics.get(base)
    return found if found is not None and found.type == "histogram" else None


def metrics_of(program: str, version: str) -> list[Metric]:
    """The metrics that a version always has; raises `NotSupported` for one that is not known."""
    metrics = all_metrics().values()
    found = [metric for metric in metrics if metric.is_of(program, version) and not metric.only_with]
    if not found:
        raise NotSupported(f"no metrics are listed for {program} {version}; set target_version")
    return found


def _metric(name: str, row: Mapping[str, Any]) -> Metric:
    return Metric(name, row["type"], frozenset(row["labels"]), row.get("only_with", ""), row["programs"])
