"""The pair starts on free ports with a checked configuration, and ends on every path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import psutil
import pytest

from support.errors import ProgramUnavailable, SettingsError
from support.monitoring import prometheus_pair
from support.monitoring.alert_rules import rules_file
from support.monitoring.prometheus_pair import (
    InvalidConfiguration,
    MonitoringBroken,
    PrometheusPair,
    ScrapeTarget,
    alertmanager_configuration,
    prometheus_configuration,
    start_pair,
)
from support.monitoring.webhook import WebhookReceiver
from support.programs.launcher import LaunchedProgram, free_port
from support.programs.process import managed_pids, run_command
from support.programs.prometheus import ALERTMANAGER
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until
from tests.http.tiny_server import TinyServer, json_reply, reply
from tests.timeouts import PATIENCE

WEBHOOK = "http://127.0.0.1:9/"
NOBODY = {"mistralrs": ScrapeTarget("http://127.0.0.1:9")}


def test_both_listen_on_loopback_only_and_end(monitoring_settings: Settings, tmp_path: Path) -> None:
    before = set(managed_pids())
    pair = start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), WEBHOOK)
    try:
        started = [psutil.Process(pid) for pid in set(managed_pids()) - before]
        assert len(started) == 2
        listening = {
            connection.laddr.ip
            for process in started
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        pair.wait_until_connected(PATIENCE)
        assert {rule["health"] for rule in pair.api.rules()} <= {"ok", "unknown"}
        assert re.match(r"\d+\.\d+", pair.api.version())
    finally:
        pair.stop()
    assert not pair.alive
    assert not [process for process in started if process.is_running()]
    pair.stop()


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_one_that_ends_is_no_failure_of_the_server(
    monitoring_settings: Settings, tmp_path: Path, name: str
) -> None:
    pair = start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), WEBHOOK)
    try:
        with pytest.raises(WaitTimeout, match=r"^never: not within 0\.1 s$"):
            pair.wait_until("never", lambda: None, 0.1)
        ended = pair.prometheus if name == "prometheus" else pair.alertmanager
        ended.process.stop(grace=0)
        message = rf"^{name.capitalize()} has ended with exit code -\d+, the last line of its log: .*level="
        for use in (
            lambda: pair.wait_until("never", lambda: None, PATIENCE),
            pair.require_alive,
            *([pair.delivered_alerts] if name == "alertmanager" else []),
        ):
            with pytest.raises(MonitoringBroken, match=message) as broken:
                use()
            assert "\n" not in str(broken.value)
    finally:
        pair.stop()


@pytest.mark.parametrize(
    ("receives", "lost"),
    [
        ("all", ""),
        ("nothing", r"the webhook of the suite got 0 of 1 notifications of Alertmanager, 0 of which failed$"),
        (
            "no connection",
            r"the webhook of the suite got 0 of \d notifications of Alertmanager, \d of which failed, "
            "the last error in the log of Alertmanager: .*connection refused",
        ),
    ],
)
def test_a_lost_notification_is_no_failure_of_the_server(
    monitoring_settings: Settings, tmp_path: Path, receives: str, lost: str
) -> None:
    with closing(WebhookReceiver()) as webhook, closing(TinyServer(json_reply({}))) as other:
        urls = {"all": webhook.url, "nothing": other.url, "no connection": WEBHOOK}
        pair = start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), urls[receives])
        try:
            pair.require_delivery(webhook)
            httpx.post(f"{pair.alertmanager.url}/api/v2/alerts", json=[{"labels": {"alertname": "A"}}])
            if not lost:
                wait_until("a notification", webhook.received, timeout=PATIENCE)
                pair.require_delivery(webhook)
                return

            def found() -> str:
                try:
                    pair.require_delivery(webhook)
                except MonitoringBroken as broken:
                    return str(broken)
                return ""

            assert re.match(lost, wait_until("a lost notification", found, timeout=PATIENCE))
        finally:
            pair.stop()


@pytest.mark.parametrize("errors", [0, 3])
def test_an_alert_that_alertmanager_does_not_take_is_no_failure_of_the_server(errors: int) -> None:
    page = f'prometheus_notifications_errors_total{{alertmanager="a"}} {errors}\n'
    with closing(WebhookReceiver()) as webhook, closing(TinyServer(reply(page.encode()))) as server:
        program = cast("LaunchedProgram", SimpleNamespace(url=server.url, alive=True))
        pair = PrometheusPair(program, program)
        if not errors:
            pair.require_delivery(webhook)
            return
        with pytest.raises(MonitoringBroken, match=r"^Prometheus could not send 3 alerts to Alertmanager$"):
            pair.require_delivery(webhook)


def test_a_program_without_metrics_is_named() -> None:
    with closing(WebhookReceiver()) as webhook, closing(TinyServer(reply(b"<html>"))) as server:
        program = cast("LaunchedProgram", SimpleNamespace(url=server.url, alive=True))
        with pytest.raises(MonitoringBroken, match=rf"^no metrics at {server.url}: the page is HTML"):
            PrometheusPair(program, program).require_delivery(webhook)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "    rules:\n",
            "    rulez:\n",
            r"rejects prometheus\.yml: .*mistralrs\.rules\.yml: .*field rulez not found",
        ),
        ("up{job=", "up{{job=", r"rejects prometheus\.yml: .*MistralrsDown.*could not parse expression"),
        ("for: 1m\n", "for: 1 minute\n", r"rejects prometheus\.yml: .*not a valid duration string"),
    ],
)
def test_a_mistake_in_the_rules_is_one_line(
    monitoring_settings: Settings, tmp_path: Path, old: str, new: str, message: str
) -> None:
    before = managed_pids()
    with pytest.raises(InvalidConfiguration, match=f"^promtool check config {message}") as rejected:
        start_pair(monitoring_settings, tmp_path, NOBODY, rules_file().replace(old, new), WEBHOOK)
    assert "\n" not in str(rejected.value)
    assert str(tmp_path) not in str(rejected.value)
    assert managed_pids() == before


def test_a_mistake_in_the_receiver_is_one_line(monitoring_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"^amtool check-config rejects alertmanager\.yml: .*unsupported scheme"
    ):
        start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), "ftp://127.0.0.1/")


def test_a_port_that_is_taken_is_avoided(
    monitoring_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = TinyServer(json_reply({}))
    ports = [int(taken.url.rpartition(":")[2]), free_port(), free_port()]
    monkeypatch.setattr("support.programs.launcher.free_port", lambda: ports.pop(0))
    try:
        pair = start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), WEBHOOK)
        pair.stop()
    finally:
        taken.close()
    assert not ports


def test_ports_that_are_all_taken_are_one_line(
    monitoring_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = TinyServer(json_reply({}))
    port = int(taken.url.rpartition(":")[2])
    monkeypatch.setattr("support.programs.launcher.free_port", lambda: port)
    try:
        with pytest.raises(MonitoringBroken, match=r"^Alertmanager does not start: .*address already in use"):
            start_pair(monitoring_settings, tmp_path, NOBODY, rules_file(), WEBHOOK)
    finally:
        taken.close()


def test_without_prometheus_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings.model_validate({"acceptance_cache_dir": tmp_path})
    with pytest.raises(
        ProgramUnavailable, match=r"^requires Prometheus; `acceptance get prometheus` unpacks Debian's"
    ):
        start_pair(settings, tmp_path, NOBODY, rules_file(), WEBHOOK)


def test_a_setting_that_is_no_program_is_wrong(tmp_path: Path) -> None:
    settings = Settings.model_validate({"alertmanager_bin": tmp_path / "alertmanager"})
    with pytest.raises(SettingsError, match=r"^setting alertmanager_bin = .* wrong: no Alertmanager 0\.22"):
        ALERTMANAGER.locate(settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:81", {"scheme": "http", "metrics_path": "/metrics", "targets": ["127.0.0.1:81"]}),
        ("https://a/b/", {"scheme": "https", "metrics_path": "/b/metrics", "targets": ["a:443"]}),
    ],
)
def test_the_target_is_that_of_the_url(url: str, expected: Mapping[str, object]) -> None:
    found = ScrapeTarget(url, "secret").configuration("job")
    targets = found.pop("static_configs")
    assert isinstance(targets, list)
    assert {**found, **targets[0]}.items() >= expected.items()
    assert found["authorization"] == {"credentials": "secret"}
    assert "authorization" not in ScrapeTarget(url).configuration("job")
    assert "secret" not in repr(ScrapeTarget(url, "secret"))


def test_intervals_are_shorter_than_those_of_the_rules() -> None:
    document = prometheus_configuration(NOBODY, "127.0.0.1:9", "rules.yml")
    assert document["global"] == {
        "scrape_interval": f"{prometheus_pair.SCRAPE_SECONDS * 1000:.0f}ms",
        "scrape_timeout": f"{prometheus_pair.SCRAPE_SECONDS * 1000:.0f}ms",
        "evaluation_interval": f"{prometheus_pair.EVALUATION_SECONDS * 1000:.0f}ms",
    }


def test_every_alert_has_the_receiver_by_amtool(monitoring_settings: Settings, tmp_path: Path) -> None:
    import json

    file = tmp_path / "alertmanager.yml"
    file.write_text(json.dumps(alertmanager_configuration(WEBHOOK)))
    found = ALERTMANAGER.locate(monitoring_settings)
    assert found is not None
    command: list[str | Path]
    command = [ALERTMANAGER.tool_of(found.path), "config", "routes", "test", f"--config.file={file}"]
    done = run_command([*command, "alertname=MistralrsDown", "severity=critical"], within=PATIENCE)
    assert (done.exit_code, done.stdout.strip()) == (0, "webhook")
