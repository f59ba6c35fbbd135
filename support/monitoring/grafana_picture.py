"""A picture of the dashboard's panels for people: with Grafana's components where these were got.

They are those of @grafana/ui and @grafana/data in a page of the suite's own (`grafana_components/`), without
a Grafana: a headless Chromium draws the page and writes a PNG. Elsewhere the suite draws
(`dashboard_picture.py`).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from support.errors import AcceptanceError
from support.monitoring.dashboard import COLUMNS
from support.monitoring.dashboard_data import DashboardData, QueryData
from support.monitoring.dashboard_picture import (
    Panel,
    dashboard_picture,
    data_by_panel,
    needed,
    summary,
    without_data,
)
from support.monitoring.dashboard_queries import legend_of, rows_of
from support.programs.browser import Browser, screenshot_command
from support.programs.child_environment import child_environment
from support.programs.grafana_components import SOURCE, STYLES, GrafanaComponents
from support.programs.install import InstalledProgram
from support.programs.process import CommandTimeout, run_command
from support.programs.run_directory import temp_prefix
from support.results.outcome import PNG, Evidence
from support.results.redaction import redact, redact_tree
from support.units import Json, JsonObject
from support.user_files import problem_of

if TYPE_CHECKING:
    from jinja2 import Template

TITLE = "panels of the dashboard"
BY_GRAFANA, BY_SUITE = "drawn with Grafana's components", "drawn by the suite"
DRAW_SECONDS = 60.0
# Of Grafana: the height of a unit of `gridPos`, the gap between panels; the heading of a row is one unit.
UNIT, GAP, HEADING = 30, 8, 38
WIDTH, MARGIN, HEADER = 1240, 16, 80
PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
_REPORTED = re.compile(r'CONSOLE\S* "panel (\{.*\})", source:')


class NotDrawn(AcceptanceError):
    """Why Grafana's components drew nothing, or not every panel, in one line."""


@dataclass(frozen=True)
class DrawnPanel:
    """What the page reports of a panel: its text, and whether it has a plot with something on it."""

    title: str
    text: str
    plot: bool
    error: str = ""


@dataclass(frozen=True)
class Drawing:
    """The PNG and what it shows."""

    picture: bytes
    panels: Sequence[DrawnPanel]


def panel_picture(document: JsonObject, shown: DashboardData, programs: Path, seconds: float) -> Evidence:
    """For the report; its title states what has drawn it.

    `programs`: the cache with Grafana's components, which are not installed here; `seconds`: for the browser.
    """
    reason = ""
    if (components := GrafanaComponents().find(programs)) is not None:
        try:
            drawing = draw(document, shown, components, seconds)
            return Evidence(f"{TITLE}, {BY_GRAFANA}", PNG, drawing.picture, "dashboard.png")
        except NotDrawn as error:
            reason = str(error)
    page = dashboard_picture(document, shown, reason).encode()
    return Evidence(f"{TITLE}, {BY_SUITE}", "text/html", page, "dashboard.html")


def draw(document: JsonObject, shown: DashboardData, components: InstalledProgram, seconds: float) -> Drawing:
    """Raises `NotDrawn`. Nothing of the browser is left, neither a process nor a file."""
    browser = Browser().find(components.path.parent)
    if browser is None:
        raise NotDrawn(f"no Chromium: {Browser.install_hint}")
    page, height = page_of(document, shown)
    # Nothing can be removed from a picture later.
    page = cast(JsonObject, redact_tree(page))
    program = f"{browser.path.name} {browser.version}"
    with tempfile.TemporaryDirectory(prefix=temp_prefix(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        html, picture, home = folder / "panels.html", folder / "panels.png", folder / "home"
        html.write_text(_html(page, shown, components), encoding="utf-8")
        home.mkdir()
        # A relative path: the browser makes a socket there, whose whole path has 107 bytes at most (unix(7)).
        env = child_environment(home, TMPDIR=".")
        size = (WIDTH + 2 * MARGIN, height)
        command = screenshot_command(browser, html, picture, size, home / "profile")
        try:
            done = run_command(command, within=seconds, env=env, cwd=home)
        except CommandTimeout:
            raise NotDrawn(f"{program} did not end within {seconds:g} s") from None
        except OSError as error:
            raise NotDrawn(f"{program}: {problem_of(error)}") from None
        drawn = picture.read_bytes() if picture.is_file() else b""
        if done.exit_code != 0 or not drawn.startswith(PNG_BEGINS):
            fatal = "".join(f": {line}" for line in done.stderr.splitlines() if "FATAL" in line)
            raise NotDrawn(f"{program} wrote no picture (exit code {done.exit_code}){fatal}"[:300])
    panels = reported(done.stderr)
    if findings := [*not_drawn(page["placed"], panels)]:
        raise NotDrawn("; ".join(findings)[:300])
    return Drawing(drawn, panels)


def page_of(document: JsonObject, shown: DashboardData) -> tuple[JsonObject, int]:
    """What the page gets, and its height in pixels: rows and panels in their places, as Grafana has them.

    Of a collapsed row without any data only the heading is there, with what its panels need.
    """
    by_title = data_by_panel(shown)
    rows: list[Json] = []
    placed: list[Json] = []
    top = HEADER
    for title, panels in rows_of(document):
        data = [by_title[panel["title"]] for panel in panels]
        row: dict[str, Json] = {"title": title, "note": "", "top": top, "height": UNIT}
        rows.append(row)
        top += HEADING
        if not any(one.series or one.error for each in data for one in each):
            row["note"] = needed([one for each in data for one in each])
            continue
        first = min(panel["gridPos"]["y"] for panel in panels)
        for panel, each in zip(panels, data, strict=True):
            placed.append({**_place(panel, top - first * (UNIT + GAP)), **_content(panel, each)})
        last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
        top += (last - first) * (UNIT + GAP)
    time: JsonObject = {"start": shown.time.start, "end": shown.time.end, "step": shown.time.step}
    return {"rows": rows, "placed": placed, "time": time, "width": WIDTH, "height": top}, top + MARGIN


def _place(panel: Panel, top: float) -> JsonObject:
    """In pixels."""
    grid, column = panel["gridPos"], (WIDTH + GAP) / COLUMNS
    return {
        "left": grid["x"] * column,
        "top": top + grid["y"] * (UNIT + GAP),
        "width": grid["w"] * column - GAP,
        "height": grid["h"] * (UNIT + GAP) - GAP,
    }


def _content(panel: Panel, data: Sequence[QueryData]) -> JsonObject:
    errors = [one.error for one in data if one.error]
    note = "; ".join(errors)
    if not note and not any(one.series for one in data):
        note = without_data(panel, data)
    queries: list[Json] = [
        {
            "name": one.query.name,
            "series": [
                {
                    "name": legend_of(one.query.legend, series.labels),
                    "labels": {**series.labels},
                    "points": [[*point] for point in series.points],
                }
                for series in one.series
            ],
        }
        for one in data
    ]
    return {"panel": {**panel}, "queries": queries, "note": note, "wrong": bool(errors)}


def _html(page: JsonObject, shown: DashboardData, components: InstalledProgram) -> str:
    """With the script and the styles in it."""
    source = (
        f"{BY_GRAFANA} (@grafana/ui {components.version}) from the queries of the dashboard, not by Grafana."
    )
    script = components.path.read_text(encoding="utf-8")
    return _template().render(
        styles=components.path.with_name(STYLES).read_text(encoding="utf-8"),
        source=source[0].upper() + source[1:],
        summary=[redact(text) for text in summary(shown)],
        data=json.dumps(page).replace("<", "\\u003c"),
        script=script.replace("</script", "<\\/script"),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string((SOURCE / "page.html.jinja").read_text(encoding="utf-8"))


def reported(messages: str) -> Sequence[DrawnPanel]:
    """From the messages of the browser."""
    found = [json.loads(line[1]) for line in _REPORTED.finditer(messages)]
    return [DrawnPanel(one["title"], one["text"], one["plot"], one["error"]) for one in found]


def not_drawn(placed: Sequence[Mapping[str, Json]], panels: Sequence[DrawnPanel]) -> Iterator[str]:
    """Panels with data of which the picture shows too little: nothing, no lines, or not every series."""
    by_title = {one.title: one for one in panels}
    for each in placed:
        panel: Panel = each["panel"]
        title = panel["title"]
        drawn = by_title.get(title)
        if drawn is None:
            yield f"{title}: not drawn"
        elif drawn.error:
            yield f"{title}: {drawn.error}"
        elif not each["note"]:
            yield from _missing(each, drawn)


def _missing(placed: Mapping[str, Json], drawn: DrawnPanel) -> Iterator[str]:
    kind = placed["panel"]["type"]
    if kind == "timeseries" and not drawn.plot:
        yield f"{drawn.title}: no lines"
    text = "".join(drawn.text.split())
    series = [one for query in placed["queries"] for one in query["series"]]
    names = [[*one["labels"].values()] if kind == "table" else [one["name"]] for one in series]
    missing = [name for name in names if not all("".join(part.split()) in text for part in name)]
    # A table has only the rows that fit.
    if missing and (kind != "table" or len(missing) == len(names)):
        yield f"{drawn.title}: {', '.join(missing[0])} is missing"
