"""What a Prometheus answers, read; and what is no Prometheus, in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.monitoring.prometheus_api import PrometheusApi, PrometheusUnavailable, QueryRejected, Series
from support.programs.launcher import free_port
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply

Serve = Callable[[Reply], TinyServer]


def data(document: object) -> Reply:
    return json_reply({"status": "success", "data": document})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "NaN"]}]},
            [Series({"a": "b"}, [(1.5, float("nan"))])],
        ),
        (
            {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"], [3, "4"]]}]},
            [Series({}, [(1.0, 2.0), (3.0, 4.0)])],
        ),
        ({"resultType": "scalar", "result": [7, "8"]}, [Series({}, [(7.0, 8.0)])]),
        ({"resultType": "vector", "result": []}, []),
    ],
)
def test_results_are_series(serve: Serve, document: object, expected: list[Series]) -> None:
    assert repr(PrometheusApi(serve(data(document)).url).query("x")) == repr(expected)


def test_a_query_is_sent_as_it_is(serve: Serve) -> None:
    server = serve(data({"resultType": "vector", "result": []}))
    api = PrometheusApi(server.url)
    api.query('up{job="a b"}', at=5.0)
    api.query_range("up", 10, step=2, end=100)
    assert [request.split(b" ")[1] for request in server.requests] == [
        b"/api/v1/query?query=up%7Bjob%3D%22a+b%22%7D&time=5.0",
        b"/api/v1/query_range?query=up&start=90&end=100&step=2",
    ]


def test_a_rejected_query_has_its_reason_in_one_line(serve: Serve) -> None:
    error = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error:\nunclosed"}
    with pytest.raises(QueryRejected, match=r"^Prometheus rejects 'sum\(\(': 1:5: parse error: unclosed$"):
        PrometheusApi(serve(json_reply(error, "400 Bad Request")).url).query("sum((")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
def test_a_query_that_prometheus_cannot_answer_is_no_wrong_query(serve: Serve, status: str) -> None:
    error = {"status": "error", "errorType": "unavailable", "error": "it\nshuts down"}
    message = rf"^Prometheus at \S+ cannot answer /api/v1/query: {status[:3]} it shuts down$"
    with pytest.raises(PrometheusUnavailable, match=message):
        PrometheusApi(serve(json_reply(error, status)).url).query("up")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(b"<html>404\nnot found", "404 Not Found"), r"is no Prometheus: .*404 '<html>404 not found'"),
        (json_reply({"version": "1"}), "is no Prometheus: /api/v1/query has no status"),
        (json_reply([]), "is no Prometheus: /api/v1/query has no status"),
    ],
)
def test_what_is_no_prometheus_is_one_line(serve: Serve, answer: Reply, message: str) -> None:
    with pytest.raises(PrometheusUnavailable, match=f"^Prometheus at .*{message}$"):
        PrometheusApi(serve(answer).url).query("up")


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(PrometheusUnavailable, match=r"does not respond: GET .*no connection"):
        PrometheusApi(f"http://127.0.0.1:{free_port()}").query("up")
