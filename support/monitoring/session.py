"""A server that is monitored by a Prometheus and an Alertmanager of the run, which are used for nothing else.

With it, `acceptance probe` checks the server once, and an exporter serves the resource use of its process.
The alerts are those that users install (`alert_rules.toml`), with windows and `for` divided by `SPEED` and
with thresholds that a tiny model can exceed. The server may be ended and started again on its port.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from support.errors import CheckFailed, ProgramUnavailable
from support.http.client import ApiClient, RequestFailed
from support.monitoring.alert_rules import rules_file
from support.monitoring.dashboard import dashboard
from support.monitoring.dashboard_data import DashboardData
from support.monitoring.exposition import MalformedPage, MetricsPage, read_page
from support.monitoring.grafana import GrafanaApi, Installed, installed
from support.monitoring.grafana_picture import DRAW_SECONDS, panel_picture
from support.monitoring.metrics_endpoint import served
from support.monitoring.probe_program import PROBE_JOB, start_probe
from support.monitoring.process_metrics import process_registry
from support.monitoring.prometheus_api import PrometheusApi
from support.monitoring.prometheus_pair import (
    SCRAPE_SECONDS,
    MonitoringBroken,
    PrometheusPair,
    ScrapeTarget,
    start_pair,
)
from support.monitoring.webhook import WebhookReceiver
from support.programs.launcher import LaunchedProgram
from support.programs.prometheus import PROMETHEUS_3
from support.results.outcome import Evidence
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, Target, UrlTarget
from support.servers.mistralrs import start_server
from support.settings import Settings
from support.waiting import WaitTimeout

T = TypeVar("T")
JOB = "mistralrs"
# The exporter of the resource use of its process; its series have the labels of the server.
EXPORTER_JOB = "mistralrs-exporter"
# 5 minutes are 3 seconds.
SPEED = 100.0
# Of the server: so few that a handful of users has to wait.
SLOTS = 2
PARAMETERS: Mapping[str, str | float] = {
    "job": JOB,
    "error_requests": 5,
    "waiting_sequences": 2,
    "first_token_seconds": 0.5,
}
# A request to an unknown path counts as one that was answered with 500: a server without defects has none.
UNKNOWN_PATH = "<unmatched>"
ERRORS = (
    {
        "source_labels": ["path", "status"],
        "regex": f"{UNKNOWN_PATH};404",
        "target_label": "status",
        "replacement": "500",
    },
)
# Discovery takes 5 s, whatever is configured.
FIRST_SCRAPE_SECONDS = 20.0
# The slow burn of an error budget is half an hour long.
QUIET_SECONDS = 60.0
# Starts the server with a model on a port, or on a free one.
StartServer = Callable[[int | None], LaunchedProgram]


def monitored_target(
    target: Target, model: Callable[[], ModelArguments], settings: Settings
) -> StartServer | ScrapeTarget:
    """The server under test: started with this model, or the one at a URL."""
    if isinstance(target, UrlTarget):
        return ScrapeTarget(target.url, settings.api_key)
    assert isinstance(target, CommandTarget)
    own = settings.model_copy(update={"test_batch_size": SLOTS, "test_port": None})
    return lambda port: start_server(target, model(), own, port=port)


class MonitoringSession:
    """One for all checks of a run. `stop` ends the programs; the folder is that of the run.

    `server` is None for one that was there before: it is scraped and never ended. `kept`: what a check
    has observed for others.
    """

    def __init__(
        self, settings: Settings, folder: Path, target: StartServer | ScrapeTarget, rules: str | None = None
    ) -> None:
        """Raises `ProgramUnavailable`, `MonitoringBroken`, and `StartFailure` for the server."""
        self.kept: dict[str, Any] = {}
        self._settings = settings
        self._start = None if isinstance(target, ScrapeTarget) else target
        self.server: LaunchedProgram | None = None
        self._third: MonitoringSession | None = None
        with ExitStack() as started:
            if isinstance(target, ScrapeTarget):
                self.target = target
            else:
                self.server = target(None)
                self.target = ScrapeTarget(self.server.url, relabel=ERRORS)
            # Not that one: it may have been started again.
            started.callback(self._stop_server)
            self.webhook = WebhookReceiver()
            started.callback(self.webhook.close)
            rules = rules_file(PARAMETERS, speed=SPEED) if rules is None else rules
            self.pair: PrometheusPair = start_pair(
                settings, folder, self._scraped(started), rules, self.webhook.url
            )
            started.callback(self.pair.stop)
            self._exit_stack = started.pop_all()

    def _scraped(self, started: ExitStack) -> Mapping[str, ScrapeTarget]:
        """By job: the server; beside one that the suite started an exporter of its process, and the probe."""
        if self.server is None:
            return {JOB: self.target}
        probe = start_probe(self.server.url, self._settings)
        started.callback(probe.stop)
        url = started.enter_context(served(process_registry(self._pid)))
        labels = {"job": JOB, "instance": self.target.address}
        relabel = [{"target_label": name, "replacement": value} for name, value in labels.items()]
        exporter = ScrapeTarget(url.removesuffix("/metrics"), relabel=relabel)
        return {JOB: self.target, EXPORTER_JOB: exporter, PROBE_JOB: ScrapeTarget(probe.url)}

    @property
    def beside(self) -> Collection[str]:
        """The programs of `metric_table.toml` that are scraped beside the server."""
        return ("process-exporter", "acceptance-probe") if self.server is not None else ()

    def _pid(self) -> int:
        """Of the server that was started last."""
        assert self.server is not None
        return self.server.process.pid

    @property
    def api(self) -> PrometheusApi:
        """Queries of the Prometheus that scrapes the server."""
        return self.pair.api

    @property
    def alive(self) -> bool:
        """Whether Prometheus and Alertmanager run; the server may be ended at the moment."""
        return self.pair.alive

    def stop(self) -> None:
        """May be called twice."""
        self._exit_stack.close()

    @property
    def prometheus_3(self) -> MonitoringSession:
        """Another one like this, with a Prometheus 3; started on first use, ended with this one.

        Raises `ProgramUnavailable`, and as this one when it was started.
        """
        if self._third is None or not self._third.alive:
            found = PROMETHEUS_3.locate(self._settings)
            if found is None:
                raise ProgramUnavailable(f"requires {PROMETHEUS_3.title}; {PROMETHEUS_3.remedy}")
            settings = self._settings.model_copy(update={"prometheus_bin": found.path})
            folder = Path(tempfile.mkdtemp(prefix="monitoring-"))
            self._third = MonitoringSession(settings, folder, self._start or self.target)
            self._exit_stack.callback(self._third.stop)
        return self._third

    def kill_server(self) -> None:
        """End it at once, as the system does without memory."""
        assert self.server is not None
        self.server.end_is_known = True
        self.server.process.stop(grace=0)

    def require_server(self) -> str:
        """The URL of the server; one that has ended is started again on its port."""
        if self.server is not None and not self.server.alive:
            assert self._start is not None
            port = int(self.target.address.rpartition(":")[2])
            self._stop_server()
            self.server = self._start(port)
        return self.target.url

    def wait_until_scraped(self) -> Mapping[str, Any]:
        """The target as Prometheus has it when it is up, and alerts have a receiver.

        Raises `CheckFailed` with what is wrong with the page.
        """
        self.pair.wait_until_connected(self.seconds(FIRST_SCRAPE_SECONDS))
        # A server that was started a moment ago may have been down at the last scrape.
        found = self._wait_for(("up", "down"), FIRST_SCRAPE_SECONDS)
        if found["health"] == "down":
            with suppress(WaitTimeout):
                found = self._wait_for(("up",), 2 * SCRAPE_SECONDS)
        if found["health"] != "up":
            raise CheckFailed(f"Prometheus cannot scrape {found['scrapeUrl']}: {self._page_finding(found)}")
        return found

    def wait_for_health(self, health: str, seconds: float) -> Mapping[str, Any]:
        """The target as Prometheus has it when it is `up` or `down`; raises `WaitTimeout`."""
        return self._wait_for((health,), seconds)

    def page(self) -> MetricsPage:
        """As the server has it; raises `MalformedPage`."""
        with closing(ApiClient(self.target.url, api_key=self.target.key, may_be_silent=True)) as client:
            return read_page(client.get("/metrics").text)

    def _wait_for(self, healths: Collection[str], seconds: float) -> Mapping[str, Any]:
        return self.pair.wait_until(
            f"target {self.target.address} {' or '.join(healths)}",
            lambda: next((found for found in self.api.targets(JOB) if found["health"] in healths), None),
            self.seconds(seconds),
            seen=lambda: [f"{found['health']} {found['lastError']}" for found in self.api.targets(JOB)],
        )

    def _page_finding(self, target: Mapping[str, Any]) -> str:
        """In the words of the page's own checks, if these find something, else in Prometheus' words."""
        with suppress(RequestFailed):
            try:
                self.page()
            except MalformedPage as error:
                return f"{error} ({target['lastError']})"
        return str(target["lastError"])

    def seconds(self, wait: float) -> float:
        """A time-out, scaled for slow machines."""
        return self._settings.seconds(wait)

    def wait_for_scrape(self, job: str = JOB) -> None:
        """Until a scrape that began after this call was stored."""
        since = time.time()
        self.pair.wait_until(
            "another scrape",
            lambda: [one for one in self.api.query(f'timestamp(up{{job="{job}"}})') if one.value > since],
            self.seconds(FIRST_SCRAPE_SECONDS),
        )

    def wait_until_quiet(self) -> None:
        """Until no alert of the server fires: one with a long window ends after it."""

        def firing() -> list[str]:
            alerts = [alert for alert in self.api.alerts() if alert["state"] == "firing"]
            return [one["labels"]["alertname"] for one in alerts if one["labels"].get("job") != PROBE_JOB]

        quiet_seconds = self.seconds(QUIET_SECONDS)
        self.pair.wait_until("no alert that fires", lambda: not firing(), quiet_seconds, seen=firing)

    def keep(self, name: str, observe: Callable[[], T]) -> T:
        """What was observed under this name, once for all checks of it; a failure is kept, too.

        Raises `MonitoringBroken` when Prometheus or Alertmanager has ended, or as `observe` does: that is no
        failure of the server.
        """
        if name not in self.kept:
            try:
                self.kept[name] = observe()
            except (AssertionError, MonitoringBroken) as error:
                self.kept[name] = error
        if isinstance(self.kept[name], MonitoringBroken):
            raise MonitoringBroken(str(self.kept[name]))
        if isinstance(self.kept[name], AssertionError):
            self.pair.require_alive()
            raise CheckFailed(f"{name}: {self.kept[name]}")
        found: T = self.kept[name]
        return found

    def panel_picture(self, shown: DashboardData) -> Evidence:
        """Of the panels of our dashboard, for the report."""
        programs = self._settings.acceptance_cache_dir
        return panel_picture(dashboard(), shown, programs, self.seconds(DRAW_SECONDS))

    def grafana(self) -> GrafanaApi:
        """The user's Grafana; needs `grafana_url`."""
        settings = self._settings
        assert settings.grafana_url is not None
        token = settings.grafana_token.get_secret_value() if settings.grafana_token else None
        return GrafanaApi(settings.grafana_url, token)

    def in_grafana(self) -> AbstractContextManager[Installed]:
        """Our dashboard in the user's Grafana, with the data source of the settings, or one for this pair."""
        source = self._settings.grafana_data_source
        return installed(self.grafana(), self.api.url, SCRAPE_SECONDS, source)

    def _stop_server(self) -> None:
        if self.server is not None:
            self.server.stop()
