"""A page with a picture of each panel of the dashboard, for people: the suite's own drawing of the same data.

It is not what Grafana draws. HTML with SVG, without script, readable on light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.monitoring.dashboard import COLUMNS
from support.monitoring.dashboard_data import DashboardData, QueryData
from support.monitoring.dashboard_queries import legend_of, rows_of
from support.monitoring.metric_table import all_metrics, metric_of_series
from support.monitoring.prometheus_api import Series
from support.monitoring.promql import parse, selectors
from support.units import JsonObject

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("dashboard_picture.html.jinja")
COLUMN_WIDTH, LEFT, RIGHT, TOP, HEIGHT = 50, 76, 8, 8, 110
SUFFIXES = {"reqps": " req/s", "ops": "/s", "cps": "/s", "percentunit": " %", "bytes": " B", "s": " s"}
# Colours that differ also for people who do not see red and green apart.
COLOURS = ("#2f7ed8", "#e07b00", "#1a9c75", "#b44cc7", "#c2a200", "#c0392b", "#5d6d7e", "#6b8e23")
Panel = Mapping[str, Any]


def dashboard_picture(document: JsonObject, shown: DashboardData, reason: str = "") -> str:
    """The page as HTML: rows and panels in their places, those of collapsed rows too.

    `reason`: why it is not drawn with Grafana's components.
    """
    by_title = data_by_panel(shown)
    drawn = [
        {"title": title, "panels": [_drawn(panel, by_title[panel["title"]], shown) for panel in panels]}
        for title, panels in rows_of(document)
    ]
    return _template().render(rows=drawn, summary=summary(shown), reason=reason, columns=COLUMNS)


def data_by_panel(shown: DashboardData) -> Mapping[str, Sequence[QueryData]]:
    """By the title of the panel."""
    found: dict[str, list[QueryData]] = {}
    for one in shown.data:
        found.setdefault(one.query.panel, []).append(one)
    return found


def summary(shown: DashboardData) -> Sequence[str]:
    """How many panels have data, and the values of the variables."""
    filled = [any(one.series for one in found) for found in data_by_panel(shown).values()]
    counts = f"{filled.count(True)} panels with data, {filled.count(False)} without."
    chosen = [f"{name}: {', '.join(values) or 'none'}" for name, values in shown.choices.items()]
    return counts, " · ".join(chosen)


def without_data(panel: Panel, data: Sequence[QueryData]) -> str:
    """What stands in a panel without data: its own text, else what a server without them lacks."""
    return panel["fieldConfig"]["defaults"].get("noValue") or needed(data)


@cache
def _template() -> Template:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _drawn(panel: Panel, data: Sequence[QueryData], shown: DashboardData) -> Mapping[str, object]:
    kind, defaults = panel["type"], panel["fieldConfig"]["defaults"]
    found = {
        "title": panel["title"],
        "description": panel["description"],
        "width": panel["gridPos"]["w"],
        "errors": [one.error for one in data if one.error],
        "empty": not any(one.series for one in data),
        "kind": kind,
    }
    if found["empty"]:
        return {**found, "no_value": without_data(panel, data)}
    if kind == "table":
        return {**found, **_table(panel, data)}
    if kind == "stat":
        return {**found, "tiles": [*_tiles(defaults, data)]}
    return {**found, **_lines(panel, data, shown)}


def _tiles(defaults: Mapping[str, Any], data: Sequence[QueryData]) -> Iterator[Mapping[str, str]]:
    states = {value: each["text"] for one in defaults["mappings"] for value, each in one["options"].items()}
    for query in data:
        for series in query.series:
            text = states.get(f"{series.value:g}", _shown(series.value, defaults["unit"]))
            colour = "green"
            for step in defaults["thresholds"]["steps"]:
                if step["value"] is None or series.value >= step["value"]:
                    colour = step["color"]
            yield {"name": _name(query, series), "text": text, "colour": colour}


def _table(panel: Panel, data: Sequence[QueryData]) -> Mapping[str, object]:
    """A line for each set of labels."""
    units = {
        override["matcher"]["options"]: override["properties"][0]["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["properties"][0]["id"] == "unit"
    }
    names = [one.query.legend for one in data]
    labels = sorted({name for one in data for series in one.series for name in series.labels})
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for one in data:
        for series in one.series:
            key = tuple(series.labels.get(name, "") for name in labels)
            lines.setdefault(key, {})[one.query.legend] = _shown(series.value, units[one.query.legend])
    rows = [[*key, *(values.get(name, "") for name in names)] for key, values in sorted(lines.items())]
    return {"head": [*labels, *names], "lines": rows}


def _lines(panel: Panel, data: Sequence[QueryData], shown: DashboardData) -> Mapping[str, object]:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    width = panel["gridPos"]["w"] * COLUMN_WIDTH
    series = [(_name(one, each), each.points) for one in data for each in one.series]
    highest = max([value for _, points in series for _, value in points], default=0.0) or 1.0
    start, seconds = shown.time.start, shown.time.end - shown.time.start
    across = width - LEFT - RIGHT
    gap = 1.5 * shown.time.step

    def place(at: float, value: float) -> str:
        return f"{LEFT + across * (at - start) / seconds:.1f},{TOP + HEIGHT * (1 - value / highest):.1f}"

    return {
        "svg_width": width,
        "svg_height": HEIGHT + TOP + 18,
        "left": LEFT,
        "right": width - RIGHT,
        "floor": TOP + HEIGHT,
        "scale": [(TOP + HEIGHT * (1 - share), _shown(highest * share, unit)) for share in (0.0, 0.5, 1.0)],
        "seconds": f"{seconds:g}",
        "lines": [
            {
                "name": name,
                "colour": COLOURS[number % len(COLOURS)],
                "parts": [[place(*one) for one in part] for part in _parts(points, gap)],
            }
            for number, (name, points) in enumerate(series)
        ],
    }


def _parts(points: Sequence[tuple[float, float]], gap: float) -> Iterator[Sequence[tuple[float, float]]]:
    """Where there was no value, the line is interrupted."""
    part: list[tuple[float, float]] = []
    for point in points:
        if part and point[0] - part[-1][0] > gap:
            yield part
            part = []
        part.append(point)
    yield part


def needed(data: Sequence[QueryData]) -> str:
    """What a server without data lacks, as far as it is known."""
    metrics = all_metrics()
    found = {
        metric.only_with: None
        for one in data
        for selector in selectors(parse(one.query.expression))
        if (metric := metric_of_series(selector.name, metrics)) is not None and metric.only_with
    }
    # Not what another one includes.
    needs = [text for text in found if not any(text != other and text in other for other in found)]
    return f"no data; requires {' and '.join(needs)}" if needs else "no data"


def _name(query: QueryData, series: Series) -> str:
    return legend_of(query.query.legend, series.labels)


def _shown(value: float, unit: str) -> str:
    """`12.5 ms`, `99.2 %`, `3 req/s`."""
    if unit == "percentunit":
        value *= 100
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "bytes" and value >= 1024:
        return f"{value / 1024:.3g} KiB" if value < 1024**2 else f"{value / 1024**2:.3g} MiB"
    number = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return f"{number}{SUFFIXES.get(unit, '')}"
