"""Sequences of a Prometheus of the user: its targets, rules and alerts. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from support.conformance.sequence import CheckedClient, sequence
from support.errors import CheckFailed
from support.monitoring.alert_rules import alert_names
from support.monitoring.exposition import require_none
from support.monitoring.prometheus_api import PrometheusApi
from support.monitoring.watched_server import Target, WatchedServer, place_of, target_lines
from support.results.outcome import Evidence

# One of them has each server of mistral.rs: those of the engine, and one that others do not have.
METRICS = ("mistralrs_tokens_processed_total", "http_request_body_bytes_count")
SCRAPES = "5m"


class PrometheusClient(CheckedClient):
    """Reads a Prometheus."""

    @cached_property
    def prometheus(self) -> PrometheusApi:
        return PrometheusApi(self.client.base_url)

    @property
    def watched(self) -> WatchedServer:
        """The server under test."""
        found = self.server.surroundings() if self.server.surroundings else None
        if not isinstance(found, WatchedServer):
            raise TypeError("no server is under test")
        return found

    def jobs(self) -> Sequence[str]:
        """That of the server under test, and those with metrics of mistral.rs.

        Raises `CheckFailed` when this Prometheus does not scrape the server.
        """
        own = [job for job, _ in self.watched.places(self.prometheus)]
        # Also of a server that is down: its series end at once.
        each = (f"count by (job) (max_over_time({name}[{SCRAPES}]))" for name in METRICS)
        found = self.prometheus.query(" or ".join(each))
        return sorted({*own, *(one.labels["job"] for one in found if "job" in one.labels)})

    def targets(self) -> Sequence[Target]:
        """Those of these jobs; they become evidence."""
        found = [target for job in self.jobs() for target in self.prometheus.targets(job)]
        lines = target_lines(found, self.watched.places(self.prometheus))
        self.evidence.append(Evidence.text("targets of this Prometheus", "\n".join(lines)))
        return found


CLIENT = PrometheusClient


@sequence("prometheus.targets.server")
def _server(client: PrometheusClient) -> None:
    found = {place_of(target) for target in client.targets()}
    require_none(
        [
            f"the samples of {instance} in the job {job} are those of the server; no active target has them"
            for job, instance in client.watched.places(client.prometheus)
            if (job, instance) not in found
        ]
    )


@sequence("prometheus.targets.up")
def _up(client: PrometheusClient) -> None:
    require_none(
        [
            f"{target['scrapeUrl']} is {target['health']}: {target['lastError'] or 'not scraped yet'}"
            for target in client.targets()
            if target["health"] != "up"
        ]
    )


@sequence("prometheus.targets.complete")
def _complete(client: PrometheusClient) -> None:
    require_none(
        [
            f"{1 - one.value:.1%} of the scrapes of {one.labels.get('instance')} failed in {SCRAPES}"
            for job in client.jobs()
            for one in client.prometheus.query(f'avg_over_time(up{{job="{job}"}}[{SCRAPES}])')
            if one.value < 1
        ]
    )


@sequence("prometheus.rules.loaded")
def _loaded(client: PrometheusClient) -> None:
    loaded = {rule["name"] for rule in client.prometheus.rules()}
    missing = [name for name in alert_names() if name not in loaded]
    if missing:
        count = f"{len(missing)} of {len(alert_names())} alerts are"
        raise CheckFailed(f"{count} not loaded, such as {missing[0]}; `acceptance rules` prints them")


@sequence("prometheus.rules.evaluated")
def _evaluated(client: PrometheusClient) -> None:
    require_none(
        [
            f"{rule['name']} is not evaluated: {' '.join(str(rule.get('lastError')).split())}"
            for rule in client.prometheus.rules()
            if rule["health"] == "err"
        ]
    )


@sequence("prometheus.alertmanagers.found")
def _alertmanagers(client: PrometheusClient) -> None:
    if not client.prometheus.alertmanagers():
        raise CheckFailed("no Alertmanager is known: alerts fire, and nobody is notified")


@sequence("prometheus.alerts.none")
def _no_alert(client: PrometheusClient) -> None:
    ours = set(alert_names())
    firing = [alert for alert in client.prometheus.alerts() if alert["state"] == "firing"]
    require_none(
        [
            f"{labels['alertname']} fires for {labels.get('instance', 'no instance')}: {summary}"
            for labels, summary in (
                (alert["labels"], alert.get("annotations", {}).get("summary")) for alert in firing
            )
            if labels["alertname"] in ours and labels.get("severity") == "critical"
        ]
    )
