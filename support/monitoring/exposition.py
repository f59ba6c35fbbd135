"""The text exposition format of Prometheus: reading a page, and what is wrong with it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (Text format details, Histograms).
The official parser accepts most of what is wrong here (two equal series, a histogram without its last
bucket, a counter below zero), and Prometheus stores it or drops the whole scrape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from support.errors import CheckFailed
from support.monitoring.exposition_lines import Labels, MalformedLine, Sample, Stated, read_line, shown

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
# What the samples of a type have behind the name of the metric.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
# The label with the bound of a bucket, with the share of a quantile.
BOUND_LABELS = {"histogram": "le", "summary": "quantile"}
# Of a sum of many values, relative: that of floating point.
SUM_ERROR = 1e-6
MAX_FINDINGS = 5
MAX_LINE_CHARACTERS = 120


class MalformedPage(CheckFailed):
    """A page of metrics that Prometheus cannot read, or that contradicts itself. One line per finding."""


@dataclass(frozen=True)
class MetricsPage:
    """What a page contains, in its order. `types`: metric -> the type of each of its TYPE lines.

    `stated`: kind of a line (`HELP`, `TYPE`) -> metric -> these lines.
    """

    samples: Sequence[Sample]
    types: Mapping[str, Sequence[str]]
    stated: Mapping[str, Mapping[str, Sequence[Stated]]]

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
        """A type that is unknown, stated twice, missing, or stated after its first sample; a second text."""
        for kind, metrics in self.stated.items():
            for metric, lines in metrics.items():
                if len(lines) > 1:
                    texts = ", ".join(one.text if kind == "TYPE" else repr(one.text) for one in lines)
                    yield f"{metric} has {len(lines)} {kind} lines: {texts}"
        for metric, types in self.types.items():
            if types[0] not in TYPES:
                yield f"{metric} has the unknown type {types[0]!r}"
        for sample in self.samples:
            if self.type_of(sample.name) == "histogram":
                yield f"{sample} in line {sample.line} is no part of a histogram"
        yield from self._place_findings()

    def _place_findings(self) -> Iterator[str]:
        first: dict[str, Sample] = {}
        for sample in self.samples:
            first.setdefault(self.metric_of(sample.name), sample)
        for metric, sample in first.items():
            if metric not in self.types:
                yield f"{metric} has no TYPE line"
            for kind, metrics in self.stated.items():
                if metric in metrics and sample.line < metrics[metric][0].line:
                    yield f"the {kind} line of {metric} is below its first sample"

    def series_findings(self) -> Iterator[str]:
        """A series that is there twice, a reserved label, a metric whose samples do not stand together."""
        seen: dict[tuple[str, Labels], int] = {}
        for sample in self.samples:
            yield from (
                f"{sample} has the label {name}, which is reserved"
                for name, _ in sample.labels
                if name.startswith("__")
            )
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
        """What contradicts itself in a histogram or a summary.

        Buckets that are not cumulative, not in order, or no whole numbers; no bucket `+Inf`, or one that is
        not the count; no sum or count; a sum that no values in these buckets have; a quantile that is none.
        """
        for metric, types in self.types.items():
            if types[0] not in SUFFIXES:
                continue
            for labels, parts in self._parts(metric, BOUND_LABELS[types[0]]).items():
                findings = parts.findings() if types[0] == "histogram" else parts.summary_findings()
                yield from (f"{metric}{shown(labels)}{finding}" for finding in findings)

    def findings(self) -> list[str]:
        """All that is wrong with the page itself."""
        return [
            *self.type_findings(),
            *self.series_findings(),
            *self.value_findings(),
            *self.histogram_findings(),
        ]

    def _parts(self, metric: str, bound: str) -> dict[Labels, _Parts]:
        """By their labels without the one that has the bound."""
        found: dict[Labels, _Parts] = {}
        for sample in self.samples:
            if self.metric_of(sample.name) != metric:
                continue
            others = tuple((name, value) for name, value in sample.labels if name != bound)
            parts = found.setdefault(others, _Parts(bound))
            if sample.name == f"{metric}_sum":
                parts.sum = sample.value
            elif sample.name == f"{metric}_count":
                parts.count = sample.value
            else:
                parts.add(dict(sample.labels).get(bound), sample.value)
        return found


@dataclass
class _Parts:
    """One histogram, or one summary. `values` by bound, in the order of the page; `bound`: its label."""

    bound: str
    values: dict[float, float] = field(default_factory=dict)
    sum: float | None = None
    count: float | None = None
    wrong_bounds: list[str] = field(default_factory=list)

    def add(self, text: str | None, value: float) -> None:
        """The bound is a text: it may be missing, no number, or there twice as `1` and `1.0`."""
        try:
            bound = float(text or "nan")
        except ValueError:
            bound = math.nan
        name = f"{self.bound}={bound:g}"
        if math.isnan(bound):
            missing = f"a {self._value} has no label {self.bound}"
            self.wrong_bounds.append(missing if text is None else f"{self.bound}={text!r} is no bound")
        elif bound in self.values:
            self.wrong_bounds.append(f"the {self._value} {name} is there twice")
        else:
            if self.values and bound < max(self.values):
                self.wrong_bounds.append(f"the {self._value} {name} stands behind a higher one")
            self.values[bound] = value

    @property
    def _value(self) -> str:
        return "bucket" if self.bound == "le" else "quantile"

    def findings(self) -> Iterator[str]:
        """Of a histogram; each begins behind its name."""
        yield from self._common_findings()
        if math.inf not in self.values:
            yield ' has no bucket le="+Inf"'
        elif self.count is not None and self.values[math.inf] != self.count:
            yield f': its bucket le="+Inf" has {self.values[math.inf]:g}, its count is {self.count:g}'
        for bound, value in self.values.items():
            if math.isfinite(value) and value != int(value):
                yield f": its bucket le={bound:g} has {value:g}, which is no number of values"
        falls = False
        for low, high in itertools.pairwise(sorted(self.values)):
            if self.values[low] > self.values[high]:
                falls = True
                counts = f"{self.values[low]:g} and {self.values[high]:g}"
                yield f": its buckets le={low:g} and le={high:g} have {counts}"
        if not falls and self.values and self.sum is not None:
            yield from self._sum_findings(self.sum)

    def summary_findings(self) -> Iterator[str]:
        """Of a summary; each begins behind its name."""
        yield from self._common_findings()
        yield from (f": quantile={one:g} is not from 0 to 1" for one in self.values if not 0 <= one <= 1)

    def _common_findings(self) -> Iterator[str]:
        yield from (f": {finding}" for finding in self.wrong_bounds)
        if self.count is None or self.sum is None:
            yield f" has no {'_count' if self.count is None else '_sum'}"
        elif math.isfinite(self.count) and self.count != int(self.count):
            yield f": its count is {self.count:g}, which is no number of values"
        elif self.count == 0 and self.sum != 0:
            yield f": its sum is {self.sum:g} and its count is 0"

    def _sum_findings(self, total: float) -> Iterator[str]:
        """The values of a bucket lie between its bounds, so their sum does, too."""
        bounds = sorted(self.values)
        # Values below zero are in the first bucket; a histogram whose bounds are above zero has none.
        low_bound = 0.0 if bounds[0] > 0 else -math.inf
        least = most = counted = 0.0
        for bound in bounds:
            inside, counted = self.values[bound] - counted, self.values[bound]
            if inside:
                least, most = least + inside * low_bound, most + inside * bound
            low_bound = bound
        slack = SUM_ERROR * max(abs(total), 1.0)
        if not least - slack <= total <= most + slack:
            yield f": its sum is {total:g}; values in its buckets have one from {least:g} to {most:g}"


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
    stated: dict[str, dict[str, list[Stated]]] = {"TYPE": {}, "HELP": {}}
    for number, line in enumerate(text.split("\n"), 1):
        try:
            found = read_line(line, number)
        except MalformedLine as error:
            raise MalformedPage(f"line {number} {error}: {line[:MAX_LINE_CHARACTERS]!r}") from None
        if isinstance(found, Sample):
            samples.append(found)
        elif found is not None:
            stated[found.kind].setdefault(found.metric, []).append(found)
    types = {metric: [one.text for one in lines] for metric, lines in stated["TYPE"].items()}
    return MetricsPage(samples, types, stated)


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
