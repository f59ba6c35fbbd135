"""The client of Grafana's API, against a stand-in; and that nothing made in Grafana is left there."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from support.errors import AcceptanceError, CheckFailed
from support.monitoring.dashboard import dashboard
from support.monitoring.dashboard_data import Scraped, findings
from support.monitoring.dashboard_queries import TimeRange, queries_of
from support.monitoring.grafana import (
    GrafanaApi,
    GrafanaRejected,
    GrafanaUnavailable,
    changed_panels,
    installed,
)
from support.programs.launcher import free_port
from support.results.redaction import redactor_for
from support.runner.requirements import NEEDS_GRAFANA, Requirements
from support.settings import Settings
from tests.monitoring.grafana_stand_in import TOKEN, Answer, grafana_stand_in
from tests.monitoring.test_dashboard import Change, own, query
from tests.results.test_verdicts import COMMAND

RULES = [{"name": "MistralrsDown", "type": "alerting", "health": "ok", "state": "inactive"}]
TIME = TimeRange(1000, 1030, 1, 1)
VALUES = {
    "job": ["mistralrs"],
    "instance": ["127.0.0.1:80"],
    "model": ["a", "b"],
    "first_token": ["2.5"],
    "inter_token": ["0.1"],
    "request": ["30"],
}
SCRAPED = Scraped("mistralrs-reference", "0.9.5")


def test_what_is_made_is_used_and_removed() -> None:
    with grafana_stand_in(RULES) as stand_in:
        api = GrafanaApi(stand_in.url, TOKEN)
        with installed(api, "http://prometheus", 1.0) as made:
            assert api.health()["database"] == "ok"
            assert api.source(made.source)["url"] == "http://prometheus"
            assert api.source_health(made.source)["status"] == "OK"
            assert [*changed_panels(dashboard(), api.dashboard(made.dashboard))] == []
            assert api.rules(made.source) == RULES
            assert made.source.startswith("acceptance-")
            assert len(stand_in.kept) == 3
        assert [request.split()[0] for request in stand_in.requests[-2:]] == ["DELETE", "DELETE"]
        assert made.source not in stand_in.kept


def test_it_is_removed_after_a_failure_too() -> None:
    with grafana_stand_in(RULES) as stand_in:
        api = GrafanaApi(stand_in.url, TOKEN)
        with pytest.raises(CheckFailed), installed(api, "http://prometheus", 1.0):
            raise CheckFailed("a check fails")
        assert stand_in.requests[-1].startswith("DELETE /api/datasources/uid/")


def test_the_data_source_of_the_user_is_left_alone() -> None:
    with grafana_stand_in(RULES) as stand_in:
        with installed(GrafanaApi(stand_in.url, TOKEN), "http://prometheus", 1.0, "mine") as made:
            assert made.source == "mine"
        assert not [request for request in stand_in.requests if "datasources" in request]


def test_every_panel_is_queried_through_grafana() -> None:
    with grafana_stand_in(RULES) as stand_in:
        data = GrafanaApi(stand_in.url, TOKEN).read_panels(dashboard(), "mine", TIME, VALUES)
        assert len(stand_in.queries) == len(queries_of(dashboard()))
        sent = stand_in.queries[0]["queries"][0]
        # Grafana's own variables are left to it.
        written = [one["queries"][0]["expr"] for one in stand_in.queries]
    assert findings(data, SCRAPED) == []
    assert sent["datasource"] == {"uid": "mine", "type": "prometheus"}
    assert (sent["instant"], sent["intervalMs"], sent["maxDataPoints"]) == (True, 1000, 30)
    assert any("[$__rate_interval]" in text for text in written)
    assert not [text for text in written if "$job" in text]
    assert any('model=~"(a|b)"' in text for text in written)


def only(path: str, status: int, document: Any) -> Answer:
    """This answer for paths that begin so."""
    return lambda _method, requested, _: (status, document) if requested.startswith(path) else None


def frames(values: list[Any]) -> Any:
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}]
    return {"results": {"A": {"frames": [{"schema": {"fields": fields}, "data": {"values": values}}]}}}


@pytest.mark.parametrize(
    ("status", "document", "message"),
    [
        (400, {"results": {"A": {"error": "parse\nerror", "status": 400}}}, "Servers A: .* 400 parse error"),
        (200, {"results": {"A": {"error": "timeout"}}}, "Servers A: Grafana rejects .*: timeout"),
        (200, {"results": {"A": {"frames": []}}}, "Servers A has no data"),
        (200, frames([[1000], [None]]), "Servers A has no data"),
        (200, frames([[1000], [-1]]), "Servers A has the value -1"),
        (500, {"message": "internal"}, "Servers A: .* 500 internal"),
    ],
)
def test_a_panel_without_an_answer_is_a_finding(status: int, document: Any, message: str) -> None:
    with grafana_stand_in(RULES, only("/api/ds/query", status, document)) as stand_in:
        data = GrafanaApi(stand_in.url, TOKEN).read_panels(dashboard(), "mine", TIME, VALUES)
    first = findings(data, SCRAPED)[0]
    assert "\n" not in first
    with pytest.raises(CheckFailed, match=message):
        raise CheckFailed(first)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            only("/api/health", 200, "<html>"),
            GrafanaUnavailable,
            "is no Grafana: .* '<html>'",
        ),
        (
            only("/api/health", 401, {}),
            GrafanaUnavailable,
            "does not allow .*; set GRAFANA_TOKEN",
        ),
        (only("/api/health", 200, []), GrafanaRejected, "rejects GET /api/health: 200 no object"),
        (only("/api/health", 503, {"message": "a\nb"}), GrafanaRejected, "503 a b$"),
    ],
)
def test_other_answers_are_one_line(answer: Answer, error: type[Exception], message: str) -> None:
    with grafana_stand_in(RULES, answer) as stand_in, pytest.raises(error, match=message) as raised:
        GrafanaApi(stand_in.url, TOKEN).health()
    assert "\n" not in str(raised.value)


def test_without_a_token_the_setting_is_named() -> None:
    with grafana_stand_in(RULES) as stand_in, pytest.raises(AcceptanceError, match="GRAFANA_TOKEN"):
        GrafanaApi(stand_in.url, None).source("mine")


def test_no_response_is_one_line() -> None:
    api = GrafanaApi(f"http://user:secret@127.0.0.1:{free_port()}", None)
    with pytest.raises(GrafanaUnavailable, match="does not respond") as raised:
        api.health()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (query("Tokens", "sum by", "max by"), "Tokens: targets is"),
        (own("Tokens", title="Token"), "Tokens is missing"),
        (own("Tokens", type="table"), "Tokens: type is table"),
        (own("Tokens", gridPos={}), "Tokens: gridPos is {}"),
    ],
)
def test_a_panel_that_was_changed_is_found(change: Change, expected: str) -> None:
    stored = copy.deepcopy(dashboard())
    change(stored)
    assert expected in "\n".join(changed_panels(dashboard(), stored))


def test_the_token_is_removed_from_texts() -> None:
    assert TOKEN not in redactor_for(None, environ={}, tokens=[TOKEN]).text(f"sent {TOKEN}")


@pytest.mark.parametrize(
    ("chosen", "missing"),
    [({}, "requires a Grafana of your own; set GRAFANA_URL"), ({"grafana_url": "http://127.0.0.1:1"}, None)],
)
def test_without_an_address_the_reason_names_the_setting(chosen: dict[str, str], missing: str | None) -> None:
    settings = Settings.model_validate(chosen)
    assert Requirements(settings, COMMAND).missing([NEEDS_GRAFANA]) == missing
