"""A plain client reads what keeps its contract; the rest is refused, with words and a way to repeat it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.chat.client import ChatClient, model_names
from support.http.exchange import Exchange
from tests.conformance.samples import USAGE, Canned, chat, chunk, exchange, models, reply, stream, text

STREAM = [chunk("He"), chunk("llo"), chunk("", "stop", usage=USAGE)]


def client(answer: Exchange) -> tuple[ChatClient, Canned]:
    canned = Canned(answer)
    return ChatClient(canned), canned


def asked(canned: Canned) -> tuple[str, str, Any]:
    (method, path, body, _) = canned.sent[0]
    return method, path, json.loads(body)


def refused(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        ask()
    assert words in str(caught.value)
    assert "repeat: curl" in str(caught.value), "nobody can repeat it"


def test_a_whole_chat_is_asked_and_read() -> None:
    api, canned = client(reply(chat("Hi")))
    messages = [{"role": "user", "content": "Hello"}]
    answer = api.chat(messages, max_tokens=3)
    assert (answer.text, answer.finish_reason, answer.token_counts) == ("Hi", "stop", (5, 2))
    request = {"model": "default", "messages": messages, "temperature": 0, "max_tokens": 3}
    assert asked(canned) == ("POST", "/v1/chat/completions", request)


def test_a_whole_text_is_asked_and_read() -> None:
    api, canned = client(reply(text("Hi", "length")))
    answer = api.complete("Once", temperature=1)
    assert (answer.text, answer.finish_reason) == ("Hi", "length")
    assert asked(canned) == (
        "POST",
        "/v1/completions",
        {"model": "default", "prompt": "Once", "temperature": 1},
    )


def test_a_streamed_chat_is_put_together() -> None:
    api, canned = client(stream(*STREAM))
    answer = api.chat([], stream=True)
    assert (answer.text, answer.chunks, answer.finish_reason) == ("Hello", 2, "stop")
    assert answer.token_counts == (5, 2)
    assert asked(canned)[2]["stream"] is True


def test_a_streamed_text_is_put_together() -> None:
    api, _ = client(stream(text("He", None, usage=None), text("llo", "length")))
    answer = api.complete("x", stream=True)
    assert (answer.text, answer.chunks, answer.finish_reason) == ("Hello", 2, "length")


def test_counts_are_missed_when_somebody_wants_them() -> None:
    api, _ = client(stream(chunk("Hi", "stop")))
    answer = api.chat([], stream=True)
    assert answer.counts == (None, None)
    refused(lambda: answer.token_counts, "no usage in the answer")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(chat(), status=500), "status: expected 200, got 500"),
        (reply(chat(), status=201), "status: expected 200, got 201"),
        (exchange(b"{}", content_type="text/plain"), "framing: expected application/json, got text/plain"),
        (exchange(b"{}", content_type=""), "framing: expected application/json, got (no content type)"),
        (exchange(b"{}", content_type="text/event-stream"), "framing: expected application/json"),
        (exchange(b"{"), "JSON: POST http://127.0.0.1:1/v1/chat/completions: expected JSON"),
        (reply(chat(id=7)), "official type: id: "),
        (reply(chat(usage=None)), "contract: usage: "),
        (reply(chat(surprise=1)), "contract: unknown fields: surprise"),
        (reply(chat(choices=chat()["choices"] * 2)), "invariants: the choices are numbered [0, 0]"),
        (reply(text()), "official type: "),
    ],
)
def test_a_whole_answer_has_to_keep_every_layer(answer: Exchange, words: str) -> None:
    api, _ = client(answer)
    refused(lambda: api.chat([]), words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stream(*STREAM, end=""), "framing: a stream ends with exactly one [DONE]"),
        (stream(), "framing: a response without any JSON document"),
        (reply(chat()), "framing: expected text/event-stream, got application/json"),
        (stream(*STREAM[:2]), "invariants: choice 0 gives the finish reasons"),
        (stream(text()), "official type: "),
    ],
)
def test_a_stream_has_to_keep_every_layer(answer: Exchange, words: str) -> None:
    api, _ = client(answer)
    refused(lambda: api.chat([], stream=True), words)


def test_texts_are_held_to_the_contracts_of_texts() -> None:
    whole, _ = client(reply(chat()))
    refused(lambda: whole.complete("x"), "official type: ")
    streamed, _ = client(stream(*STREAM))
    refused(lambda: streamed.complete("x", stream=True), "contract: chunk 1 of 3: object: ")


def test_the_list_of_models_is_read_when_it_is_looked_at() -> None:
    api, canned = client(reply(models("default", "tiny")))
    assert model_names(api.models()) == ["default", "tiny"]
    assert canned.sent[0][:2] == ("GET", "/v1/models")
    twice, _ = client(reply(models("tiny", "tiny")))
    listed = twice.models()
    refused(lambda: model_names(listed), "contract: (all): a name is listed twice")
