"""A user's Grafana: its data source, our dashboard in it, each panel through its own query API, its alerts.

What is made there has a name of its own and is removed again. Source:
https://grafana.com/docs/grafana/latest/developers/http_api/
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from support.errors import AcceptanceError, CheckFailed
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NotJson
from support.monitoring.dashboard import dashboard
from support.monitoring.dashboard_data import QueryData
from support.monitoring.dashboard_queries import BUILT_IN, TimeRange, chosen, filled_in, panels_of, queries_of
from support.monitoring.prometheus_api import Series
from support.settings import redact_url
from support.units import Json, JsonObject

REQUEST_SECONDS = 30.0
PROMETHEUS = "prometheus"


class GrafanaUnavailable(AcceptanceError):
    """No response of Grafana: the harness or its settings are wrong, not the server under test."""


class GrafanaRejected(CheckFailed):
    """A request that Grafana rejects, with its reason in one line."""


@dataclass(frozen=True)
class Installed:
    """What was made in Grafana. `source`: the uid of the data source."""

    source: str
    dashboard: str


class GrafanaApi:
    """Requests to one Grafana; each raises `GrafanaUnavailable` or `GrafanaRejected`."""

    def __init__(self, url: str, token: str | None, *, seconds: float = REQUEST_SECONDS) -> None:
        """`token`: that of a service account; it may be left out where everybody may edit."""
        self.url = url
        self._token = token
        self._seconds = seconds

    def health(self) -> JsonObject:
        """`database`, `version`."""
        return self._send("GET", "/api/health")

    def source_health(self, uid: str) -> JsonObject:
        """`status` OK, `message`: whether Grafana reaches the data source."""
        return self._send("GET", f"/api/datasources/uid/{uid}/health")

    def source(self, uid: str) -> JsonObject:
        """Type, name and address of a data source."""
        return self._send("GET", f"/api/datasources/uid/{uid}")

    @contextmanager
    def own_source(self, prometheus: str, scrape_seconds: float) -> Iterator[str]:
        """The uid of a data source for this Prometheus, removed at the end."""
        uid = _own_name()
        document: JsonObject = {
            "name": uid,
            "uid": uid,
            "type": PROMETHEUS,
            "access": "proxy",
            "url": prometheus,
            "jsonData": {"httpMethod": "POST", "timeInterval": f"{scrape_seconds * 1000:.0f}ms"},
        }
        self._send("POST", "/api/datasources", document)
        try:
            yield uid
        finally:
            self._send("DELETE", f"/api/datasources/uid/{uid}")

    @contextmanager
    def own_dashboard(self) -> Iterator[str]:
        """The uid of our dashboard in a folder of its own, both removed at the end."""
        folder, uid = _own_name(), _own_name()
        self._send("POST", "/api/folders", {"uid": folder, "title": folder})
        try:
            document = {**dashboard(), "uid": uid, "id": None, "title": uid}
            given: JsonObject = {"dashboard": document, "folderUid": folder, "overwrite": False}
            self._send("POST", "/api/dashboards/db", given)
            yield uid
        finally:
            # With the dashboards in it.
            self._send("DELETE", f"/api/folders/{folder}")

    def dashboard(self, uid: str) -> JsonObject:
        """The dashboard as Grafana has stored it."""
        found: JsonObject = self._send("GET", f"/api/dashboards/uid/{uid}")["dashboard"]
        return found

    def rules(self, source: str) -> list[JsonObject]:
        """The rules of the Prometheus behind a data source, as Grafana lists them."""
        data = self._send("GET", f"/api/prometheus/{source}/api/v1/rules")["data"]
        return [rule for group in data["groups"] for rule in group["rules"]]

    def read_panels(
        self, document: JsonObject, source: str, time: TimeRange, values: Mapping[str, Sequence[str]]
    ) -> list[QueryData]:
        """Every query of a dashboard; `$__rate_interval` and its like are left to Grafana."""
        known = {**{name: f"${name}" for name in BUILT_IN}, **{k: chosen(v) for k, v in values.items()}}
        units = {panel["title"]: panel["fieldConfig"]["defaults"]["unit"] for panel in panels_of(document)}
        found = []
        for query in queries_of(document):
            unit = units[query.panel]
            try:
                series = self._query(filled_in(query.expression, known), source, time, instant=query.instant)
                found.append(QueryData(query, unit, series))
            except AssertionError as error:
                found.append(QueryData(query, unit, error=" ".join(str(error).split())))
        return found

    def _query(self, expression: str, source: str, time: TimeRange, *, instant: bool) -> Sequence[Series]:
        query: JsonObject = {
            "refId": "A",
            "datasource": {"uid": source, "type": PROMETHEUS},
            "expr": expression,
            "format": "time_series",
            "instant": instant,
            "range": not instant,
            "intervalMs": round(time.step * 1000),
            "maxDataPoints": max(round((time.end - time.start) / time.step), 1),
        }
        times = {"from": f"{time.start * 1000:.0f}", "to": f"{time.end * 1000:.0f}"}
        result = self._send("POST", "/api/ds/query", {"queries": [query], **times})["results"]["A"]
        if result.get("error"):
            raise GrafanaRejected(f"Grafana rejects {expression!r}: {result['error']}")
        return [*_series(result.get("frames", []))]

    def _send(self, method: str, path: str, document: JsonObject | None = None) -> JsonObject:
        place = f"Grafana at {redact_url(self.url)}"
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        client = ApiClient(self.url, api_key=self._token, timeout=self._seconds, may_be_silent=True)
        with closing(client):
            try:
                exchange = client.send(method, path, body=body, headers=headers)
            except RequestFailed as error:
                raise GrafanaUnavailable(f"{place} does not respond: {error}") from None
        try:
            answer: Json = exchange.json()
        except NotJson:
            text = " ".join(exchange.text[:100].split())
            raise GrafanaUnavailable(
                f"{place} is no Grafana: {method} {path} was answered with {exchange.status} {text!r}"
            ) from None
        if exchange.status in (401, 403):
            raise GrafanaUnavailable(
                f"{place} does not allow {method} {path}; set GRAFANA_TOKEN to that of a service account "
                "that is an Admin"
            )
        if exchange.status >= 300 or not isinstance(answer, dict):
            reason = _reason(answer)
            raise GrafanaRejected(f"{place} rejects {method} {path}: {exchange.status} {reason}")
        return answer


@contextmanager
def installed(
    api: GrafanaApi, prometheus: str, scrape_seconds: float, source: str | None = None
) -> Iterator[Installed]:
    """Our dashboard in Grafana, with a data source for this Prometheus, or with the user's."""
    with ExitStack() as made:
        uid = source or made.enter_context(api.own_source(prometheus, scrape_seconds))
        yield Installed(uid, made.enter_context(api.own_dashboard()))


def changed_panels(ours: JsonObject, stored: JsonObject) -> Iterator[str]:
    """Panels that Grafana has not stored as they were sent: queries, places, units."""
    kept = {panel["title"]: panel for panel in panels_of(stored)}
    for panel in panels_of(ours):
        other = kept.get(panel["title"])
        if other is None:
            yield f"{panel['title']} is missing"
            continue
        for key in ("type", "gridPos", "targets"):
            if other.get(key) != panel[key]:
                yield f"{panel['title']}: {key} is {other.get(key)}"


def _series(frames: Sequence[JsonObject]) -> Iterator[Series]:
    """One for each column of numbers, with the column of times before it; without what is no number."""
    for frame in frames:
        fields, columns = frame["schema"]["fields"], frame["data"]["values"]
        by_type = [(each["type"], each, column) for each, column in zip(fields, columns, strict=False)]
        times: Sequence[float] = next((column for kind, _, column in by_type if kind == "time"), [])
        for kind, each, column in by_type:
            pairs = zip(times, column, strict=False) if kind == "number" else ()
            points = [(at / 1000, float(value)) for at, value in pairs if _is_finite(value)]
            if points:
                yield Series(each.get("labels") or {}, points)


def _is_finite(value: Json) -> bool:
    """JSON has no NaN: Grafana writes null, and names it beside the values."""
    return isinstance(value, int | float) and math.isfinite(value)


def _reason(answer: Json) -> str:
    """Of an error in any of Grafana's forms."""
    if not isinstance(answer, dict):
        return "no object"
    results = answer.get("results") or {}
    errors = [str(one["error"]) for one in results.values() if one.get("error")]
    return " ".join("; ".join([*errors, str(answer.get("message") or "")]).split()) or "without a reason"


def _own_name() -> str:
    return f"acceptance-{uuid.uuid4().hex[:12]}"
