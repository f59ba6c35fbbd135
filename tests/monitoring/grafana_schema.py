"""Which keys a dashboard has, and of which types: the part of Grafana's types that this dashboard uses.

Source: the types of the npm package @grafana/schema 13.2 (`Dashboard`, `Panel`, `VariableModel`), Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Types = Mapping[str, type | tuple[type, ...]]
DASHBOARD: Types = {
    "uid": str,
    "title": str,
    "description": str,
    "tags": list,
    "schemaVersion": int,
    "version": int,
    "editable": bool,
    "graphTooltip": int,
    "refresh": str,
    "time": dict,
    "timezone": str,
    "links": list,
    "annotations": dict,
    "templating": dict,
    "panels": list,
}
ROW: Types = {"id": int, "type": str, "title": str, "collapsed": bool, "gridPos": dict, "panels": list}
PANEL: Types = {
    "id": int,
    "type": str,
    "title": str,
    "description": str,
    "datasource": dict,
    "links": list,
    "fieldConfig": dict,
    "options": dict,
    "targets": list,
    "gridPos": dict,
}
OPTIONAL = {"transformations": list}
GRID: Types = {"h": int, "w": int, "x": int, "y": int}
# What Grafana's own types leave open: the data source's.
TARGET: Types = {
    "refId": str,
    "datasource": dict,
    "editorMode": str,
    "expr": str,
    "legendFormat": str,
    "format": str,
    "instant": bool,
    "range": bool,
}
VARIABLE: Types = {
    "name": str,
    "label": str,
    "type": str,
    "query": (str, dict),
    "hide": int,
    "multi": bool,
    "includeAll": bool,
    "options": list,
}
VARIABLE_OPTIONAL: Types = {
    "datasource": dict,
    "refresh": int,
    "sort": int,
    "allValue": str,
    "current": dict,
}
KINDS = ("stat", "timeseries", "table")


def _of(what: str, value: Any, types: Types, optional: Types | None = None) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{what} is no object"
        return
    known = {**types, **(optional or {})}
    yield from (f"{what} has no {key}" for key in types if key not in value)
    for key, one in value.items():
        if key not in known:
            yield f"{what} has the unknown key {key}"
        elif not isinstance(one, known[key]) or (isinstance(one, bool) and known[key] is not bool):
            yield f"{what}: {key} is {one!r}"


def schema_findings(document: Any) -> Iterator[str]:
    """A missing key, an unknown one, a value of another type."""
    yield from _of("the dashboard", document, DASHBOARD, {"id": (int, type(None))})
    for variable in document["templating"]["list"]:
        yield from _of(f"${variable.get('name')}", variable, VARIABLE, VARIABLE_OPTIONAL)
    for panel in document["panels"]:
        if panel.get("type") != "row":
            yield from _panel(panel)
            continue
        yield from _of(f"row {panel.get('title')}", panel, ROW)
        yield from _of(f"gridPos of {panel.get('title')}", panel.get("gridPos"), GRID)
        for inner in panel["panels"]:
            yield from _panel(inner)


def _panel(panel: Any) -> Iterator[str]:
    name = panel.get("title")
    yield from _of(f"panel {name}", panel, PANEL, OPTIONAL)
    yield from _of(f"gridPos of {name}", panel.get("gridPos"), GRID)
    if panel.get("type") not in KINDS:
        yield f"panel {name}: {panel.get('type')} is no kind of panel that is drawn here"
    for target in panel.get("targets", []):
        yield from _of(f"query {target.get('refId')} of {name}", target, TARGET)
