"""The text exposition format of Prometheus: reading a page, and what is wrong with it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (Text format details, Histograms).
The official parser accepts most of what is wrong here (two equal series, a histogram without its last
bucket, a counter below zero), and Prometheus stores it or drops the whole scrape.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from prometheus_client.parser import text_string_to_metric_families

from support.errors import CheckFailed

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
# What the samples of a type have behind the name of the metric.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
MAX_FINDINGS = 5
MAX_LINE_CHARACTERS = 120
_TYPE_LINE = re.compile(r"#\s+TYPE\s+(\S+)\s+(\S+)\s*")
Labels = tuple[tuple[str, str], ...]


class MalformedPage(CheckFailed):
    """A page of metrics that Prometheus cannot read, or that contradicts itself. One line per finding."""


@dataclass(frozen=True)
class Sample:
    """One line: a name with labels (sorted by name), and its value. `line`: its number on the page."""

    name: str
    labels: Labels
    value: float
    line: int

    def __str__(self) -> str:
        return f"{self.name}{shown(self.labels)}"


@dataclass(frozen=True)
class MetricsPage:
    """What a page contains, in its order. `types`: metric -> the type of each of its TYPE lines."""

    samples: Sequence[Sample]
    types: Mapping[str, Sequence[str]]
    type_lines: Mapping[str, int]

    @cached_property
    def series(self) -> Mapping[tuple[str, Labels], float]:
        """Value by name and labels; of a series that is there twice the last one."""
        return {(sample.name, sample.labels): sample.value for sample in self.samples}

    def type_of(self, metric: str) -> str:
        """`untyped` without a TYPE line, as Prometheus takes it."""
        return next(iter(self.types.get(metric, ())), "untyped")

    def metric_of(self, sample: str) -> str:
        """The metric that a sample belongs to: `x` for `x_bucket` of a histogram."""
        for metric in (sample.removesuffix(suffix) for suffix in ("_bucket", "_sum", "_count")):
            if metric != sample and sample.removeprefix(metric) in SUFFIXES.get(self.type_of(metric), ()):
                return metric
        return sample

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels; 0 when there are none."""
        wanted = labels.items()
        return math.fsum(s.value for s in self.samples if s.name == name and wanted <= dict(s.labels).items())

    def is_counter(self, sample: str) -> bool:
        """Whether it may not fall: a counter, or the buckets, the sum and the count of a histogram."""
        return self.type_of(self.metric_of(sample)) in ("counter", "histogram")

    def type_findings(self) -> Iterator[str]:
        """A type that is unknown, stated twice, missing, or stated after its first sample."""
        for metric, types in self.types.items():
            if len(types) > 1:
                yield f"{metric} has {len(types)} TYPE lines: {', '.join(types)}"
            if types[0] not in TYPES:
                yield f"{metric} has the unknown type {types[0]!r}"
        for sample in self.samples:
            if self.type_of(sample.name) == "histogram":
                yield f"{sample} in line {sample.line} is no part of a histogram"
        first: dict[str, Sample] = {}
        for sample in self.samples:
            first.setdefault(self.metric_of(sample.name), sample)
        for metric, sample in first.items():
            if metric not in self.types:
                yield f"{metric} has no TYPE line"
            elif sample.line < self.type_lines[metric]:
                yield f"the TYPE line of {metric} is below its first sample"

    def series_findings(self) -> Iterator[str]:
        """A series that is there twice, and a metric whose samples do not stand together."""
        seen: dict[tuple[str, Labels], int] = {}
        for sample in self.samples:
            other = seen.setdefault((sample.name, sample.labels), sample.line)
            if other != sample.line:
                yield f"{sample} is there twice: lines {other} and {sample.line}"
        ended: set[str] = set()
        last = ""
        for sample in self.samples:
            metric = self.metric_of(sample.name)
            if metric != last:
                if metric in ended:
                    yield f"{metric} goes on in line {sample.line}, behind another metric"
                ended.add(last)
                last = metric

    def value_findings(self) -> Iterator[str]:
        """A value that is no finite number, and a counter below zero."""
        for sample in self.samples:
            if not math.isfinite(sample.value):
                yield f"{sample} is {sample.value}"
            elif sample.value < 0 and self.is_counter(sample.name):
                yield f"{sample} is a counter and has the value {sample.value:g}"

    def histogram_findings(self) -> Iterator[str]:
        """Buckets that are not cumulative, no bucket `+Inf`, one that is not the count, no sum or count."""
        for metric in (name for name, types in self.types.items() if types[0] == "histogram"):
            for labels, parts in self._histograms(metric).items():
                name = f"{metric}{shown(labels)}"
                bounds = sorted(parts.buckets)
                yield from (f"{name}: {finding}" for finding in parts.findings)
                if parts.count is None or parts.sum is None:
                    yield f"{name} has no {'_count' if parts.count is None else '_sum'}"
                if not bounds or bounds[-1] != math.inf:
                    yield f'{name} has no bucket le="+Inf"'
                elif parts.count is not None and parts.buckets[math.inf] != parts.count:
                    last = parts.buckets[math.inf]
                    yield f'{name}: its bucket le="+Inf" has {last:g}, its count is {parts.count:g}'
                for low, high in itertools.pairwise(bounds):
                    if parts.buckets[low] > parts.buckets[high]:
                        counts = f"{parts.buckets[low]:g} and {parts.buckets[high]:g}"
                        yield f"{name}: its buckets le={low:g} and le={high:g} have {counts}"

    def findings(self) -> list[str]:
        """All that is wrong with the page itself."""
        return [
            *self.type_findings(),
            *self.series_findings(),
            *self.value_findings(),
            *self.histogram_findings(),
        ]

    def _histograms(self, metric: str) -> dict[Labels, _Histogram]:
        found: dict[Labels, _Histogram] = {}
        for sample in self.samples:
            if self.metric_of(sample.name) != metric:
                continue
            others = tuple((name, value) for name, value in sample.labels if name != "le")
            parts = found.setdefault(others, _Histogram({}))
            if sample.name.endswith("_bucket"):
                parts.add_bucket(dict(sample.labels).get("le"), sample.value)
            elif sample.name.endswith("_sum"):
                parts.sum = sample.value
            elif sample.name.endswith("_count"):
                parts.count = sample.value
        return found


@dataclass
class _Histogram:
    buckets: dict[float, float]
    sum: float | None = None
    count: float | None = None
    findings: list[str] = field(default_factory=list)

    def add_bucket(self, le: str | None, value: float) -> None:
        """Its bound is a text: it may be missing, no number, or there twice as `1` and `1.0`."""
        try:
            bound = float(le or "nan")
        except ValueError:
            bound = math.nan
        if math.isnan(bound):
            self.findings.append("a bucket has no label le" if le is None else f"le={le!r} is no bound")
        elif bound in self.buckets:
            self.findings.append(f"the bucket le={bound:g} is there twice")
        else:
            self.buckets[bound] = value


def read_page(text: str) -> MetricsPage:
    """Raises `MalformedPage` when Prometheus could not read it.

    An empty page is valid: a server that makes each series on its first event has none when it starts.
    """
    if text.lstrip()[:1] == "<":
        raise MalformedPage("the page is HTML or XML, not the text format of Prometheus")
    if text and not text.endswith("\n"):
        end = text.rpartition("\n")[2][:MAX_LINE_CHARACTERS]
        raise MalformedPage(f"the page is cut off: its last line has no line feed: {end!r}")
    samples: list[Sample] = []
    types: dict[str, list[str]] = {}
    type_lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            stated = _TYPE_LINE.fullmatch(line)
            if stated:
                types.setdefault(stated[1], []).append(stated[2])
                type_lines.setdefault(stated[1], number)
        elif line.strip():
            samples.append(_read_sample(line, number))
    return MetricsPage(samples, types, type_lines)


def _read_sample(line: str, number: int) -> Sample:
    try:
        # A line by itself: the parser renames the samples of a counter whose name does not end with `_total`.
        found = next(iter(text_string_to_metric_families(line))).samples[0]
        # The parser gives an integer of any size.
        value = float(found.value)
    except (ValueError, OverflowError, IndexError, StopIteration):
        raise MalformedPage(f"line {number} is no sample: {line[:MAX_LINE_CHARACTERS]!r}") from None
    return Sample(found.name, tuple(sorted(found.labels.items())), value, number)


def shown(labels: Labels) -> str:
    """`{path="/v1",status="200"}`, or nothing."""
    inside = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def changes(before: MetricsPage, after: MetricsPage) -> Iterator[str]:
    """What may not change while a server runs: a type, a counter that falls or is gone."""
    for metric, types in before.types.items():
        if metric in after.types and after.types[metric][0] != types[0]:
            yield f"{metric} was a {types[0]} and is a {after.types[metric][0]}"
    for (name, labels), value in before.series.items():
        if not before.is_counter(name):
            continue
        now = after.series.get((name, labels))
        if now is None:
            yield f"{name}{shown(labels)} is gone; it was {value:g}"
        elif now < value:
            yield f"{name}{shown(labels)} fell from {value:g} to {now:g}"


def require_none(findings: Sequence[str]) -> None:
    """Raises `MalformedPage` with the first of them."""
    if findings:
        more = [f"... and {len(findings) - MAX_FINDINGS} more"] if len(findings) > MAX_FINDINGS else []
        raise MalformedPage("\n".join([*findings[:MAX_FINDINGS], *more]))
