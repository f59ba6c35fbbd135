"""OpenAI's own client: what it gets is compared, what it raises is what it got."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.clients.task import run_sdk_task
from support.http.recorder import ExchangeRecorder
from support.models.script import COMET_ANSWER
from support.servers.endpoints import Endpoint
from tests.conformance.samples import chat
from tests.http.tiny_server import Reply, TinyServer, json_reply
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]


def server_at(url: str) -> Endpoint:
    return Endpoint("toy", "openai", url, {"model": "tiny"})


def test_a_good_answer_arrives(serve: Serve) -> None:
    run_sdk_task(
        server_at(serve(json_reply(chat(COMET_ANSWER))).url), "ask a question", PATIENCE, ExchangeRecorder()
    ).require_expected()


@pytest.mark.parametrize(
    ("answer", "journey", "got"),
    [
        (json_reply(chat("Something else.")), "ask a question", "Something else."),
        (json_reply({"oops": 1}), "ask a question", "APIResponseValidationError"),
        (
            json_reply(chat(), "500 Internal Server Error"),
            "report an unknown model",
            "InternalServerError",
        ),
        (json_reply(chat()), "report an invalid request", "an answer: 'The comet comes back.'"),
    ],
)
def test_anything_else_is_told(serve: Serve, answer: Reply, journey: str, got: str) -> None:
    server, recorder = serve(answer), ExchangeRecorder()
    travelled = run_sdk_task(server_at(server.url), journey, PATIENCE, recorder)
    with pytest.raises(AssertionError, match=got):
        travelled.require_expected()
    assert len(server.requests) == 1, "it tried again"


def test_a_rejected_task_has_the_message_of_the_server_and_its_exchange(serve: Serve) -> None:
    error = {"error": {"message": "no model of that name is loaded", "type": "server_error"}}
    server, recorder = serve(json_reply(error, "500 Internal Server Error")), ExchangeRecorder()
    done = run_sdk_task(server_at(server.url), "report an unknown model", PATIENCE, recorder)
    with pytest.raises(AssertionError, match=r"got 'InternalServerError': .*no model of that name is loaded"):
        done.require_expected()
    (exchange,) = recorder.exchanges
    assert (exchange.method, exchange.url, exchange.status) == (
        "POST",
        f"{server.url}/v1/chat/completions",
        500,
    )
    assert b"nobody/knows-this" in exchange.request_body
    assert exchange.json() == error


def test_a_stream_and_a_request_without_a_response_are_recorded(serve: Serve) -> None:
    recorder = ExchangeRecorder()
    server = serve(json_reply(chat(COMET_ANSWER)))
    endpoint = server_at(server.url)
    run_sdk_task(endpoint, "read a stream", PATIENCE, recorder)
    server.close()
    run_sdk_task(endpoint, "ask a question", PATIENCE, recorder)
    streamed, failed = recorder.exchanges
    assert streamed.json()["choices"] and b'"stream":true' in streamed.request_body.replace(b" ", b"")
    assert (failed.status, failed.body) == (0, b"")
