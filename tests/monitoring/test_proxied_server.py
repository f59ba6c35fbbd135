"""A server without metrics: what the proxy counts, and each difference to what its client has sent."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.recording_proxy import RecordingProxy
from support.monitoring.incident import AlertHistory, Cause
from support.monitoring.proxied_server import (
    ENDED,
    IN_FLIGHT,
    REQUESTS,
    SECONDS,
    Observation,
    ProxyMetrics,
)
from support.monitoring.resource_use import MEMORY, Figure
from support.waiting import wait_until
from tests.http.tiny_server import TinyServer, json_reply
from tests.monitoring.test_incident import notification
from tests.timeouts import PATIENCE


def exchange(status: int, seconds: float) -> Exchange:
    return Exchange("POST", "http://127.0.0.1:1/v1/chat/completions", {}, b"", status, {}, b"", seconds)


ALERT = AlertHistory(
    ENDED,
    Cause(99.0, 104.0),
    pending=[101.0, 101.5, 102.0],
    firing=[102.5, 103.0, 103.5, 104.0],
    notifications=[notification(102.6, "firing", ENDED), notification(104.6, "resolved", ENDED)],
)
GOOD = Observation(
    exchanges=[exchange(200, 0.4), exchange(200, 0.5), exchange(400, 0.1)],
    counts={"200": 2.0, "400": 1.0},
    seconds=0.9,
    memory=Figure(MEMORY, 1e9, 1e9, 1e9),
    down_after=1.2,
    bound=3.0,
    alert=ALERT,
)


def findings(of: Observation) -> list[str]:
    return [*of.count_findings(), *of.duration_findings(), *of.end_findings(), *of.alert_findings()]


def test_equal_figures_have_no_finding() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ({"counts": {"200": 3.0, "400": 1.0}}, "3 requests with status 200 in Prometheus, 2 by the client"),
        ({"counts": {"200": 2.0}}, "0 requests with status 400 in Prometheus, 1 by the client"),
        (
            {"counts": {"200": 2.0, "400": 1.0, "500": 1.0}},
            "1 requests with status 500 in Prometheus, 0 by the client",
        ),
        ({"seconds": 1.1}, "1.100 s in all in Prometheus, 1.000 s by the client"),
        ({"seconds": 0.2}, "0.200 s in all in Prometheus, 1.000 s by the client"),
        ({"down_after": None}, "process_up stayed 1 for 3.0 s after the server had ended"),
        ({"alert": replace(ALERT, pending=[], firing=[])}, f"{ENDED} stayed inactive"),
        ({"alert": replace(ALERT, notifications=ALERT.notifications[:1])}, f"{ENDED} was not resolved"),
    ],
)
def test_a_difference_is_found(fault: dict[str, object], finding: str) -> None:
    assert findings(replace(GOOD, **fault)) == [finding]  # type: ignore[arg-type]


def test_the_proxy_counts_what_passes_through_it() -> None:
    registry = CollectorRegistry()
    server = TinyServer(json_reply({"data": []}))
    try:
        with closing(RecordingProxy(server.url, ())) as proxy, closing(ApiClient(proxy.url)) as client:
            registry.register(ProxyMetrics(proxy))
            for _ in range(3):
                client.get("/v1/models?all=1")
            wait_until("ended requests", lambda: len(proxy.ended_exchanges) == 3, timeout=PATIENCE)
            labels = {"method": "GET", "path": "/v1/models", "status": "200"}
            assert registry.get_sample_value(REQUESTS, labels) == 3
            assert registry.get_sample_value(f"{SECONDS}_count", {"path": "/v1/models"}) == 3
            by_client = sum(one.seconds for one in client.exchanges)
            by_proxy = registry.get_sample_value(f"{SECONDS}_sum", {"path": "/v1/models"})
            assert by_proxy is not None
            assert 0 < by_proxy <= by_client
            assert registry.get_sample_value(IN_FLIGHT) == 0
    finally:
        server.close()
