"""What the panels show: every query has data on a real Prometheus, and each mistake leaves one without."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from support.http.client import ApiClient
from support.monitoring import dashboard_data
from support.monitoring.alert_rules import rules_file
from support.monitoring.dashboard import dashboard, objectives
from support.monitoring.dashboard_data import (
    DashboardData,
    QueryData,
    Scraped,
    findings,
    objective_findings,
    observe_under_load,
    read_panels,
)
from support.monitoring.dashboard_picture import dashboard_picture
from support.monitoring.dashboard_queries import PanelQuery, TimeRange, panels_of
from support.monitoring.prometheus_api import PrometheusApi, Series
from support.monitoring.prometheus_pair import SCRAPE_SECONDS, ScrapeTarget, start_pair
from support.settings import Settings
from tests.monitoring.metrics_server import SlowEngine, served, unchanged
from tests.monitoring.test_dashboard import Change, query
from tests.timeouts import PATIENCE

SCRAPED = Scraped("mistralrs-reference", "0.9.5")
CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def shown(
    monitoring_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PrometheusApi, DashboardData]]:
    """A Prometheus that has scraped a server under load, and what the dashboard shows of it."""
    with served(unchanged, SlowEngine(1)) as url, closing(ApiClient(url)) as client:

        def send() -> None:
            for stream in (False, True):
                client.post("/v1/chat/completions", {**CHAT, "stream": stream})
            client.get("/unknown")

        folder: Path = tmp_path_factory.mktemp("prometheus")
        targets = {"mistralrs": ScrapeTarget(url)}
        pair = start_pair(monitoring_settings, folder, targets, rules_file(), "http://127.0.0.1:9/")
        try:
            yield pair.api, observe_under_load(pair.api, SCRAPED, SCRAPE_SECONDS, send, PATIENCE)
        finally:
            pair.stop()


Shown = tuple[PrometheusApi, DashboardData]


def test_every_query_has_data(shown: Shown) -> None:
    _, found = shown
    assert found.findings == []
    assert found.choices["job"] == ["mistralrs"]
    assert len(found.choices["instance"]) == 1
    titles = {one.query.panel for one in found.data if one.series}
    collapsed = {row["title"]: row["panels"] for row in dashboard()["panels"] if row.get("collapsed")}
    optional = {one["title"] for panels in collapsed.values() for one in panels} | {"Alerts"}
    assert titles >= {one.query.panel for one in found.data} - optional


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (query("Tokens", "tokens_processed_total", "tokens_total"), "Tokens A has no data"),
        (query("Size of requests", "bytes_bucket", "bytes"), "Size of requests A has no data"),
        (query("Tokens", "$__rate_interval", "1s"), "Tokens A has no data"),
        (query("Tokens", "sum by", "sun by"), "Tokens A: Prometheus rejects"),
        (query("Tokens", "$job", "$jobb"), r"Tokens A: no value for \$jobb"),
        (query("Tokens", "$job", "other"), "Tokens A has no data"),
        (query("Availability", "1 - (", "2 - 0 * ("), "Availability A: a share from 2 to 2"),
        (query("Tokens", "sum by", "-sum by"), "Tokens A has the value -"),
    ],
)
def test_a_query_without_data_is_found(shown: Shown, change: Change, expected: str) -> None:
    api, found = shown
    broken = copy.deepcopy(dashboard())
    change(broken)
    texts = findings(read_panels(api, broken, found.time, found.choices), SCRAPED)
    assert re.search(expected, "\n".join(texts))


def test_a_rejected_query_is_a_finding_of_an_optional_feature_too(shown: Shown) -> None:
    api, found = shown
    broken = copy.deepcopy(dashboard())
    query("KV cache in use", "sum by", "sun by")(broken)
    texts = findings(read_panels(api, broken, found.time, found.choices), SCRAPED)
    assert [text.partition(":")[0] for text in texts] == ["KV cache in use A"]


def test_what_a_version_does_not_have_is_not_expected(shown: Shown) -> None:
    api, found = shown
    at_first = TimeRange(1000, 1030, 1, 1)
    empty = read_panels(api, dashboard(), at_first, found.choices)
    of_version = {name: findings(empty, Scraped("mistralrs", name)) for name in ("0.9.0", "0.9.2", "0.9.5")}
    counts = [len(texts) for texts in of_version.values()]
    assert 0 < counts[0] < counts[1] < counts[2]
    assert not [text for text in of_version["0.9.0"] if "mistralrs_" in text]


def test_programs_beside_the_server_are_expected_to_have_data(shown: Shown) -> None:
    api, found = shown
    empty = read_panels(api, dashboard(), TimeRange(1000, 1030, 1, 1), found.choices)
    alone = findings(empty, SCRAPED)
    more = findings(empty, replace(SCRAPED, beside=("acceptance-probe", "process-exporter")))
    rows = {row["title"]: row["panels"] for row in dashboard()["panels"] if row.get("collapsed")}
    titles = [one["title"] for row in ("Process", "Acceptance probe") for one in rows[row]]
    expected = {f"{title} A has no data" for title in titles}
    assert {text.partition(":")[0] for text in {*more} - {*alone}} == expected


def test_a_process_may_use_several_cores() -> None:
    unit = next(one for one in panels_of(dashboard()) if one["title"] == "CPU")["fieldConfig"]["defaults"][
        "unit"
    ]
    series = Series({"instance": "a:1"}, [(float(at), 7.5) for at in range(9)])
    cpu = QueryData(PanelQuery("CPU", "timeseries", "A", "up", "", instant=False), unit, [series])
    assert not cpu.finding()
    assert "a share from 7.5" in replace(cpu, unit="percentunit").finding()


def test_objectives_are_buckets_of_the_server(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    api, found = shown
    assert [*objective_findings(api, found.time)] == []
    other = {"request": {**objectives()["request"], "bounds": [3]}}
    monkeypatch.setattr(dashboard_data, "objectives", lambda: other)
    metric = "http_request_duration_seconds"
    assert [*objective_findings(api, found.time)] == [f"$request: {metric} has no bucket with the bound 3"]


def test_the_picture_shows_what_there_is(shown: Shown) -> None:
    _, found = shown
    page = dashboard_picture(dashboard(), found)
    drawn = {
        name: page.partition(f"<b>{name}</b>")[2].partition("<b>")[0]
        for name in ("Tokens", "KV cache in use")
    }
    assert "<polyline" in drawn["Tokens"]
    assert "no data; requires paged attention<" in drawn["KV cache in use"]
    assert "not by Grafana" in page
    assert "<script" not in page


def picture_of(title: str, series: list[Series], error: str = "") -> str:
    """The panel of this title alone, with this data in its first query."""
    time = TimeRange(0, 10, 1, 1)
    data = [
        QueryData(
            PanelQuery(one["title"], one["type"], "A", "up", one["targets"][0]["legendFormat"], instant=True),
            "",
        )
        for one in panels_of(dashboard())
    ]
    data = [QueryData(one.query, "", series, error) if one.query.panel == title else one for one in data]
    page = dashboard_picture(dashboard(), DashboardData(time, {"model": ["<b>"]}, data, []))
    return page.partition(f"<b>{title}</b>")[2].partition('</div>\n<div class="panel"')[0]


@pytest.mark.parametrize(
    ("title", "value", "text"),
    [
        ("Servers", 0.0, "down"),
        ("Servers", 1.0, "up"),
        ("Availability", 0.9999, "100 %"),
        ("Availability", 0.5, "50 %"),
        ("Alerts", 1.0, "1"),
    ],
)
def test_tiles_have_text_and_colour(title: str, value: float, text: str) -> None:
    page = picture_of(title, [Series({"instance": "<i>", "model": "m"}, [(10, value)])])
    assert f"<strong>{text}</strong>" in page
    good = value > 0.9 and title != "Alerts"
    assert ("green" in page) == good
    assert "<i>" not in page


def test_an_error_of_a_query_is_in_the_picture() -> None:
    assert "Prometheus rejects &#39;x&#39;" in picture_of("Tokens", [], "Prometheus rejects 'x'")


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    points = [(1.0, 1.0), (2.0, 2.0), (5.0, 1.0), (6.0, 2.0), (9.0, 1.0)]
    page = picture_of("Tokens", [Series({"instance": "i"}, points)])
    assert (page.count("<polyline"), page.count("<circle")) == (2, 1)
