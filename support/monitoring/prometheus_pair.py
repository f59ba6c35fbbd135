"""One Prometheus and one Alertmanager on free ports of loopback, with a generated and checked configuration.

Their data lies in the temporary folder of the run. Intervals are short, so that a test sees each state of an
alert within seconds; the first scrape comes after 5 s, whatever is configured (Prometheus up to 3.16).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from support.errors import AcceptanceError, ProgramUnavailable
from support.http.client import ApiClient, RequestFailed
from support.monitoring.exposition import MalformedPage, read_page
from support.monitoring.prometheus_api import PrometheusApi
from support.monitoring.webhook import WebhookReceiver
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.launcher import (
    LaunchedProgram,
    LaunchFailure,
    http_ready,
    launch,
    launch_on_free_port,
    port_open,
)
from support.programs.process import CommandTimeout, run_command
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS, MonitoringProgram
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until

T = TypeVar("T")
SCRAPE_SECONDS = 1.0
EVALUATION_SECONDS = 0.5
# Of a group of alerts that was notified before.
GROUP_INTERVAL_SECONDS = 0.2
READY_SECONDS = 30.0
CHECK_SECONDS = 20.0
PORT_TAKEN = "address already in use"
RULES, PROMETHEUS_FILE, ALERTMANAGER_FILE = "mistralrs.rules.yml", "prometheus.yml", "alertmanager.yml"


# What the tools print beside their reasons.
_PROGRESS = re.compile(r"^ *(?:Checking '?[^' ]*'?|SUCCESS.*|Found.*| - .*|amtool: error.*)|FAILED:")


class MonitoringBroken(AcceptanceError):
    """Prometheus or Alertmanager cannot be used: the harness is wrong, not the server under test."""


class InvalidConfiguration(AcceptanceError):
    """A configuration or rules file that promtool or amtool rejects, with their reason in one line."""


@dataclass(frozen=True)
class ScrapeTarget:
    """A server with a page of metrics. `relabel`: entries of `metric_relabel_configs`."""

    url: str
    key: str | None = field(default=None, repr=False)
    relabel: Sequence[Mapping[str, object]] = ()

    @property
    def address(self) -> str:
        """As in the label `instance`."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"{parts.hostname}:{port}"

    def configuration(self, job: str) -> dict[str, object]:
        """An entry of `scrape_configs`."""
        parts = urlsplit(self.url)
        secret = {"authorization": {"credentials": self.key}} if self.key else {}
        return {
            "job_name": job,
            "scheme": parts.scheme,
            "metrics_path": f"{parts.path.rstrip('/')}/metrics",
            "static_configs": [{"targets": [self.address]}],
            "metric_relabel_configs": list(self.relabel),
            **secret,
        }


def prometheus_configuration(
    targets: Mapping[str, ScrapeTarget], alertmanager: str, rules: str
) -> dict[str, object]:
    """`targets` by job; `alertmanager`: its address; `rules`: the name of a file beside this one."""
    return {
        "global": {
            "scrape_interval": _milliseconds(SCRAPE_SECONDS),
            "scrape_timeout": _milliseconds(SCRAPE_SECONDS),
            "evaluation_interval": _milliseconds(EVALUATION_SECONDS),
        },
        "rule_files": [rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [target.configuration(job) for job, target in targets.items()],
    }


def alertmanager_configuration(webhook: str) -> dict[str, object]:
    """Every alert goes to the webhook; that of a server that is down inhibits the others of that server."""
    return {
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname", "job", "instance"],
            "group_wait": "0s",
            "group_interval": _milliseconds(GROUP_INTERVAL_SECONDS),
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="MistralrsDown"'],
                "target_matchers": ['alertname!="MistralrsDown"'],
                "equal": ["job", "instance"],
            }
        ],
    }


class PrometheusPair:
    """Both programs with what they were started with; they end with `stop`. Use `start_pair`."""

    def __init__(self, prometheus: LaunchedProgram, alertmanager: LaunchedProgram) -> None:
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        self.api = PrometheusApi(prometheus.url)

    @property
    def alive(self) -> bool:
        return self.prometheus.alive and self.alertmanager.alive

    def require_alive(self) -> None:
        """Raises `MonitoringBroken` with how one of them has ended: that is no failure of the server."""
        for what, program in (("Prometheus", self.prometheus), ("Alertmanager", self.alertmanager)):
            if not program.alive:
                log = program.log.splitlines() if program.log_file.exists() else []
                last = f", the last line of its log: {log[-1]}" if log else ""
                raise MonitoringBroken(f"{what} has ended with exit code {program.process.exit_code}{last}")

    def wait_until(
        self,
        what: str,
        check: Callable[[], T | None],
        seconds: float,
        seen: Callable[[], object] | None = None,
    ) -> T:
        """The first truthy result of `check`; raises `WaitTimeout`, `MonitoringBroken` when one has ended."""
        try:
            return wait_until(what, check, timeout=seconds, alive=lambda: self.alive, seen=seen)
        except WaitTimeout:
            self.require_alive()
            raise

    def stop(self) -> None:
        """End both, with their data. May be called twice."""
        with ExitStack() as stack:
            stack.callback(self.alertmanager.stop)
            stack.callback(self.prometheus.stop)

    def wait_until_connected(self, seconds: float) -> None:
        """Until Prometheus has found the Alertmanager: an alert that fires before is notified later."""
        try:
            self.wait_until("Alertmanager found by Prometheus", self.api.alertmanagers, seconds)
        except WaitTimeout as error:
            raise MonitoringBroken(str(error)) from None

    def require_delivery(self, webhook: WebhookReceiver) -> None:
        """Raises `MonitoringBroken` when something that was sent has not arrived: an alert at Alertmanager, a
        notification at the suite's own receiver.

        An alert that neither has sent is no matter of these: its rule and its labels decide that.
        """
        lost = self._total(self.prometheus, "prometheus_notifications_errors_total")
        if lost:
            raise MonitoringBroken(f"Prometheus could not send {lost} alerts to Alertmanager")
        # Counted after they were sent, so the webhook has had each of these.
        failed = self._total(self.alertmanager, "alertmanager_notification_requests_failed_total")
        sent = self._total(self.alertmanager, "alertmanager_notification_requests_total")
        if failed or webhook.requests < sent:
            errors = [line for line in self.alertmanager.log.splitlines() if "err=" in line]
            last = f", the last error in the log of Alertmanager: {errors[-1]}" if failed and errors else ""
            raise MonitoringBroken(
                f"the webhook of the suite got {webhook.requests} of {sent} notifications of Alertmanager, "
                f"{failed} of which failed{last}"
            )

    def _total(self, program: LaunchedProgram, metric: str) -> int:
        """Of the metrics of Prometheus or of Alertmanager; 0 for one that it does not have."""
        with closing(ApiClient(program.url, may_be_silent=True)) as client:
            try:
                page = read_page(client.get("/metrics").text)
            except (RequestFailed, MalformedPage) as error:
                self.require_alive()
                raise MonitoringBroken(f"no metrics at {program.url}: {error}") from None
        return int(page.total(metric))

    def delivered_alerts(self) -> list[Mapping[str, Any]]:
        """The alerts that Alertmanager has (`labels`, `status` with `state`, `silencedBy`, `inhibitedBy`)."""
        found: list[Mapping[str, Any]] = self._alertmanager("GET", "/api/v2/alerts")
        return found

    def silence(self, alert: str, minutes: float) -> str:
        """No notification for this alert; the id of the silence."""
        now = time_text(0)
        matcher = {"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}
        document = {
            "matchers": [matcher],
            "startsAt": now,
            "endsAt": time_text(60 * minutes),
            "createdBy": "acceptance",
            "comment": "a test of silences",
        }
        return str(self._alertmanager("POST", "/api/v2/silences", document)["silenceID"])

    def end_silence(self, identifier: str) -> None:
        self._alertmanager("DELETE", f"/api/v2/silence/{identifier}")

    def _alertmanager(self, method: str, path: str, document: object = None) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        with closing(ApiClient(self.alertmanager.url, may_be_silent=True)) as client:
            try:
                exchange = client.send(method, path, body=body, headers=headers)
            except RequestFailed as error:
                self.require_alive()
                raise MonitoringBroken(f"Alertmanager does not respond: {error}") from None
        if exchange.status != 200:
            raise MonitoringBroken(
                f"Alertmanager: {method} {path}: {exchange.status} {exchange.text[:200]!r}"
            )
        return exchange.json() if exchange.body else None


def time_text(seconds: float) -> str:
    """So many seconds from now, in the form of RFC 3339."""
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def start_pair(
    settings: Settings, folder: Path, targets: Mapping[str, ScrapeTarget], rules: str, webhook: str
) -> PrometheusPair:
    """Start both with a configuration in `folder`, which exists; nothing is left running after an error.

    `targets` by job, `rules`: the text of a rules file, `webhook`: the URL that gets all notifications.
    Raises `ProgramUnavailable`, `InvalidConfiguration`, `MonitoringBroken`.
    """
    prometheus, alertmanager = (_located(program, settings) for program in (PROMETHEUS, ALERTMANAGER))
    ready_seconds = settings.seconds(READY_SECONDS)
    with ExitStack() as started:
        routes = folder / ALERTMANAGER_FILE
        routes.write_text(json.dumps(alertmanager_configuration(webhook), indent=1), encoding="utf-8")
        check_file(ALERTMANAGER, alertmanager, "check-config", routes)
        second = _start(
            "Alertmanager",
            [
                *ALERTMANAGER.command(alertmanager),
                *(f"--config.file={routes}", f"--storage.path={folder / 'alertmanager'}"),
                # Else it listens for others of a cluster, on all interfaces.
                "--cluster.listen-address=",
            ],
            ready_seconds,
        )
        started.callback(second.stop)
        (folder / RULES).write_text(rules, encoding="utf-8")
        configuration = folder / PROMETHEUS_FILE
        address = urlsplit(second.url).netloc
        document = prometheus_configuration(targets, address, RULES)
        configuration.write_text(json.dumps(document, indent=1), encoding="utf-8")
        check_file(PROMETHEUS, prometheus, "check config", configuration)
        first = _start(
            "Prometheus",
            [
                *PROMETHEUS.command(prometheus),
                *(f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'prometheus'}"),
                *("--storage.tsdb.retention.time=2h", "--rules.alert.resend-delay=1s"),
            ],
            ready_seconds,
        )
        started.pop_all()
        return PrometheusPair(first, second)


def check_file(program: MonitoringProgram, found: InstalledProgram, command: str, file: Path) -> None:
    """Raises `InvalidConfiguration` with the reason of promtool or amtool: the place and the mistake."""
    try:
        done = run_command([program.tool_of(found.path), *command.split(), file], within=CHECK_SECONDS)
    except (OSError, CommandTimeout) as error:
        raise MonitoringBroken(f"{program.tool}: {error}") from None
    if done.exit_code != 0:
        text = f"{done.stdout}\n{done.stderr}".replace(f"{file.parent}/", "")
        lines = [_PROGRESS.sub("", line).strip() for line in text.splitlines()]
        why = "; ".join(dict.fromkeys(filter(None, lines)))
        raise InvalidConfiguration(f"{program.tool} {command} rejects {file.name}: {why}")


def _start(what: str, command: Sequence[str | Path], ready_seconds: float) -> LaunchedProgram:
    def start(port: int) -> LaunchedProgram:
        url = f"http://127.0.0.1:{port}"
        listens = port_open(port)
        healthy = http_ready(url, "/-/ready", lambda exchange: exchange.status == 200)
        return launch(
            what,
            # The external URL: else the links of its alerts have the name of this machine.
            [*command, f"--web.listen-address=127.0.0.1:{port}", f"--web.external-url={url}"],
            environment=child_environment,
            # Another process on the port may answer, too.
            ready=lambda program: listens(program) or healthy(program),
            timeout=ready_seconds,
            url=url,
        )

    try:
        return launch_on_free_port(start, PORT_TAKEN)
    except LaunchFailure as failure:
        raise MonitoringBroken(f"{what} does not start: {' '.join(str(failure).split())}") from None


def _located(program: MonitoringProgram, settings: Settings) -> InstalledProgram:
    found = program.locate(settings)
    if found is None:
        raise ProgramUnavailable(f"requires {program.title}; {program.remedy}")
    return found


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
