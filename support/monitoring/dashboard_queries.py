"""The queries of a dashboard, with the values of its variables, as Grafana sends them to Prometheus.

Sources: https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/ and
https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/ ($__rate_interval).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from support.errors import CheckFailed
from support.units import JsonObject

BUILT_IN = ("__interval", "__interval_ms", "__rate_interval", "__range", "__range_s", "__range_ms")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:\.\w+)?(?::\w+)?\}|(\w+))")


@dataclass(frozen=True)
class PanelQuery:
    """One query of a panel. `kind`: that of the panel; `instant`: for the end of the range alone."""

    panel: str
    kind: str
    name: str
    expression: str
    legend: str
    instant: bool


@dataclass(frozen=True)
class TimeRange:
    """What is shown, in seconds since 1970: a point for each `step`; scraped every `scrape_interval`."""

    start: float
    end: float
    step: float
    scrape_interval: float

    def built_in(self) -> Mapping[str, str]:
        """Grafana's own variables."""
        seconds = math.ceil(self.end - self.start)
        rate = max(self.step + self.scrape_interval, 4 * self.scrape_interval)
        numbers = {"__interval": self.step, "__rate_interval": rate, "__range": seconds}
        whole = {"__interval_ms": self.step * 1000, "__range_s": seconds, "__range_ms": seconds * 1000}
        durations = {name: f"{math.ceil(value * 1000)}ms" for name, value in numbers.items()}
        return {**durations, **{name: f"{value:.0f}" for name, value in whole.items()}}


def panels_of(document: JsonObject) -> Iterator[JsonObject]:
    """All panels, those of collapsed rows too, without the rows themselves."""
    for panel in document["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def rows_of(document: JsonObject) -> Sequence[tuple[str, Sequence[JsonObject]]]:
    """The titles of the rows with their panels."""
    rows: list[tuple[str, list[JsonObject]]] = []
    for panel in document["panels"]:
        if panel["type"] == "row":
            rows.append((panel["title"], [*panel["panels"]]))
        else:
            rows[-1][1].append(panel)
    return rows


def queries_of(document: JsonObject) -> list[PanelQuery]:
    """All queries, from top to bottom."""
    return [
        PanelQuery(
            panel["title"],
            panel["type"],
            target["refId"],
            target["expr"],
            target["legendFormat"],
            target["instant"],
        )
        for panel in panels_of(document)
        for target in panel["targets"]
    ]


def variables_in(text: str) -> set[str]:
    """The names of the variables that a text has."""
    return {found[1] or found[2] for found in _VARIABLE.finditer(text)}


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """With the values of its variables; raises `CheckFailed` for one that has none."""
    missing = sorted(variables_in(text) - set(values))
    if missing:
        raise CheckFailed(f"no value for ${', $'.join(missing)}: {text}")
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def chosen(values: Sequence[str]) -> str:
    """A choice of values in a matcher of PromQL, as Grafana's data source writes it; none is empty."""
    escaped = [re.sub(r"([\\^$.|?*+()[\]{}])", r"\\\\\1", value) for value in values]
    return "".join(escaped) if len(escaped) < 2 else f"({'|'.join(escaped)})"


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """`{{model}}` by its value; without a template all labels."""
    if not template:
        return ", ".join(f"{name}={value}" for name, value in labels.items()) or "value"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template).strip()
