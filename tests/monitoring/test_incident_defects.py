"""Negative controls of the alerts, live: one incident with several defects, each of which one check reports.

The server is the reference server, Prometheus and Alertmanager are real. Without a defect the same checks
pass: `features/monitoring/prometheus.feature`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from support.conformance.case_table import checks_of
from support.conformance.sequence import run_sequence
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.models.script import Script
from support.models.store import ModelStore
from support.monitoring import incident, prometheus_pair
from support.monitoring.alert_rules import rules_file
from support.monitoring.prometheus_pair import alertmanager_configuration
from support.monitoring.session import PARAMETERS, SLOTS, SPEED, MonitoringSession
from support.programs.launcher import LaunchedProgram
from support.servers.discovery import CommandTarget, discover
from support.servers.endpoints import Endpoint
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.settings import Settings
from tests.monitoring.test_rules_lint import of

pytestmark = pytest.mark.engine

# Longer than the longest time within which an alert without a defect fires.
WAIT_SECONDS = 14.0
# As the rules have them, but for the defect.
DEFECTS_OF_RULES = [
    of("MistralrsQueueBacklog", "> 2", "> 2000"),
    of("MistralrsHighFirstTokenLatency", r"for: \w+", "for: 10m"),
    of("MistralrsHighErrorRate", r"ratio5m ([^[]*)\[\w+\]", r"ratio6h \g<2>[1h]"),
]
# The defect, the check of the scenario that has to fail, and its message. An empty one: it has to pass.
CONTROLS: list[tuple[str, str, str]] = [
    ("a threshold that is never reached", "alerts.backlog", "MistralrsQueueBacklog stayed inactive"),
    (
        "a `for` of ten minutes",
        "alerts.first_token",
        "MistralrsHighFirstTokenLatency was pending, and did not fire",
    ),
    ("a window that is too long", "alerts.errors", "MistralrsHighErrorRate was not resolved"),
    ("a receiver without a webhook", "alerts.down", "MistralrsDown fired, and was not delivered"),
    (
        "no rule of inhibition",
        "alerts.inhibited",
        "MistralrsErrorBudgetBurnsSlowly was not inhibited by MistralrsDown: its state was .*'active'.*"
        "MistralrsDown was not delivered",
    ),
    (
        "a page of metrics that fails after the restart",
        "restart.up",
        "the target was never up after its server was started again",
    ),
    (
        "no page of metrics",
        "alerts.stalled",
        r"MistralrsStalled stayed inactive; watched for \S+ s only, since another alert was late",
    ),
    ("no alert that a silence could mute", "alerts.silenced", r"MistralrsStalled was not silenced: .* \{\}"),
    ("none", "restart.down", ""),
]


def faulty_configuration(webhook: str) -> Mapping[str, Any]:
    """Of Alertmanager: the alert of a server that is down is not delivered, and inhibits no other."""
    document: dict[str, Any] = {**alertmanager_configuration(webhook)}
    document["route"]["routes"] = [{"matchers": ['alertname="MistralrsDown"'], "receiver": "nobody"}]
    document["receivers"].append({"name": "nobody"})
    del document["inhibit_rules"]
    return document


class FaultyServer:
    """The reference server; from its second start on without metrics."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.model_copy(
            update={"acceptance_target": "reference", "test_batch_size": SLOTS, "test_port": None}
        )
        self._model = ModelStore(settings.acceptance_cache_dir / "models").scripted(Script.standard())
        self._starts = 0

    def start(self, port: int | None) -> LaunchedProgram:
        target = discover(self._settings)
        assert isinstance(target, CommandTarget)
        options = ["--disable-metrics"] if self._starts else []
        self._starts += 1
        return start_server(target, arguments_of(self._model), self._settings, port=port, options=options)


@pytest.fixture(scope="module")
def session(
    monitoring_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MonitoringSession]:
    rules = rules_file(PARAMETERS, speed=SPEED)
    for change in DEFECTS_OF_RULES:
        rules = change(rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prometheus_pair, "alertmanager_configuration", faulty_configuration)
        patch.setattr(incident, "WAIT_SECONDS", WAIT_SECONDS)
        folder = tmp_path_factory.mktemp("pair")
        session = MonitoringSession(
            monitoring_settings, folder, FaultyServer(monitoring_settings).start, rules
        )
        # Of no use here, and it takes time.
        session.kept["a load"] = CheckFailed("not observed")
        try:
            yield session
        finally:
            session.stop()


@pytest.mark.parametrize(
    ("check", "finding"), [row[1:] for row in CONTROLS], ids=[row[0] for row in CONTROLS]
)
def test_a_defect_fails_its_check(session: MonitoringSession, check: str, finding: str) -> None:
    url = session.target.url
    server = Endpoint("reference", "monitoring", url, {"model": "default"}, surroundings=lambda: session)
    with closing(ApiClient(url)) as client:
        outcome = run_sequence(client, server, checks_of("monitoring")[f"monitoring.{check}"])
    assert outcome.passed == (not finding), outcome.reason
    assert re.fullmatch(finding, outcome.reason, re.DOTALL), outcome.reason
