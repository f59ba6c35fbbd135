"""A Prometheus of the user: one in order passes, each fault is one line, and nothing but GET is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.conformance.case_runner import Outcome
from support.conformance.case_table import Case, checks_of
from support.conformance.sequence import run_sequence
from support.http.client import ApiClient
from support.monitoring.alert_rules import alert_names
from support.servers.endpoints import Endpoint

Documents = dict[str, Any]
SEQUENCES = [name for name, check in checks_of("prometheus").items() if not isinstance(check, Case)]


def vector(*samples: tuple[Mapping[str, str], float]) -> Documents:
    result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in samples]
    return {"resultType": "vector", "result": result}


def target(health: str = "up", error: str = "", job: str = "llm") -> Documents:
    return {"labels": {"job": job}, "health": health, "lastError": error, "scrapeUrl": "http://a:1/metrics"}


def alert(**labels: str) -> Documents:
    given = {"alertname": "MistralrsDown", "severity": "critical", "instance": "a:1", **labels}
    return {"labels": given, "annotations": {"summary": "A server is down."}, "state": "firing"}


def good() -> Documents:
    """The data of each path; of a query by its first function."""
    rules = [{"name": name, "health": "ok", "lastError": ""} for name in alert_names()]
    return {
        "targets": {"activeTargets": [target(), target("down", "refused", job="another")]},
        "rules": {"groups": [{"rules": rules}]},
        "alerts": {
            "alerts": [alert(alertname="Another"), {**alert(), "state": "pending"}, alert(severity="info")]
        },
        "alertmanagers": {"activeAlertmanagers": [{"url": "http://a:2/api/v2/alerts"}]},
        "count": vector(({"job": "llm"}, 1)),
        "avg_over_time": vector(({"job": "llm", "instance": "a:1"}, 1)),
    }


@pytest.fixture
def prometheus() -> Iterator[tuple[str, Documents]]:
    """Its URL, and the data that it returns."""
    documents = good()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name = parts.path.rpartition("/")[2]
            if name == "query":
                name = parse_qs(parts.query)["query"][0].partition("(")[0].partition(" ")[0]
            body = json.dumps({"status": "success", "data": documents[name]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", documents
    server.shutdown()
    server.server_close()


def run(name: str, url: str) -> Outcome:
    server = Endpoint("fake", "prometheus", url, {"model": ""})
    with closing(ApiClient(url)) as client:
        return run_sequence(client, server, checks_of("prometheus")[name])


@pytest.mark.parametrize("name", SEQUENCES)
def test_one_in_order_passes(prometheus: tuple[str, Documents], name: str) -> None:
    outcome = run(name, prometheus[0])
    assert outcome.passed, outcome.reason


def failed_rule(documents: Documents) -> None:
    documents["rules"]["groups"][0]["rules"][0] |= {"health": "err", "lastError": "many-to-many\nmatching"}


FAULTS: list[tuple[str, Callable[[Documents], object], str]] = [
    ("targets.up", lambda d: d.update(count=vector()), "no target has had metrics of mistral.rs in 5m"),
    (
        "targets.up",
        lambda d: d["targets"]["activeTargets"].append(target("down", "connection refused")),
        "http://a:1/metrics is down: connection refused",
    ),
    (
        "targets.up",
        lambda d: d["targets"]["activeTargets"].append(target("unknown")),
        "is unknown",
    ),
    (
        "targets.complete",
        lambda d: d.update(avg_over_time=vector(({"instance": "a:1"}, 0.9))),
        "10.0% of the scrapes of a:1 failed in 5m",
    ),
    (
        "rules.loaded",
        lambda d: d["rules"]["groups"][0]["rules"].pop(0),
        f"1 of {len(alert_names())} alerts are not loaded, such as MistralrsDown",
    ),
    ("rules.evaluated", failed_rule, "MistralrsDown is not evaluated: many-to-many matching"),
    (
        "alertmanagers.found",
        lambda d: d["alertmanagers"]["activeAlertmanagers"].clear(),
        "no Alertmanager",
    ),
    (
        "alerts.none",
        lambda d: d["alerts"]["alerts"].append(alert()),
        "MistralrsDown fires for a:1: A server is down.",
    ),
]


@pytest.mark.parametrize(("name", "break_it", "finding"), FAULTS)
def test_a_fault_is_one_line(
    prometheus: tuple[str, Documents], name: str, break_it: Callable[[Documents], object], finding: str
) -> None:
    url, documents = prometheus
    break_it(documents)
    outcome = run(f"prometheus.{name}", url)
    assert not outcome.passed
    assert finding in outcome.reason
    assert "\n" not in outcome.reason
