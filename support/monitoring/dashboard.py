"""The Grafana dashboard of `dashboard.toml` as JSON, and the files by which Grafana loads it at its start.

Sources: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ and
https://grafana.com/docs/grafana/latest/administration/provisioning/.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from support.monitoring.alert_rules import Parameters, filled
from support.monitoring.alert_rules import default_parameters as alert_parameters
from support.units import Json, JsonObject

TABLE = Path(__file__).with_name("dashboard.toml")
UID = "mistralrs"
TITLE = "mistral.rs"
SCHEMA_VERSION = 38  # of Grafana 10; newer ones migrate it
COLUMNS = 24
DATA_SOURCE: JsonObject = {"type": "prometheus", "uid": "${datasource}"}
DATA_SOURCE_UID = "mistralrs-prometheus"
SERVER = 'job=~"$job",instance=~"$instance"'
MATCHERS: Mapping[str, str] = {"server": SERVER, "model": f'{SERVER},model=~"$model"'}
# Any metric of a server names its job: this one all versions have, after the first request.
JOBS_OF = "http_requests_in_flight"
MODEL_LINK = (
    "/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}"
)
Row = Mapping[str, Any]


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def default_parameters() -> Parameters:
    """Those of the alerts, and the dashboard's own."""
    return {**alert_parameters(), **_table()["parameters"]}


def objectives() -> Mapping[str, Row]:
    """Objectives of latency by the names of their variables."""
    found: Mapping[str, Row] = _table()["objectives"]
    return found


def dashboard(parameters: Parameters | None = None) -> JsonObject:
    """The dashboard as Grafana imports it."""
    values = {**default_parameters(), **(parameters or {})}
    targets = {
        f"{name.removesuffix('_budget')}_target": 1 - float(value)
        for name, value in values.items()
        if name.endswith("_budget")
    }
    values = {**values, **targets, **MATCHERS}
    return {
        "uid": UID,
        "title": TITLE,
        "description": "Servers of mistral.rs: service level, requests, latency, engine.",
        "tags": ["mistralrs"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "links": [_link("Runbook", str(values["runbook"]))],
        "annotations": {"list": _annotations()},
        "templating": {"list": _variables(values)},
        "panels": [*_panels(values)],
    }


def dashboard_text(parameters: Parameters | None = None) -> str:
    """As JSON, to be imported."""
    return json.dumps(dashboard(parameters), indent=2, ensure_ascii=False) + "\n"


def write_provisioning(
    folder: Path, prometheus: str, scrape_interval: str, parameters: Parameters | None = None
) -> Sequence[Path]:
    """The dashboard, and the files of `provisioning/` with which Grafana finds it and Prometheus."""
    dashboards = folder.resolve() / "dashboards"
    source: JsonObject = {
        "name": "Prometheus of mistral.rs",
        "uid": DATA_SOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": scrape_interval,
            "prometheusType": "Prometheus",
            "manageAlerts": True,
        },
    }
    provider: JsonObject = {
        "name": "mistral.rs",
        "type": "file",
        "orgId": 1,
        "folder": "mistral.rs",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": str(dashboards)},
    }
    texts = {
        dashboards / "mistralrs.json": dashboard_text(parameters),
        folder / "provisioning" / "datasources" / "mistralrs.yml": _provisioned("datasources", source),
        folder / "provisioning" / "dashboards" / "mistralrs.yml": _provisioned("providers", provider),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [*texts]


def _provisioned(kind: str, entry: JsonObject) -> str:
    """JSON is YAML. Grafana replaces `$NAME` in these files by the environment; `$$` is a `$`."""
    text = json.dumps({"apiVersion": 1, kind: [entry]}, indent=2, ensure_ascii=False)
    return f"{text.replace('$', '$$')}\n"


def _link(title: str, url: str) -> JsonObject:
    return {
        "title": title,
        "type": "link",
        "icon": "doc",
        "url": url,
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "targetBlank": True,
        "includeVars": False,
        "keepTime": False,
    }


def _annotations() -> Sequence[JsonObject]:
    """When alerts began to fire."""
    built_in: JsonObject = {
        "name": "Annotations & Alerts",
        "builtIn": 1,
        "type": "dashboard",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }
    alerts: JsonObject = {
        "name": "Alerts",
        "datasource": DATA_SOURCE,
        "enable": True,
        "iconColor": "red",
        "target": {"refId": "Anno", "expr": f'ALERTS{{alertstate="firing",{SERVER}}}', "interval": "30s"},
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
        "tagKeys": "severity",
    }
    return [built_in, alerts]


def _variables(values: Parameters) -> Sequence[JsonObject]:
    source: JsonObject = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
    }
    everything: JsonObject = {"text": ["All"], "value": ["$__all"]}
    job: JsonObject = {"text": [values["job"]], "value": [values["job"]]}
    models = f'{JOBS_OF}{{job=~"$job",instance=~"$instance"}}'
    return [
        source,
        _label_variable("job", "Job", JOBS_OF, job, ".+"),
        _label_variable("instance", "Instance", 'up{job=~"$job"}', everything, ".+"),
        # Also the series that have no model.
        _label_variable("model", "Model", models, everything, ".*"),
        *(_objective(name, row) for name, row in objectives().items()),
    ]


def _label_variable(name: str, label: str, series: str, current: JsonObject, every: str) -> JsonObject:
    query = f"label_values({series}, {name})"
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": every,
        "current": current,
        "options": [],
    }


def _objective(name: str, row: Row) -> JsonObject:
    """A choice of bounds of buckets, written without the `.0` that some exporters add."""
    default = f"{row['default']:g}"
    bounds = [f"{bound:g}" for bound in row["bounds"]]
    options = [{"text": bound, "value": bound, "selected": bound == default} for bound in bounds]
    return {
        "name": name,
        "label": row["label"],
        "type": "custom",
        "query": ",".join(bounds),
        "current": {"text": default, "value": default},
        "options": options,
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _panels(values: Parameters) -> Iterator[JsonObject]:
    """Rows and panels with their places; those of a collapsed row stand inside of it."""
    number, top = 0, 0
    for row in _table()["row"]:
        number += 1
        head: dict[str, Json] = {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": row.get("collapsed", False),
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
        }
        top += 1
        left, inside = 0, []
        for panel in row["panel"]:
            number += 1
            if left + panel["width"] > COLUMNS:
                left, top = 0, top + row["height"]
            place: JsonObject = {"h": row["height"], "w": panel["width"], "x": left, "y": top}
            inside.append({"id": number, **_panel(panel, values), "gridPos": place})
            left += panel["width"]
        if head["collapsed"]:
            yield {**head, "panels": inside}
        else:
            top += row["height"]
            yield {**head, "panels": []}
            yield from inside


def _panel(row: Row, values: Parameters) -> JsonObject:
    kind = row["kind"]
    links = [
        _link(f"Runbook: {alert}", f"{values['runbook']}#{alert.lower()}") for alert in row.get("alerts", [])
    ]
    panel: dict[str, Json] = {
        "type": kind,
        "title": row["title"],
        "description": row["description"],
        "datasource": DATA_SOURCE,
        "links": links,
        "fieldConfig": {"defaults": _field(row, values), "overrides": []},
        "options": OPTIONS[kind],
        "targets": [
            _target(chr(ord("A") + index), kind, query, values) for index, query in enumerate(row["queries"])
        ],
    }
    if kind == "table":
        panel.update(_columns(row))
    return panel


def _target(name: str, kind: str, query: Row, values: Parameters) -> JsonObject:
    """Tiles and tables show a moment, so nothing is left of what has ended before."""
    instant = kind != "timeseries"
    return {
        "refId": name,
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": filled(query["expr"], values),
        "legendFormat": query["legend"],
        "format": "table" if kind == "table" else "time_series",
        "instant": instant,
        "range": not instant,
    }


def _field(row: Row, values: Parameters) -> JsonObject:
    field: dict[str, Json] = {
        "unit": row["unit"],
        "min": 0,
        "color": {"mode": "palette-classic" if row["kind"] == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [*_steps(row, values)]},
        "mappings": [],
    }
    if "without_value" in row:
        field["noValue"] = row["without_value"]
    if row["kind"] == "timeseries":
        field["custom"] = _lines(row, values)
    if row["unit"] == "percentunit":
        field["decimals"] = 2
    for value, text in row.get("states", {}).items():
        mapping = {value: {"text": text, "index": int(value)}}
        field["mappings"] = [*field["mappings"], {"type": "value", "options": mapping}]
    return field


def _lines(row: Row, values: Parameters) -> JsonObject:
    found: dict[str, Json] = {
        "fillOpacity": 8,
        "lineWidth": 1,
        "showPoints": "auto",
        "thresholdsStyle": {"mode": "dashed" if "limit" in row else "off"},
    }
    # Without it Grafana draws values that are all 0 on an axis up to 100: shares up to 10000 %.
    if row["unit"] == "percentunit" and row.get("good") == "below":
        found["axisSoftMax"] = float(filled(row["limit"], values))
    elif row["unit"] in ("percentunit", "short"):
        found["axisSoftMax"] = 1.0
    return found


def _steps(row: Row, values: Parameters) -> Iterator[JsonObject]:
    """Colours from the lowest value on."""
    below, above = ("green", "red") if row.get("good", "below") == "below" else ("red", "green")
    if "states" in row:
        below, above = "red", "green"
    yield {"color": below, "value": None}
    if "limit" in row or "states" in row:
        yield {"color": above, "value": float(filled(row.get("limit", "1"), values))}


def _columns(row: Row) -> JsonObject:
    """The columns of a table: labels, then a value of each query under its legend."""
    names = {f"Value #{chr(ord('A') + index)}": query["legend"] for index, query in enumerate(row["queries"])}
    units = [
        {
            "matcher": {"id": "byName", "options": query["legend"]},
            "properties": [{"id": "unit", "value": query["unit"]}],
        }
        for query in row["queries"]
    ]
    url = MODEL_LINK.format(uid=UID) + "&var-model=${__value.raw}"
    link = {
        "matcher": {"id": "byName", "options": "model"},
        "properties": [{"id": "links", "value": [{"title": "Only this model", "url": url}]}],
    }
    return {
        "fieldConfig": {
            "defaults": {"unit": row["unit"], "custom": {"align": "auto"}, "mappings": []},
            "overrides": [*units, link],
        },
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
        ],
    }


OPTIONS: Mapping[str, JsonObject] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value_and_name",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}
