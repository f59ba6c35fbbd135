"""The checks of a monitored server with a real Prometheus: a right server passes, each fault is noticed."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from support.conformance.case_runner import Outcome
from support.conformance.case_table import checks_of
from support.conformance.sequence import run_sequence
from support.conformance.sequences import metrics
from support.errors import NotSupported
from support.http.client import ApiClient
from support.monitoring import healthy_load
from support.monitoring.healthy_load import ObservedLoad, observe_load
from support.monitoring.metric_table import TOKENS
from support.monitoring.prometheus_pair import SCRAPE_SECONDS, ScrapeTarget
from support.monitoring.session import MonitoringSession
from support.servers.endpoints import Endpoint
from support.settings import Settings
from support.waiting import wait_until
from tests.monitoring.metrics_server import Change, SlowEngine, served, times, unchanged
from tests.monitoring.page_server import PageServer, page_server
from tests.timeouts import PATIENCE

GOOD = (
    '# TYPE x_total counter\nx_total{a="b"} 3\n# TYPE h histogram\nh_bucket{le="1"} 1\n'
    'h_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n# TYPE g gauge\ng 1\n'
)
COUNT = itertools.count()
# More than half of those in the window of the median.
MEDIAN_SCRAPES = 8
TARGETS = [f"monitoring.targets.{name}" for name in ("up", "labels", "duration", "same_values")]


@pytest.fixture(scope="module")
def monitored(
    monitoring_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PageServer, MonitoringSession]]:
    """One pair for all pages: its first scrape takes 5 s."""
    with page_server(GOOD) as server:
        target = ScrapeTarget(server.url)
        session = MonitoringSession(monitoring_settings, tmp_path_factory.mktemp("pair"), target)
        try:
            yield server, session
        finally:
            session.stop()


@pytest.fixture
def page(monitored: tuple[PageServer, MonitoringSession]) -> Iterator[PageServer]:
    server, session = monitored
    yield server
    server.page, server.status = GOOD, 200
    session.wait_until_scraped()
    session.wait_for_scrape()


def run(name: str, session: MonitoringSession) -> Outcome:
    url = session.target.url
    server = Endpoint("fake", "monitoring", url, {"model": "default"}, surroundings=lambda: session)
    with closing(ApiClient(url)) as client:
        return run_sequence(client, server, checks_of("monitoring")[name])


@pytest.mark.parametrize("name", TARGETS)
def test_a_right_server_passes(monitored: tuple[PageServer, MonitoringSession], name: str) -> None:
    outcome = run(name, monitored[1])
    assert outcome.passed, outcome.reason


def slow() -> str:
    """Slower than a quarter of the interval."""
    threading.Event().wait(0.4)
    return GOOD


def counting() -> str:
    """Another value in each scrape."""
    return f"# TYPE n gauge\nn {next(COUNT)}\n"


FAULTS: list[tuple[str, str | Callable[[], str], int, str]] = [
    ("up", "<html></html>\n", 200, r"cannot scrape .*/metrics: the page is HTML or XML, .* \(.*\)"),
    (
        "up",
        "too many requests\n",
        200,
        r"cannot scrape .*: line 1 is no sample: 'many' is no number: 'too many requests' \(.*\)",
    ),
    ("up", GOOD[:-6], 200, r"cannot scrape .*: the page is cut off: .*'# TYPE g gaug' \(.*\)"),
    ("up", GOOD, 503, r"cannot scrape .*: server returned HTTP status 503"),
    ("same_values", GOOD[:-1], 200, r"the page is cut off: its last line has no line feed: 'g 1'"),
    ("same_values", GOOD.replace("g 1", "g NaN"), 200, "g is nan"),
    ("same_values", GOOD + "g 1\n", 200, "g is there twice: lines 9 and 10"),
    (
        "same_values",
        GOOD.replace("h_count 2", "h_count 3"),
        200,
        r'its bucket le="\+Inf" has 2, its count is 3',
    ),
    ("same_values", counting, 200, r"n is \d+ on the page, \d+\.0 in Prometheus"),
    ("duration", slow, 200, r"the median scrape takes 0\.[4-9]\d+ s; expected at most 0\.25 s"),
]


@pytest.mark.parametrize(("name", "text", "status", "finding"), FAULTS)
def test_a_wrong_page_is_one_line(
    monitored: tuple[PageServer, MonitoringSession],
    page: PageServer,
    name: str,
    text: str | Callable[[], str],
    status: int,
    finding: str,
) -> None:
    page.page, page.status = text, status
    begun, scrapes = page.scrapes, MEDIAN_SCRAPES if text is slow else 2
    wait_until("scrapes", lambda: page.scrapes >= begun + scrapes, timeout=PATIENCE)
    outcome = run(f"monitoring.targets.{name}", monitored[1])
    assert re.fullmatch(f".*{finding}.*", outcome.reason), outcome.reason


def test_a_server_that_ended_is_one_line(
    monitored: tuple[PageServer, MonitoringSession], page: PageServer
) -> None:
    page.end()
    monitored[1].wait_for_health("down", PATIENCE)
    outcome = run("monitoring.targets.up", monitored[1])
    page.start()
    assert re.fullmatch(r"Prometheus cannot scrape .*: Get .* connection refused", outcome.reason)


def falling(text: str, paths: Sequence[str]) -> str:
    """The counter of tokens is smaller with each request."""
    return re.sub(rf"^({TOKENS}) \S+$", rf"\1 {1e6 - len(paths)}", text, flags=re.MULTILINE)


class Retyped:
    """A gauge that is a counter from the 20th request on."""

    def __init__(self) -> None:
        self._first: int | None = None

    def __call__(self, text: str, paths: Sequence[str]) -> str:
        self._first = len(paths) if self._first is None else self._first
        late = len(paths) - self._first > 20
        return text.replace("running gauge", "running counter") if late else text


class Fault:
    """What is changed on the page at the moment."""

    change: Change = staticmethod(unchanged)

    def __call__(self, text: str, paths: Sequence[str]) -> str:
        return self.change(text, paths)


@pytest.fixture(scope="module")
def loaded(
    monitoring_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Fault, MonitoringSession]]:
    fault = Fault()
    with served(fault, SlowEngine(1)) as url:
        session = MonitoringSession(monitoring_settings, tmp_path_factory.mktemp("pair"), ScrapeTarget(url))
        try:
            yield fault, session
        finally:
            session.stop()


RATES = r"\S+ {0}/s by Prometheus; by the client \S+ to \S+ {0}/s"


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (unchanged, []),
        (times(0.5, metrics.REQUESTS), [RATES.format("requests")]),
        (Retyped(), ["mistralrs_sequences_running was a gauge and is a counter"]),
        (times(2, TOKENS), [RATES.format("tokens")]),
        (
            falling,
            [
                *(RATES.format("tokens"), rf"{TOKENS} fell from \S+ to \S+"),
                *(rf"{TOKENS} fell from .* in Prometheus", "MistralrsRestarted fired under a load .*"),
            ],
        ),
    ],
)
def test_figures_under_load(
    loaded: tuple[Fault, MonitoringSession],
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    findings: Sequence[str],
) -> None:
    monkeypatch.setattr(healthy_load, "LOAD_SECONDS", 4.0)
    fault, session = loaded
    fault.change = change
    load = observe_load(session, "default")
    assert [at for at, _ in load.durations] == [at for at, _ in load.up]
    found = all_findings(load)
    assert len(found) == len(findings), found
    for text, finding in zip(found, findings, strict=True):
        assert re.fullmatch(finding, text), text


class Late:
    """Every second page comes after the timeout of a scrape."""

    def __init__(self) -> None:
        self._pages = itertools.count()

    def __call__(self, text: str, _: Sequence[str]) -> str:
        if next(self._pages) % 2:
            threading.Event().wait(1.5 * SCRAPE_SECONDS)
        return text


def test_a_scrape_that_has_timed_out_is_known_by_its_duration(
    loaded: tuple[Fault, MonitoringSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healthy_load, "LOAD_SECONDS", 4.0)
    # Alerts of the tests before do not matter here.
    monkeypatch.setattr(MonitoringSession, "wait_until_quiet", lambda _: None)
    fault, session = loaded
    fault.change = Late()
    try:
        load = observe_load(session, "default")
    finally:
        fault.change = unchanged
    with pytest.raises(NotSupported, match=r"\d of \d scrapes failed under load"):
        replace(load, others=0.4).require_scrapes()


def all_findings(load: ObservedLoad) -> list[str]:
    """Without those of scrapes (test_healthy_load.py), of which one may fail on a busy machine."""
    return [
        *load.token_findings(),
        *load.request_findings(),
        *load.counter_findings(),
        *load.alert_findings(),
    ]
