"""A Prometheus of the user: one in order passes, each fault is one line, and nothing but GET is sent.

The server under test is the target whose count rises by the requests of the check.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.conformance.case_runner import Outcome
from support.conformance.case_table import Case, checks_of
from support.conformance.sequence import run_sequence
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.monitoring import watched_server
from support.monitoring.alert_rules import alert_names, rules_file
from support.monitoring.prometheus_pair import ScrapeTarget, start_pair
from support.monitoring.watched_server import WatchedServer
from support.runner.requirements import NEEDS_PROMETHEUS_URL, Requirements
from support.servers.discovery import CommandTarget, Target, UrlTarget
from support.servers.endpoints import Endpoint
from support.settings import Settings
from tests.monitoring.page_server import PageServer, page_server
from tests.timeouts import PATIENCE

Documents = dict[str, Any]
URL = UrlTarget("http://127.0.0.1:1", ("m",), "a test")
COMMAND = CommandTarget(Path("mistralrs"), "mistralrs", "0.9.2", "a test")
GIVEN = {"prometheus_url": "http://127.0.0.1:2"}
SEQUENCES = [name for name, check in checks_of("prometheus").items() if not isinstance(check, Case)]


def vector(*samples: tuple[Mapping[str, str], float]) -> Documents:
    result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in samples]
    return {"resultType": "vector", "result": result}


def target(health: str = "up", error: str = "", job: str = "llm") -> Documents:
    labels = {"job": job, "instance": "a:1"}
    return {
        "labels": labels,
        "health": health,
        "lastError": error,
        "scrapeUrl": "http://a:1/metrics",
        "scrapeInterval": "100ms",
    }


def alert(**labels: str) -> Documents:
    given = {"alertname": "MistralrsDown", "severity": "critical", "instance": "a:1", **labels}
    return {"labels": given, "annotations": {"summary": "A server is down."}, "state": "firing"}


def count_page(server: PageServer) -> str:
    """Each request is counted, also a scrape."""
    return page_of(server.scrapes)


def page_of(models: int, chats: int = 0) -> str:
    counts = {"/v1/models": models, "/v1/chat/completions": chats}
    lines = [f'http_requests_total{{path="{path}"}} {count}\n' for path, count in counts.items()]
    return "# TYPE http_requests_total counter\n" + "".join(lines)


@pytest.fixture
def server() -> Iterator[PageServer]:
    """The server under test."""
    with page_server("") as server:
        server.page = lambda: count_page(server)
        yield server


def good(server: PageServer) -> Documents:
    """The data of each path; of a query by its first function. One that changes is a function."""
    place = {"job": "llm", "instance": "a:1"}
    rules = [{"name": name, "health": "ok", "lastError": ""} for name in alert_names()]
    return {
        "targets": {"activeTargets": [target(), target("down", "refused", job="another")]},
        "rules": {"groups": [{"rules": rules}]},
        "alerts": {
            "alerts": [alert(alertname="Another"), {**alert(), "state": "pending"}, alert(severity="info")]
        },
        "alertmanagers": {"activeAlertmanagers": [{"url": "http://a:2/api/v2/alerts"}]},
        "count": vector(({"job": "llm"}, 1)),
        "time": {"resultType": "scalar", "result": [1.0, "100"]},
        "min": vector((place, 101)),
        "sum": lambda: vector((place, server.scrapes), ({**place, "instance": "b:1"}, 3)),
        "avg_over_time": vector(({"job": "llm", "instance": "a:1"}, 1)),
    }


@pytest.fixture
def prometheus(server: PageServer) -> Iterator[tuple[str, Documents]]:
    """Its URL, and the data that it returns."""
    documents = good(server)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name = parts.path.rpartition("/")[2]
            if name == "query":
                name = parse_qs(parts.query)["query"][0].partition("(")[0].partition(" ")[0]
            data = documents[name]() if callable(documents[name]) else documents[name]
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_port}", documents
    listener.shutdown()
    listener.server_close()


def run(name: str, url: str, watched: WatchedServer) -> Outcome:
    endpoint = Endpoint("fake", "prometheus", url, {"model": ""}, surroundings=lambda: watched)
    with closing(ApiClient(url)) as client:
        return run_sequence(client, endpoint, checks_of("prometheus")[name])


@pytest.mark.parametrize("name", SEQUENCES)
def test_one_in_order_passes(prometheus: tuple[str, Documents], server: PageServer, name: str) -> None:
    outcome = run(name, prometheus[0], WatchedServer(server.url))
    assert outcome.passed, outcome.reason


def test_the_targets_are_evidence(prometheus: tuple[str, Documents], server: PageServer) -> None:
    outcome = run("prometheus.targets.server", prometheus[0], WatchedServer(server.url))
    line = "up       http://a:1/metrics  instance=a:1, job=llm  <- the server under test"
    assert [one.data.decode() for one in outcome.evidence] == [line]


def failed_rule(documents: Documents) -> None:
    documents["rules"]["groups"][0]["rules"][0] |= {"health": "err", "lastError": "many-to-many\nmatching"}


PLACE = {"job": "llm", "instance": "a:1"}
FAULTS: list[tuple[str, Callable[[Documents], object], str]] = [
    # Another server, with a count of its own: that of this one before and after, or one that stands still.
    *(
        (f"targets.{name}", lambda d, still=still: d.update(sum=vector((PLACE, still))), "no target of this")
        for name in ("server", "up", "complete")
        for still in (0, 4, 7, 1000)
    ),
    ("targets.server", lambda d: d.update(sum=vector()), "in 3 s (none has it)"),
    # Not scraped since.
    (
        "targets.server",
        lambda d: d.update(min=vector((PLACE, 99))),
        "no target of this Prometheus is http://",
    ),
    (
        "targets.server",
        lambda d: d.update(targets={"activeTargets": [target(job="another")]}),
        "the samples of a:1 in the job llm are those of the server; no active target has them",
    ),
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
    prometheus: tuple[str, Documents],
    server: PageServer,
    name: str,
    break_it: Callable[[Documents], object],
    finding: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watched_server, "LATER_SECONDS", 3.0)
    url, documents = prometheus
    break_it(documents)
    outcome = run(f"prometheus.{name}", url, WatchedServer(server.url))
    assert not outcome.passed
    assert finding in outcome.reason
    assert "\n" not in outcome.reason


@pytest.mark.parametrize(
    ("page", "status", "finding"),
    [
        (page_of(1), 200, "risen by 5 requests: not within"),
        ("not found\n", 404, "the server has no page of metrics: GET /metrics is status 404 and 'not found"),
        ("<html></html>\n", 200, "the page is HTML or XML"),
    ],
)
def test_a_server_that_counts_nothing_is_no_target(
    prometheus: tuple[str, Documents],
    server: PageServer,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    status: int,
    finding: str,
) -> None:
    monkeypatch.setattr(watched_server, "COUNTED_SECONDS", 0.2)
    server.page, server.status = page, status
    outcome = run("prometheus.targets.server", prometheus[0], WatchedServer(server.url))
    assert not outcome.passed
    assert finding in outcome.reason


@pytest.mark.parametrize(
    ("settings", "target", "missing"),
    [
        ({}, URL, "requires a Prometheus of your own; set PROMETHEUS_URL"),
        (GIVEN, COMMAND, "requires the URL of the server that this Prometheus scrapes; set TARGET_URL"),
        (GIVEN, URL, None),
    ],
)
def test_both_urls_are_required(settings: Mapping[str, str], target: Target, missing: str | None) -> None:
    assert Requirements(Settings.model_validate(settings), target).missing([NEEDS_PROMETHEUS_URL]) == missing


def test_another_server_with_the_same_counts_is_not_taken(
    monitoring_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real Prometheus scrapes a server that is no other than that under test, but for the requests.

    All have as many chats at the same time, as behind a load balancer.
    """
    monkeypatch.setattr(watched_server, "LATER_SECONDS", PATIENCE)
    with page_server("") as server, page_server("") as replica, page_server("") as unwatched:
        for one in (server, replica, unwatched):
            one.page = lambda one=one: page_of(one.others, int(20 * time.monotonic()))
        targets = {"llm": ScrapeTarget(server.url), "replica": ScrapeTarget(replica.url)}
        pair = start_pair(monitoring_settings, tmp_path, targets, rules_file(), "http://127.0.0.1:9/")
        try:
            found = WatchedServer(server.url).places(pair.api)
            assert found == [("llm", targets["llm"].address)]
            monkeypatch.setattr(watched_server, "LATER_SECONDS", 2.0)
            with pytest.raises(
                CheckFailed, match=r"no target of this Prometheus is http://127.*replica 127.* has 0"
            ):
                WatchedServer(unwatched.url).places(pair.api)
        finally:
            pair.stop()
