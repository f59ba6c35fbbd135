"""What the panels of a dashboard show: each query with the values of variables, on a running Prometheus."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import time as now

from support.monitoring.dashboard import dashboard, objectives
from support.monitoring.dashboard_queries import (
    PanelQuery,
    TimeRange,
    chosen,
    filled_in,
    panels_of,
    queries_of,
)
from support.monitoring.metric_table import all_metrics, metric_of_series
from support.monitoring.prometheus_api import PrometheusApi, Series
from support.monitoring.promql import parse, selectors
from support.units import JsonObject
from support.waiting import WaitTimeout, wait_until

# Programs beside the server whose series are always there.
ALWAYS = "prometheus"
SHOWN_SECONDS = 30.0
LOAD_SECONDS = 30.0
# Of a line in a panel, so that a reader sees one.
MIN_POINTS = 5


@dataclass(frozen=True)
class QueryData:
    """The series of a query that have a finite value; `error`: of Prometheus."""

    query: PanelQuery
    unit: str
    series: Sequence[Series] = ()
    error: str = ""

    def finding(self) -> str:
        """What is wrong with them, or nothing."""
        name = f"{self.query.panel} {self.query.name}"
        if self.error:
            return f"{name}: {self.error}"
        if not self.series:
            return f"{name} has no data: {self.query.expression}"
        values = [value for one in self.series for _, value in one.points]
        if self.unit == "percentunit" and not all(0 <= value <= 1 for value in values):
            return f"{name}: a share from {min(values):g} to {max(values):g}"
        points = max(len(one.points) for one in self.series)
        if not self.query.instant and points < MIN_POINTS:
            return f"{name} has {points} points; expected {MIN_POINTS} or more"
        if min(values) < 0:
            return f"{name} has the value {min(values):g}"
        return ""


@dataclass
class DashboardData:
    """What a dashboard shows at a time. `choices`: the values of its variables; `findings`: what is wrong."""

    time: TimeRange
    choices: Mapping[str, Sequence[str]]
    data: Sequence[QueryData]
    findings: Sequence[str]


@dataclass(frozen=True)
class Scraped:
    """What a Prometheus scrapes: a server of a program and version, and programs of the table beside it."""

    program: str
    version: str
    beside: Collection[str] = ()


def observe(api: PrometheusApi, scraped: Scraped, scrape_seconds: float) -> DashboardData:
    """What the dashboard shows in the last minute."""
    document, end = dashboard(), now()
    time = TimeRange(end - SHOWN_SECONDS, end, scrape_seconds, scrape_seconds)
    values = choices(api, document, time)
    data = read_panels(api, document, time, values)
    return DashboardData(time, values, data, findings(data, scraped))


def observe_under_load(
    api: PrometheusApi,
    scraped: Scraped,
    scrape_seconds: float,
    send: Callable[[], object],
    seconds: float = LOAD_SECONDS,
) -> DashboardData:
    """The same while `send` is called, until nothing is wrong: a rate needs two scrapes of a series."""
    seen: list[DashboardData] = []

    def complete() -> bool:
        send()
        seen.append(observe(api, scraped, scrape_seconds))
        return not seen[-1].findings

    with contextlib.suppress(WaitTimeout):
        wait_until("data for every panel", complete, timeout=seconds)
    return seen[-1]


def choices(api: PrometheusApi, document: JsonObject, time: TimeRange) -> dict[str, list[str]]:
    """The values that each variable offers: those of a label in the time range, or the listed ones."""
    found: dict[str, list[str]] = {}
    for variable in document["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "custom":
            found[name] = [variable["current"]["value"]]
        elif variable["type"] == "query":
            query, _, label = variable["query"]["query"].removeprefix("label_values(").rpartition(", ")
            known = {other: chosen(values) for other, values in found.items()}
            series = filled_in(query, {**time.built_in(), **known})
            span, label = time.built_in()["__range"], label.removesuffix(")")
            offered = api.query(f"group by ({label}) (last_over_time({series}[{span}]))", time.end)
            found[name] = sorted(one.labels[label] for one in offered if label in one.labels)
    return found


def read_panels(
    api: PrometheusApi, document: JsonObject, time: TimeRange, values: Mapping[str, Sequence[str]]
) -> list[QueryData]:
    """Every query of the dashboard, from top to bottom."""
    known = {**time.built_in(), **{name: chosen(each) for name, each in values.items()}}
    units = {panel["title"]: panel["fieldConfig"]["defaults"]["unit"] for panel in panels_of(document)}
    found = []
    for query in queries_of(document):
        unit = units[query.panel]
        try:
            found.append(QueryData(query, unit, _series(api, query, time, known)))
        except AssertionError as error:
            found.append(QueryData(query, unit, error=" ".join(str(error).split())))
    return found


def _series(
    api: PrometheusApi, query: PanelQuery, time: TimeRange, values: Mapping[str, str]
) -> Sequence[Series]:
    expression = filled_in(query.expression, values)
    if query.instant:
        found = api.query(expression, time.end)
    else:
        found = api.query_range(expression, time.end - time.start, step=time.step, end=time.end)
    finite = [Series(one.labels, [each for each in one.points if math.isfinite(each[1])]) for one in found]
    return [one for one in finite if one.points]


def expected(query: PanelQuery, scraped: Scraped) -> bool:
    """Whether it has data on every server of this version: of no optional feature. An unknown metric too."""
    metrics = all_metrics()
    found = [metric_of_series(selector.name, metrics) for selector in selectors(parse(query.expression))]
    return all(
        metric is None
        # Such a program is what its metrics need.
        or not metric.programs.keys().isdisjoint(scraped.beside)
        or (
            not metric.only_with
            and (ALWAYS in metric.programs or metric.is_of(scraped.program, scraped.version))
        )
        for metric in found
    )


def findings(data: Sequence[QueryData], scraped: Scraped) -> list[str]:
    """What is wrong with the data of what is scraped; an optional feature may have none."""
    return [
        finding
        for one in data
        if (finding := one.finding()) and (one.error or one.series or expected(one.query, scraped))
    ]


def objective_findings(api: PrometheusApi, time: TimeRange) -> Iterator[str]:
    """Objectives that are no bound of a bucket of the server, so that a share by them is empty."""
    for name, row in objectives().items():
        series = f"last_over_time({row['metric']}_bucket[{time.built_in()['__range']}])"
        bounds = {float(one.labels["le"]) for one in api.query(f"group by (le) ({series})", time.end)}
        for bound in row["bounds"]:
            if bound not in bounds:
                yield f"${name}: {row['metric']} has no bucket with the bound {bound:g}"
