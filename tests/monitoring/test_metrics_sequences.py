"""The checks of the metrics page: a right server passes all, each fault fails the check of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

import pytest

from support.conformance.case_runner import Outcome
from support.conformance.case_table import Case, checks_of
from support.conformance.sequence import run_sequence
from support.conformance.sequences import metrics
from support.http.client import ApiClient
from support.monitoring import metric_table
from support.servers.endpoints import Endpoint
from tests.monitoring.metrics_server import Change, SlowEngine, served, times, unchanged

ALL = [name for name, check in checks_of("metrics").items() if not isinstance(check, Case)]


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server and its client are threads of one process: each may wait for the other."""
    monkeypatch.setattr(metrics, "LONGER_SECONDS", 1.0)
    monkeypatch.setattr(metrics, "SHORTER_SECONDS", 1.0)


def run(name: str, change: Change = unchanged, version: str = "0.9.5") -> Outcome:
    with served(change, SlowEngine(metrics.CONCURRENT)) as url:
        component = ("mistralrs-reference", version)
        server = Endpoint("fake", "metrics", url, {"model": "default"}, components=(component,))
        with closing(ApiClient(url)) as client:
            return run_sequence(client, server, checks_of("metrics")[name])


@pytest.mark.parametrize("name", ALL)
def test_a_right_server_passes_every_check(name: str) -> None:
    outcome = run(name)
    assert outcome.passed, outcome.reason


def replace(old: str, new: str) -> Change:
    return lambda text, _paths: re.sub(old, new, text, count=1, flags=re.MULTILINE)


def add_paths(text: str, paths: Sequence[str]) -> str:
    """A series for each path that was requested."""
    return text + "".join(f'more_requests_total{{path="{path}"}} 1\n' for path in dict.fromkeys(paths))


class CountsItself:
    """Each scrape is a request, or takes requests back."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._seen = 100.0

    def __call__(self, text: str, _paths: Sequence[str]) -> str:
        self._seen += self._step
        return text + f'http_requests_total{{path="/metrics"}} {self._seen}\n'


FAULTS = [
    ("page.readable", lambda _text, _paths: "<html></html>\n", "is HTML"),
    ("page.readable", lambda text, _paths: text[:-20], "is cut off"),
    ("page.types", replace("^# TYPE http_requests_total.*\n", ""), "has no TYPE line"),
    ("page.series", replace(r"^(http_requests_total.*\n)", r"\1\1"), "there twice"),
    ("page.values", replace(r"^(mistralrs_sequences_waiting) .*", r"\1 NaN"), "is nan"),
    ("page.histograms", times(2, f"{metrics.DURATION}_count"), "its count is"),
    ("names.documented", replace("^mistralrs_sequences_running.*\n", ""), "is missing"),
    ("names.documented", replace("^# TYPE (.*_running) gauge", r"# TYPE \1 counter"), "not a gauge"),
    ("names.bounded", add_paths, "name of an unknown model or path"),
    ("counters.scrapes", CountsItself(1), "after scrapes and health checks"),
    ("counters.monotonic", CountsItself(-10), "fell from"),
    ("counters.requests", times(2, metrics.REQUESTS), "requests with status 200"),
    ("counters.body_bytes", times(2, f"{metrics.BODY_BYTES}_count"), "requests with a body"),
    ("counters.body_bytes", times(1.01, f"{metrics.BODY_BYTES}_sum"), "their bytes"),
    ("counters.tokens", times(4, metric_table.TOKENS), "by the usage"),
    ("counters.tokens", times(0, metric_table.TOKENS), "by the usage"),
    ("counters.sequences", times(2, metric_table.COMPLETED), "completed sequences"),
    ("durations.requests", times(2, f"{metrics.DURATION}_count"), "requests with a duration"),
    ("durations.requests", times(1e6, f"{metrics.DURATION}_sum"), "durations of requests, in all"),
    (
        "durations.quantile",
        times(0, f'{metrics.DURATION}_bucket{{.*le="[0-9.]+".*}}'),
        "s to inf s by the bucket",
    ),
    ("durations.quantile", times(0, f"{metrics.DURATION}_bucket"), "has no observation"),
    ("durations.first_token", times(2, f"{metrics.FIRST_TOKEN}_count"), "times to first token: expected"),
    ("durations.first_token", times(1e6, f"{metrics.FIRST_TOKEN}_sum"), "times to first token, in all"),
    ("durations.inter_token", times(2, f"{metrics.INTER_TOKEN}_count"), "latencies: expected"),
    ("durations.inter_token", times(1e6, f"{metrics.INTER_TOKEN}_sum"), "times of all chunks, in all"),
    ("gauges.in_flight", times(0, metrics.IN_FLIGHT), "the most requests in flight"),
    ("gauges.in_flight", times(2, metrics.IN_FLIGHT), "the most requests in flight"),
    (
        "gauges.idle",
        replace("^(mistralrs_sequences_running) .*$", r"\1 1"),
        "running = 0 when no request is open",
    ),
]


@pytest.mark.parametrize(("name", "change", "reason"), FAULTS)
def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, change: Change, reason: str) -> None:
    # What never comes is waited for a moment.
    monkeypatch.setattr(metrics, "IDLE_SECONDS", 0.3)
    outcome = run(f"metrics.{name}", change)
    assert not outcome.passed
    assert reason in outcome.reason


@pytest.mark.parametrize("name", ALL)
def test_no_check_passes_on_an_empty_page(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(metrics, "IDLE_SECONDS", 0.3)
    assert not run(name, lambda _text, _paths: "").passed


def test_requests_that_never_end_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "COUNTED_SECONDS", 0.3)
    # That of the model: a request has none until its body is read.
    gauge = r'^(http_requests_in_flight{.*model="(?!none).*}) 0.0$'
    outcome = run("metrics.gauges.in_flight", replace(gauge, r"\1 1"))
    # Nothing was requested yet, so the first wait passes and the last one does not.
    assert "http_requests_in_flight = 0 when no request is open: not within" in outcome.reason
