"""Which metrics a version of mistral.rs has, with type and labels (`metric_table.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from support.errors import NotSupported
from support.monitoring.exposition import MetricsPage

TABLE = Path(__file__).with_name("metric_table.toml")
# Those of the engine that others read by name.
COMPLETED = "mistralrs_sequences_completed_total"
RUNNING = "mistralrs_sequences_running"
TOKENS = "mistralrs_tokens_processed_total"


@dataclass(frozen=True)
class Metric:
    """A metric as a version documents it."""

    name: str
    type: str
    labels: frozenset[str]

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
def _rows() -> Mapping[str, Mapping[str, object]]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def metrics_of(program: str, version: str) -> list[Metric]:
    """The metrics of a version; raises `NotSupported` for a program or a version that is not known."""
    found = []
    for name, row in _rows().items():
        programs = row["programs"]
        assert isinstance(programs, Mapping)
        labels = row["labels"]
        assert isinstance(labels, list)
        try:
            has = program in programs and SpecifierSet(programs[program]).contains(
                Version(version), prereleases=True
            )
        except InvalidVersion:
            has = False
        if has:
            found.append(Metric(name, str(row["type"]), frozenset(labels)))
    if not found:
        raise NotSupported(f"no metrics are listed for {program} {version}; set target_version")
    return found
