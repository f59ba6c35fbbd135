"""OpenAI's own client: what it gets is compared, what it raises is what it got."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.clients.task import run_sdk_task
from support.models.script import COMET_ANSWER
from support.servers.endpoints import Endpoint
from tests.conformance.samples import chat
from tests.http.tiny_server import Reply, TinyServer, json_reply

Serve = Callable[[Reply], TinyServer]


def server_at(url: str) -> Endpoint:
    return Endpoint("toy", "openai", url, {"model": "tiny"})


def test_a_good_answer_arrives(serve: Serve) -> None:
    run_sdk_task(
        server_at(serve(json_reply(chat(COMET_ANSWER))).url), "ask a question", 5.0
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
        (json_reply(chat()), "report an invalid request", "False"),
    ],
)
def test_anything_else_is_told(serve: Serve, answer: Reply, journey: str, got: str) -> None:
    server = serve(answer)
    travelled = run_sdk_task(server_at(server.url), journey, 5.0)
    with pytest.raises(AssertionError, match=got):
        travelled.require_expected()
    assert len(server.requests) == 1, "it tried again"
