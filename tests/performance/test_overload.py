"""A full server: each user gets the right answer, or gets a busy error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.chat.client import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint, ChatProtocol
from support.performance.concurrency import ConcurrentAnswers, UserOutcome, ask_concurrently
from tests.conformance.samples import chat
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
BUSY = {"error": {"message": "The server is busy.", "type": "server_error"}}


def route(server: TinyServer, form: ChatProtocol = OPENAI_CHAT) -> ChatEndpoint:
    return ChatEndpoint("toy", server.url, "tiny", form)


ANSWERS = {"comet": "The comet comes back."}


def test_a_full_server_may_answer_or_return_a_busy_error(serve: Serve) -> None:
    served = ask_concurrently(route(serve(json_reply(chat()))), ANSWERS, 3, stream=False, timeout=PATIENCE)
    busy = ask_concurrently(
        route(serve(json_reply(BUSY, "503 Service Unavailable"))), ANSWERS, 2, stream=False, timeout=PATIENCE
    )
    ConcurrentAnswers((*served.users, *busy.users), ANSWERS).require_served_or_busy()
    with pytest.raises(AssertionError, match="all 2 users were rejected"):
        busy.require_served_or_busy()


@pytest.mark.parametrize(
    ("answer", "form", "words"),
    [
        (json_reply({}, "500 Internal Server Error"), OPENAI_CHAT, "expected 200, got 500"),
        (json_reply(chat("The como dives.")), OPENAI_CHAT, "'The como dives.', expected 'The comet comes"),
        (reply(b"", "503 Service Unavailable"), OPENAI_CHAT, "expected an error in the form of the OpenAI"),
        (json_reply({"error": "busy"}, "429 Too Many Requests"), OPENAI_CHAT, "in the form of the OpenAI"),
        (json_reply(BUSY, "503 Service Unavailable"), OLLAMA_CHAT, "in the form of the Ollama"),
    ],
)
def test_a_full_server_that_fails_or_confuses_is_noticed(
    serve: Serve, answer: Reply, form: ChatProtocol, words: str
) -> None:
    served = ("comet", UserOutcome(0.1, ANSWERS["comet"]))
    failed = ask_concurrently(route(serve(answer), form), ANSWERS, 2, stream=False, timeout=PATIENCE)
    with pytest.raises(AssertionError, match="2 of 3 users got neither") as caught:
        ConcurrentAnswers((served, *failed.users), ANSWERS).require_served_or_busy()
    assert words in str(caught.value)
