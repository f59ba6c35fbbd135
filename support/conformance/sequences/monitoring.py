"""Sequences of a monitored server: its target, its alerts and its figures, as Prometheus has them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

from support.conformance.sequence import CheckedClient, require_equal, sequence
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.monitoring import incident
from support.monitoring.alert_rules import alert_names
from support.monitoring.dashboard import dashboard
from support.monitoring.dashboard_data import (
    DashboardData,
    Scraped,
    findings,
    objective_findings,
    observe_under_load,
)
from support.monitoring.exposition import MetricsPage, read_page, require_none
from support.monitoring.exposition_lines import shown
from support.monitoring.gpu_utilization import observe_utilization
from support.monitoring.grafana import changed_panels
from support.monitoring.healthy_load import SOAK_SECONDS, ObservedLoad, observe_load
from support.monitoring.incident import Incident, observe_incident
from support.monitoring.prometheus_pair import SCRAPE_SECONDS
from support.monitoring.resource_use import (
    GPU_TOLERANCES,
    PROCESS_TOLERANCES,
    observe_gpus,
    observe_process,
)
from support.monitoring.session import JOB, UNKNOWN_PATH, MonitoringSession

MAX_SCRAPE_SHARE = 0.25


class MonitoringClient(CheckedClient):
    """Requests to the monitored server, and what Prometheus has of it."""

    @property
    def session(self) -> MonitoringSession:
        """When the first scrape was made."""
        session = self.server.surroundings() if self.server.surroundings else None
        if not isinstance(session, MonitoringSession):
            raise TypeError("this server is not monitored")
        return session

    def scraped(self) -> MonitoringSession:
        """The session when the server is up."""
        session = self.session
        session.require_server()
        session.wait_until_scraped()
        return session

    def page(self) -> MetricsPage:
        """Raises `MalformedPage` when Prometheus could not read it."""
        return read_page(self.send("GET", "/metrics").text)

    def load(self) -> ObservedLoad:
        """A load that the server can serve, once for all checks of it."""
        return self.session.keep("a load", lambda: observe_load(self.session, self.model))

    def incident(self) -> Incident:
        """The causes of alerts, once for all checks of them; after the load, which is to have no alert."""
        with suppress(CheckFailed):
            self.load()
        return self.session.keep("an incident", lambda: observe_incident(self.session, self.model))

    def require_delivered(self, alert: str) -> None:
        """Raises unless this alert was inactive, pending, firing, delivered and resolved in time."""
        require_none([*self.incident().histories[alert].findings()])

    @property
    def in_prometheus(self) -> Scraped:
        """What Prometheus scrapes."""
        return Scraped(*self.server.components[-1], self.session.beside)

    @contextmanager
    def on_prometheus_3(self) -> Iterator[MonitoringClient]:
        """One for a server that a Prometheus 3 scrapes; its evidence is that of this one."""
        session = self.session.prometheus_3
        url = session.require_server()
        server = replace(self.server, base_url=url, surroundings=lambda: session)
        with closing(ApiClient(url, api_key=self.server.key)) as client:
            found = MonitoringClient(client, server)
            found.evidence = self.evidence
            yield found

    @property
    def tolerance(self) -> float:
        """Seconds beyond what intervals explain."""
        return self.session.seconds(incident.TOLERANCE_SECONDS)


CLIENT = MonitoringClient


@sequence("monitoring.targets.up")
def _up(client: MonitoringClient) -> None:
    target = client.scraped().wait_until_scraped()
    require_equal("the error of the last scrape", "", target["lastError"])
    require_equal("the address of the page", f"{client.client.base_url}/metrics", target["scrapeUrl"])


@sequence("monitoring.targets.labels")
def _labels(client: MonitoringClient) -> None:
    session = client.scraped()
    target = session.wait_until_scraped()
    require_equal("labels", {"instance": session.target.address, "job": JOB}, target["labels"])
    require_equal("targets of the job", 1, len(session.api.targets(JOB)))


@sequence("monitoring.targets.duration")
def _duration(client: MonitoringClient) -> None:
    session = client.scraped()
    found = session.api.query(f'scrape_duration_seconds{{job="{JOB}"}}[10s]')
    seconds = statistics.median([value for series in found for _, value in series.points])
    most = MAX_SCRAPE_SHARE * SCRAPE_SECONDS
    if seconds > most:
        raise CheckFailed(f"the median scrape takes {seconds:.3f} s; expected at most {most:g} s")


@sequence("monitoring.targets.same_values")
def _same_values(client: MonitoringClient) -> None:
    session = client.scraped()
    chat = {"model": client.model, "messages": [{"role": "user", "content": "Say it briefly"}]}
    client.client.post("/v1/chat/completions", {**chat, "stream": True})
    page = client.page()
    require_none(page.findings())
    # Nobody else uses the server, so the next scrape has the same values.
    session.wait_for_scrape()
    stored = {
        (found.labels["__name__"], found.labels_of_page): found.value
        for found in session.api.query(f'{{job="{JOB}"}}')
    }
    different = [
        f"{name}{shown(labels)} is {value:g} on the page, {stored.get((name, labels))} in Prometheus"
        for (name, labels), value in page.series.items()
        if stored.get((name, labels)) != value and UNKNOWN_PATH not in dict(labels).values()
    ]
    require_none(different)


# -- resource use


def _require_figure(client: MonitoringClient, name: str) -> None:
    session = client.scraped()
    figures = session.keep("its resource use", lambda: observe_process(session))
    require_none([*figures[name].findings(*PROCESS_TOLERANCES[name])])


@sequence("monitoring.resources.memory")
def _memory(client: MonitoringClient) -> None:
    _require_figure(client, "process_resident_memory_bytes")


@sequence("monitoring.resources.cpu")
def _cpu(client: MonitoringClient) -> None:
    _require_figure(client, "process_cpu_seconds_total")


@sequence("monitoring.resources.threads")
def _threads(client: MonitoringClient) -> None:
    _require_figure(client, "process_threads")


@sequence("monitoring.resources.files")
def _files(client: MonitoringClient) -> None:
    _require_figure(client, "process_open_fds")


@sequence("monitoring.resources.gpu")
def _gpu(client: MonitoringClient) -> None:
    found = observe_gpus(client.scraped())
    limits = {name: (share, least) for name, (_, _, share, least) in GPU_TOLERANCES.items()}
    require_none([line for figure in found.values() for line in figure.findings(*limits[figure.name])])


@sequence("monitoring.resources.gpu_utilization")
def _gpu_utilization(client: MonitoringClient) -> None:
    found = observe_utilization(client.scraped(), client.model)
    require_none([line for one in found for line in one.findings()])


# -- a load that the server can serve


@sequence("monitoring.load.tokens")
def _tokens(client: MonitoringClient) -> None:
    require_none([*client.load().token_findings()])


@sequence("monitoring.load.requests")
def _requests(client: MonitoringClient) -> None:
    require_none([*client.load().request_findings()])


@sequence("monitoring.load.counters")
def _counters(client: MonitoringClient) -> None:
    require_none([*client.load().counter_findings()])


@sequence("monitoring.load.scrapes")
def _scrapes(client: MonitoringClient) -> None:
    client.load().require_scrapes()


@sequence("monitoring.load.alerts")
def _no_alert(client: MonitoringClient) -> None:
    require_none([*client.load().alert_findings()])


@sequence("monitoring.soak.quiet")
def _quiet(client: MonitoringClient) -> None:
    found = observe_load(client.session, client.model, SOAK_SECONDS)
    require_none([*found.counter_findings(), *found.alert_findings()])
    found.require_scrapes()


# -- an incident


@sequence("monitoring.restart.down")
def _down(client: MonitoringClient) -> None:
    require_none([*client.incident().down_findings(client.tolerance)])


@sequence("monitoring.restart.up")
def _up_again(client: MonitoringClient) -> None:
    require_none([*client.incident().up_findings(client.tolerance)])


@sequence("monitoring.alerts.down")
def _alert_down(client: MonitoringClient) -> None:
    client.require_delivered(incident.DOWN)


@sequence("monitoring.alerts.errors")
def _alert_errors(client: MonitoringClient) -> None:
    client.require_delivered(incident.ERRORS)


@sequence("monitoring.alerts.first_token")
def _alert_first_token(client: MonitoringClient) -> None:
    client.require_delivered(incident.FIRST_TOKEN)


@sequence("monitoring.alerts.backlog")
def _alert_backlog(client: MonitoringClient) -> None:
    client.require_delivered(incident.BACKLOG)


@sequence("monitoring.alerts.stalled")
def _alert_stalled(client: MonitoringClient) -> None:
    client.require_delivered(incident.STALLED)


@sequence("monitoring.alerts.silenced")
def _silenced(client: MonitoringClient) -> None:
    require_none([*client.incident().silence_findings()])


@sequence("monitoring.alerts.inhibited")
def _inhibited(client: MonitoringClient) -> None:
    require_none([*client.incident().inhibition_findings()])


# -- the dashboard


def _dashboard(client: MonitoringClient) -> DashboardData:
    """What its panels show while requests are sent, once for all checks."""
    session = client.scraped()
    chat = {"model": client.model, "messages": [{"role": "user", "content": "Say it briefly"}]}

    def send() -> None:
        for stream in (False, True):
            client.client.post("/v1/chat/completions", {**chat, "stream": stream})

    return session.keep(
        "the dashboard", lambda: observe_under_load(session.api, client.in_prometheus, SCRAPE_SECONDS, send)
    )


@sequence("monitoring.dashboard.data")
def _dashboard_data(client: MonitoringClient) -> None:
    found = _dashboard(client)
    client.evidence.append(client.session.panel_picture(found))
    require_none(found.findings)


@sequence("monitoring.dashboard.variables")
def _dashboard_variables(client: MonitoringClient) -> None:
    session, found = client.scraped(), _dashboard(client)
    require_equal("jobs", [JOB], found.choices["job"])
    require_equal("instances", [session.target.address], found.choices["instance"])
    if not found.choices["model"]:
        raise CheckFailed("no model can be chosen")


@sequence("monitoring.dashboard.probe")
def _dashboard_probe(client: MonitoringClient) -> None:
    found = {one.labels["check"]: one.value for one in client.scraped().api.query("acceptance_probe_success")}
    if not found:
        raise CheckFailed("Prometheus has no check of the probe")
    require_none([f"{name} has failed in the probe" for name, value in sorted(found.items()) if value != 1])


@sequence("monitoring.dashboard.objectives")
def _dashboard_objectives(client: MonitoringClient) -> None:
    require_none([*objective_findings(client.scraped().api, _dashboard(client).time)])


# -- a user's Grafana


@sequence("monitoring.grafana.health")
def _grafana_health(client: MonitoringClient) -> None:
    require_equal("the database of Grafana", "ok", client.scraped().grafana().health().get("database"))


@sequence("monitoring.grafana.data_source")
def _grafana_source(client: MonitoringClient) -> None:
    session = client.scraped()
    with session.in_grafana() as made:
        require_equal(
            "the type of the data source", "prometheus", session.grafana().source(made.source)["type"]
        )
        require_equal("its health", "OK", session.grafana().source_health(made.source).get("status"))


@sequence("monitoring.grafana.dashboard")
def _grafana_dashboard(client: MonitoringClient) -> None:
    session = client.scraped()
    with session.in_grafana() as made:
        require_none([*changed_panels(dashboard(), session.grafana().dashboard(made.dashboard))])


@sequence("monitoring.grafana.panels")
def _grafana_panels(client: MonitoringClient) -> None:
    session, found = client.scraped(), _dashboard(client)
    with session.in_grafana() as made:
        stored = session.grafana().dashboard(made.dashboard)
        data = session.grafana().read_panels(stored, made.source, found.time, found.choices)
        require_none(findings(data, client.in_prometheus))


@sequence("monitoring.grafana.alerts")
def _grafana_alerts(client: MonitoringClient) -> None:
    session = client.scraped()
    with session.in_grafana() as made:
        listed = {rule["name"]: rule for rule in session.grafana().rules(made.source)}
        require_none([f"Grafana does not list {name}" for name in alert_names() if name not in listed])
        wrong = [rule for rule in listed.values() if rule.get("health") not in ("ok", "unknown")]
        require_none([f"{rule['name']} is {rule.get('health')}: {rule.get('lastError')}" for rule in wrong])


# -- the same on a Prometheus 3


@sequence("monitoring.prometheus_3.configuration")
def _third_configuration(client: MonitoringClient) -> None:
    with client.on_prometheus_3() as third:
        api = third.scraped().api
        if not api.version().startswith("3."):
            raise CheckFailed(f"the version of this Prometheus is {api.version()}")
        rules = {rule["name"]: rule for rule in api.rules()}
        require_none([f"{name} is not loaded" for name in alert_names() if name not in rules])
        wrong = [rule for rule in rules.values() if rule["health"] == "err"]
        require_none([f"{rule['name']} is not evaluated: {rule.get('lastError')}" for rule in wrong])


@sequence("monitoring.prometheus_3.targets")
def _third_targets(client: MonitoringClient) -> None:
    with client.on_prometheus_3() as third:
        for check in (_up, _labels, _duration, _same_values, _memory, _cpu, _threads, _files):
            check(third)


@sequence("monitoring.prometheus_3.load")
def _third_load(client: MonitoringClient) -> None:
    with client.on_prometheus_3() as third:
        for check in (_tokens, _requests, _counters, _scrapes, _no_alert):
            check(third)


@sequence("monitoring.prometheus_3.alerts")
def _third_alerts(client: MonitoringClient) -> None:
    with client.on_prometheus_3() as third:
        for check in (_alert_down, _alert_errors, _alert_first_token, _alert_backlog, _alert_stalled):
            check(third)
        for check in (_down, _up_again, _silenced, _inhibited):
            check(third)


@sequence("monitoring.prometheus_3.dashboard")
def _third_dashboard(client: MonitoringClient) -> None:
    with client.on_prometheus_3() as third:
        for check in (_dashboard_data, _dashboard_variables, _dashboard_probe, _dashboard_objectives):
            check(third)
