"""Contracts of the OpenAI API: a good answer is read, and each way to spoil it is refused with words."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.http.exchange import Exchange
from support.http.openai import ContractBroken, OpenAiApi, Usage

Change = Callable[[Any], None]
NOW = int(time.time())
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


class Canned:
    """A client that gives one answer to everything and keeps what was asked."""

    def __init__(self, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._body, self._status, self._content_type = body, status, content_type

    def get(self, path: str) -> Exchange:
        return self.send("GET", path)

    def post(self, path: str, document: Any) -> Exchange:
        self.asked.append(("POST", path, document))
        return exchange(self._body, self._status, self._content_type, path=path)

    def send(self, method: str, path: str, *, body: bytes = b"", headers: Any = None) -> Exchange:
        self.asked.append((method, path, (body, headers)))
        return exchange(self._body, self._status, self._content_type, path=path)


def exchange(
    body: bytes = b"", status: int = 200, content_type: str = "application/json", path: str = "/v1/x"
) -> Exchange:
    return Exchange(
        method="POST",
        url=f"http://127.0.0.1:1{path}",
        request_headers={"content-type": "application/json"},
        request_body=b"{}",
        status=status,
        headers={"content-type": content_type} if content_type else {},
        body=body,
        seconds=0.1,
    )


def api(document: Any, **how: Any) -> OpenAiApi:
    return OpenAiApi(Canned(json.dumps(document).encode(), **how))  # type: ignore[arg-type]


def refused(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        ask()
    assert words in str(caught.value)
    assert "repeat: curl" in str(caught.value), "nobody can repeat it"


def put(*path: Any, value: Any) -> Change:
    """Set what is at the end of the path; `...` takes it away."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        if value is ...:
            del document[path[-1]]
        else:
            document[path[-1]] = value

    change.__name__ = f"{'.'.join(map(str, path))}={value!r}"
    return change


def spoiled(document: Any, change: Change) -> Any:
    other = copy.deepcopy(document)
    change(other)
    assert other != document
    return other


# -- whole answers

CHAT = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": NOW,
    "model": "default",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
    "system_fingerprint": "local",
}
TEXT = {
    "id": "text-1",
    "object": "text_completion",
    "created": NOW,
    "model": "default",
    "choices": [{"index": 0, "text": "Hi", "finish_reason": "length"}],
    "usage": USAGE,
}
SHARED = [
    (put("id", value=...), "id: Field required"),
    (put("id", value=""), "id: "),
    (put("id", value=7), "id: "),
    (put("object", value="answer"), "object: "),
    (put("created", value=NOW * 1000), "is not the present time in seconds"),
    (put("created", value=NOW - 3600), "is not the present time in seconds"),
    (put("created", value=0), "is not the present time in seconds"),
    (put("created", value=str(NOW)), "created: Input should be a valid integer"),
    (put("created", value=NOW + 0.5), "created: "),
    (put("model", value=None), "model: "),
    (put("choices", value=[]), "choices: "),
    (put("choices", value=...), "choices: Field required"),
    (put("choices", 0, "index", value=-1), "choices.0.index: "),
    (put("choices", 0, "index", value="0"), "choices.0.index: "),
    (put("choices", 0, "finish_reason", value=...), "choices.0.finish_reason: Field required"),
    (put("choices", 0, "finish_reason", value=None), "choices.0.finish_reason: "),
    (put("choices", 0, "finish_reason", value="eos"), "choices.0.finish_reason: "),
    (put("usage", value=...), "usage: Field required"),
    (put("usage", value=None), "usage: "),
    (put("usage", "total_tokens", value=8), "total_tokens 8 is not 5 + 2"),
    (put("usage", "total_tokens", value=...), "usage.total_tokens: Field required"),
    (put("usage", "prompt_tokens", value="5"), "usage.prompt_tokens: "),
    (put("usage", "prompt_tokens", value=True), "usage.prompt_tokens: "),
    (put("usage", "completion_tokens", value=-1), "usage.completion_tokens: "),
]


def test_a_whole_chat_answer_is_read() -> None:
    whole = api(CHAT)
    answer = whole.chat([{"role": "user", "content": "Hello"}], max_tokens=3)
    assert (answer.text, answer.finish_reason, answer.model, answer.id) == ("Hi", "stop", "default", "chat-1")
    assert answer.spent == Usage(**USAGE)
    assert answer.pieces == ()
    assert whole.client.asked == [  # type: ignore[attr-defined]
        (
            "POST",
            "/v1/chat/completions",
            {
                "model": "default",
                "messages": [{"role": "user", "content": "Hello"}],
                "temperature": 0,
                "max_tokens": 3,
            },
        )
    ]


def test_a_whole_completion_is_read() -> None:
    whole = api(TEXT)
    answer = whole.complete("Once", temperature=1)
    assert (answer.text, answer.finish_reason) == ("Hi", "length")
    asked = ("POST", "/v1/completions", {"model": "default", "prompt": "Once", "temperature": 1})
    assert whole.client.asked == [asked]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *SHARED,
        (put("choices", 0, "message", "role", value="user"), "choices.0.message.role: "),
        (put("choices", 0, "message", "role", value=...), "choices.0.message.role: Field required"),
        (put("choices", 0, "message", "content", value=7), "choices.0.message.content: "),
        (put("choices", 0, "message", "content", value=...), "choices.0.message.content: Field required"),
        (put("choices", 0, "message", value=...), "choices.0.message: Field required"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_spoiled_chat_answer_is_refused(change: Change, words: str) -> None:
    refused(lambda: api(spoiled(CHAT, change)).chat([]), words)


@pytest.mark.parametrize(
    ("change", "words"),
    [*SHARED, (put("choices", 0, "text", value=None), "choices.0.text: ")],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_spoiled_completion_is_refused(change: Change, words: str) -> None:
    refused(lambda: api(spoiled(TEXT, change)).complete(""), words)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"status": 500}, "expected 200 application/json, got 500 application/json"),
        ({"status": 201}, "got 201"),
        ({"content_type": "text/plain"}, "got 200 text/plain"),
        ({"content_type": ""}, "got 200 (no content type)"),
        ({"content_type": "text/event-stream"}, "got 200 text/event-stream"),
    ],
)
def test_another_status_or_type_is_refused(how: dict[str, Any], words: str) -> None:
    refused(lambda: api(CHAT, **how).chat([]), words)


# -- streams


def chunk(content: str | None = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content, "role": "assistant"}, "finish_reason": reason}
    base = {"id": "c-1", "object": "chat.completion.chunk", "created": NOW, "model": "default"}
    return {**base, "choices": [choice], **more}


STREAM = [chunk("He"), chunk("llo"), chunk("", "stop", usage=USAGE)]


def streamed(events: list[Any], *, done: int = 1, **how: Any) -> OpenAiApi:
    words = [json.dumps(event) if not isinstance(event, str) else event for event in events] + [
        "[DONE]"
    ] * done
    body = "".join(f"data: {word}\n\n" for word in words).encode()
    return OpenAiApi(Canned(body, **{"content_type": "text/event-stream; charset=utf-8", **how}))  # type: ignore[arg-type]


def test_a_stream_is_put_together() -> None:
    stream = streamed(STREAM)
    answer = stream.chat([], stream=True)
    assert (answer.text, answer.pieces, answer.finish_reason) == ("Hello", ("He", "llo"), "stop")
    assert answer.spent.total_tokens == 7
    assert stream.client.asked[0][2]["stream"] is True  # type: ignore[attr-defined]


def test_a_last_chunk_with_counts_alone_is_read() -> None:
    events = [chunk("Hi"), chunk(None, "length"), {**chunk(usage=USAGE), "choices": []}]
    answer = streamed(events).chat([], stream=True)
    assert (answer.text, answer.finish_reason, answer.spent.total_tokens) == ("Hi", "length", 7)


def test_a_stream_without_counts_is_read_until_somebody_wants_them() -> None:
    answer = streamed([chunk("Hi", "stop")]).chat([], stream=True)
    assert answer.usage is None
    refused(lambda: answer.spent, "no usage in the answer")


def test_a_streamed_completion_is_put_together() -> None:
    base = {"id": "t", "object": "text_completion", "created": NOW, "model": "default"}
    events = [
        {**base, "choices": [{"index": 0, "text": "He", "finish_reason": None}]},
        {**base, "choices": [{"index": 0, "text": "llo", "finish_reason": "length"}]},
    ]
    answer = streamed(events).complete("x", stream=True)
    assert (answer.text, answer.pieces, answer.finish_reason) == ("Hello", ("He", "llo"), "length")
    refused(lambda: streamed(STREAM).complete("x", stream=True), "object: ")


@pytest.mark.parametrize(
    ("events", "done", "words"),
    [
        (STREAM, 0, "a stream ends with exactly one [DONE]"),
        (STREAM, 2, "a stream ends with exactly one [DONE]"),
        ([STREAM[0], "[DONE]", *STREAM[1:]], 0, "a stream ends with exactly one [DONE]"),
        ([], 0, "a stream ends with exactly one [DONE]"),
        ([], 1, "a stream gives one finish reason"),
        (STREAM[:2], 1, "a stream gives one finish reason"),
        ([chunk("a", "stop"), chunk("b", "stop")], 1, "a stream gives one finish reason"),
        ([chunk("a", "stop"), chunk("b")], 1, "a stream gives one finish reason, in its last chunk"),
        ([chunk("a"), chunk("b", "stop", id="c-2")], 1, "id changes within a stream: ['c-1', 'c-2']"),
        ([chunk("a"), chunk("b", "stop", model="other")], 1, "model changes within a stream"),
        ([chunk("a", "eos")], 1, "finish_reason: "),
        ([chunk("a", "stop", created=NOW * 1000)], 1, "is not the present time in seconds"),
        ([chunk("a", "stop", created=str(NOW))], 1, "created: "),
        ([chunk("a", "stop", object="chat.completion")], 1, "object: "),
        ([chunk("a", "stop", usage={**USAGE, "total_tokens": 1})], 1, "total_tokens 1 is not 5 + 2"),
        ([{**CHAT, "object": "chat.completion.chunk"}], 1, "choices.0.delta: Field required"),
        ([spoiled(STREAM[0], put("choices", 0, "delta", "role", value="user"))], 1, "delta.role: "),
        ([spoiled(STREAM[0], put("choices", 0, "finish_reason", value=...))], 1, "Field required"),
        ([{"error": {"message": "broken", "type": "x"}}], 1, "Field required"),
    ],
    ids=range(19),
)
def test_a_spoiled_stream_is_refused(events: list[Any], done: int, words: str) -> None:
    refused(lambda: streamed(events, done=done).chat([], stream=True), words)


@pytest.mark.parametrize("event", ["{", '{"a": NaN}', "hello"])
def test_an_event_that_is_no_json_is_refused(event: str) -> None:
    with pytest.raises(
        AssertionError, match=r"event of http://127.0.0.1:1/v1/chat/completions: expected JSON"
    ):
        streamed([event, *STREAM]).chat([], stream=True)


def test_a_stream_that_comes_as_another_type_is_refused() -> None:
    api_ = streamed(STREAM, content_type="application/json")
    refused(lambda: api_.chat([], stream=True), "expected 200 text/event-stream, got 200 application/json")


# -- models and errors

MODELS = {
    "object": "list",
    "data": [{"id": "default", "object": "model", "created": NOW, "owned_by": "local"}],
}


def test_the_list_of_models_is_read() -> None:
    assert [card.id for card in api(MODELS).models().data] == ["default"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("object", value="models"), "object: "),
        (put("data", value=[]), "data: "),
        (put("data", 0, "id", value=""), "data.0.id: "),
        (put("data", 0, "object", value="file"), "data.0.object: "),
        (put("data", 0, "created", value="now"), "data.0.created: "),
        (put("data", 0, "owned_by", value=...), "data.0.owned_by: Field required"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_spoiled_list_of_models_is_refused(change: Change, words: str) -> None:
    refused(lambda: api(spoiled(MODELS, change)).models(), words)
