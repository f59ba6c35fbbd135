"""What a Prometheus answers: queries, targets, rules, alerts. Only read, so it may be a user's own.

    api = PrometheusApi("http://prometheus:9090")
    api.query('up{job="mistralrs"}')  # [Series({"instance": ...}, [(time, 1.0)])]
    api.query_range("rate(http_requests_total[5s])", 10.0, step=1.0)  # of the last 10 seconds

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from support.errors import AcceptanceError, CheckFailed
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NotJson
from support.settings import redact_url

QUERY_SECONDS = 10.0
# By Prometheus, to each series of a page.
ADDED_LABELS = ("__name__", "job", "instance")


class QueryRejected(CheckFailed):
    """A query that Prometheus cannot evaluate, with its reason in one line."""


class PrometheusUnavailable(AcceptanceError):
    """The monitoring is broken, not the server under test: no response of Prometheus, no API, or 5xx."""


@dataclass(frozen=True)
class Series:
    """One series of a result: its labels, with the name as `__name__`; points are (Unix seconds, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def labels_of_page(self) -> tuple[tuple[str, str], ...]:
        """Those that the page of the server has, sorted by name: without what Prometheus adds."""
        return tuple(sorted(pair for pair in self.labels.items() if pair[0] not in ADDED_LABELS))

    @property
    def value(self) -> float:
        """The last one; of an instant query the only one."""
        return self.points[-1][1]


class PrometheusApi:
    """Requests to one Prometheus. Each raises `PrometheusUnavailable` without a response of its API."""

    def __init__(self, url: str, *, seconds: float = QUERY_SECONDS) -> None:
        """`seconds`: the time limit of a request."""
        self.url = url
        self._seconds = seconds

    def query(self, promql: str, at: float | None = None) -> list[Series]:
        """The result at a time (Unix seconds; None: now): series with one point each; a scalar is one series.

        A range selector such as `up[10s]` gives the raw samples. Raises `QueryRejected`.
        """
        return _series(self._read("query", query=promql, time=at))

    def query_range(
        self, promql: str, seconds: float, *, step: float, end: float | None = None
    ) -> list[Series]:
        """The results of the last `seconds` before `end` (None: now), one point each `step` seconds.

        Raises `QueryRejected`.
        """
        end = time.time() if end is None else end
        return _series(self._read("query_range", query=promql, start=end - seconds, end=end, step=step))

    def stored(self, selector: str, begin: float, end: float) -> list[Series]:
        """The raw samples between two times (Unix seconds), without the series that have none."""
        window = math.ceil(end - begin) + 1
        found = [
            Series(one.labels, [(at, value) for at, value in one.points if begin <= at <= end])
            for one in self.query(f"{selector}[{window}s]", at=end)
        ]
        return [one for one in found if one.points]

    def stored_sums(self, selector: str, begin: float, end: float) -> list[tuple[float, float]]:
        """The same, the values of all series at a time added."""
        found: defaultdict[float, float] = defaultdict(float)
        for one in self.stored(selector, begin, end):
            for at, value in one.points:
                found[at] += value
        return sorted(found.items())

    def targets(self, job: str = "") -> list[Mapping[str, Any]]:
        """The active targets as the API has them (`health`, `lastError`, `labels`, ...), of a job or all."""
        found = self._read("targets", state="active")["activeTargets"]
        return [target for target in found if not job or target["labels"]["job"] == job]

    def rules(self) -> list[Mapping[str, Any]]:
        """All rules, alerts and recorded series (`name`, `type`, `health`, `lastError`, `state`, ...)."""
        return [rule for group in self._read("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> list[Mapping[str, Any]]:
        """The alerts that are pending or firing (`labels`, `state`, `activeAt`, ...)."""
        found: list[Mapping[str, Any]] = self._read("alerts")["alerts"]
        return found

    def alertmanagers(self) -> list[str]:
        """The addresses to which alerts are sent."""
        return [each["url"] for each in self._read("alertmanagers")["activeAlertmanagers"]]

    def version(self) -> str:
        """`2.42.0`."""
        return str(self._read("status/buildinfo")["version"])

    def _read(self, path: str, **parameters: object) -> Any:
        """`data` of a response."""
        given = urlencode({name: value for name, value in parameters.items() if value is not None})
        place = f"Prometheus at {redact_url(self.url)}"
        with closing(ApiClient(self.url, timeout=self._seconds, may_be_silent=True)) as client:
            try:
                exchange = client.get(f"/api/v1/{path}?{given}")
            except RequestFailed as error:
                raise PrometheusUnavailable(f"{place} does not respond: {error}") from None
            try:
                document = exchange.json()
            except NotJson:
                text = " ".join(exchange.text[:100].split())
                raise PrometheusUnavailable(
                    f"{place} is no Prometheus: /api/v1/{path} was answered with {exchange.status} {text!r}"
                ) from None
        if not isinstance(document, dict) or "status" not in document:
            raise PrometheusUnavailable(f"{place} is no Prometheus: /api/v1/{path} has no status")
        if document["status"] != "success":
            reason = " ".join(str(document.get("error")).split())
            # A wrong query is answered with 400 or 422; one that Prometheus itself cannot answer with 5xx.
            if exchange.status >= 500:
                raise PrometheusUnavailable(
                    f"{place} cannot answer /api/v1/{path}: {exchange.status} {reason}"
                )
            raise QueryRejected(f"Prometheus rejects {parameters.get('query', path)!r}: {reason}")
        return document["data"]


def _series(data: Mapping[str, Any]) -> list[Series]:
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return [Series({}, [(float(result[0]), float(result[1]))])]
    return [
        Series(
            one["metric"], [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]]
        )
        for one in result
    ]
