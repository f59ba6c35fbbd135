"""The OpenAI contract keeps good answers, refuses each defect of another one, and names the layer."""

from __future__ import annotations

from typing import Any

import pytest

from support.conformance.oracles.openai import CONTRACTS, normalize, unit_length
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.http.exchange import Exchange
from tests.conformance.samples import NOW, USAGE, chat, chunk, exchange, models, reply, spoiled, stream, text

OFFICIAL, OWN, ACROSS = "official type", "contract", "invariants"
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT_STREAM = [chunk("The comet "), chunk("comes back."), chunk(reason="stop", usage=USAGE)]
TEXT_STREAM = [text("The comet ", None, usage=None), text("comes back.")]


def whole(document: Any) -> ParsedResponse:
    return parse(reply(document), "json", ends_with_done=True)


def events(*chunks: Any) -> ParsedResponse:
    return parse(stream(*chunks), "sse", ends_with_done=True)


def refused(contract: str, reading: ParsedResponse, layer: str, words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        CONTRACTS[contract].check(reading)
    assert caught.value.layer == layer, caught.value
    assert words in caught.value.actual


@pytest.mark.parametrize(
    ("contract", "reading"),
    [
        ("chat", whole(chat())),
        ("chat", whole(chat(system_fingerprint="local", usage={**USAGE, "total_time_sec": 0.1}))),
        ("text", whole(text(reason="length"))),
        ("chat stream", events(*CHAT_STREAM)),
        ("chat stream", events(chunk("Hi"), chunk("", "length"), chunk(choices=[], usage=USAGE))),
        ("chat stream", events(chunk("Hi"), chunk(None, "stop", role=False))),
        ("text stream", events(*TEXT_STREAM)),
        ("models", whole(models("default", "tiny"))),
        ("models", whole(spoiled(models("tiny"), "data.0.status", "loaded"))),
    ],
)
def test_a_good_answer_is_kept(contract: str, reading: ParsedResponse) -> None:
    CONTRACTS[contract].check(reading)


# -- whole answers

SHARED: list[tuple[str, Any, str, str]] = [
    ("id", ..., OFFICIAL, "id: Field required"),
    ("id", "", OWN, "id: "),
    ("id", 7, OFFICIAL, "id: "),
    ("object", "answer", OFFICIAL, "object: "),
    ("created", NOW * 1000, OWN, "is not the present time in seconds"),
    ("created", NOW - 3600, OWN, "is not the present time in seconds"),
    ("created", 0, OWN, "is not the present time in seconds"),
    ("created", str(NOW), OFFICIAL, "created: Input should be a valid integer"),
    ("created", NOW + 0.5, OFFICIAL, "created: "),
    ("model", None, OFFICIAL, "model: "),
    ("choices", [], OWN, "choices: "),
    ("choices", ..., OFFICIAL, "choices: Field required"),
    ("choices.0.index", -1, OWN, "choices.0.index: "),
    ("choices.0.index", "0", OFFICIAL, "choices.0.index: "),
    ("choices.0.index", 1, ACROSS, "numbered [1]"),
    ("choices.0.finish_reason", ..., OFFICIAL, "choices.0.finish_reason: Field required"),
    ("choices.0.finish_reason", None, OFFICIAL, "choices.0.finish_reason: "),
    ("choices.0.finish_reason", "eos", OFFICIAL, "choices.0.finish_reason: "),
    ("choices.0.finish_reason", "canceled", OFFICIAL, "choices.0.finish_reason: "),
    ("choices.0.finish_reason", "content_filter", OWN, "choices.0.finish_reason: "),
    ("usage", ..., OWN, "usage: Field required"),
    ("usage", None, OWN, "usage: "),
    ("usage.total_tokens", 8, OWN, "total_tokens 8 is not 5 + 2"),
    ("usage.prompt_tokens_details", {"cached_tokens": 6}, OWN, "cached_tokens is 6, a part of 5 tokens"),
    ("usage.prompt_tokens_details", {"audio_tokens": 6}, OWN, "audio_tokens is 6, a part of 5 tokens"),
    ("usage.completion_tokens_details", {"reasoning_tokens": -1}, OWN, "reasoning_tokens is -1"),
    ("usage.completion_tokens_details", {"audio_tokens": 3}, OWN, "audio_tokens is 3, a part of 2 tokens"),
    ("usage.total_tokens", ..., OFFICIAL, "usage.total_tokens: Field required"),
    ("usage.prompt_tokens", "5", OFFICIAL, "usage.prompt_tokens: "),
    ("usage.prompt_tokens", True, OFFICIAL, "usage.prompt_tokens: "),
    ("usage.prompt_tokens", -1, OWN, "usage.prompt_tokens: "),
    ("usage.completion_tokens", -1, OWN, "usage.completion_tokens: "),
    ("surprise", 1, OWN, "unknown fields: surprise"),
    ("usage.surprise", 1, OWN, "unknown fields: usage.surprise"),
    ("choices.0.surprise", 1, OWN, "unknown fields: choices.surprise"),
]
CHAT: list[tuple[str, Any, str, str]] = [
    ("choices.0.finish_reason", "tool_calls", OWN, "0 tool calls"),
    ("choices.0.message", ..., OFFICIAL, "choices.0.message: Field required"),
    ("choices.0.message.role", "user", OFFICIAL, "choices.0.message.role: "),
    ("choices.0.message.role", ..., OFFICIAL, "choices.0.message.role: Field required"),
    ("choices.0.message.content", 7, OFFICIAL, "choices.0.message.content: "),
    ("choices.0.message.content", ..., OWN, "choices.0.message.content: Field required"),
    ("choices.0.message.tool_calls", [CALL], OWN, "1 tool calls"),
    ("choices.0.message.mood", "good", OWN, "unknown fields: choices.message.mood"),
]
TEXT: list[tuple[str, Any, str, str]] = [
    ("choices.0.text", None, OFFICIAL, "choices.0.text: "),
    ("choices.0.text", ..., OFFICIAL, "choices.0.text: Field required"),
    ("choices.0.finish_reason", "tool_calls", OFFICIAL, "choices.0.finish_reason: "),
]


def named(row: object) -> str | None:
    return row if isinstance(row, str) else None


@pytest.mark.parametrize(("path", "value", "layer", "words"), [*SHARED, *CHAT], ids=named)
def test_a_spoiled_chat_is_refused(path: str, value: Any, layer: str, words: str) -> None:
    refused("chat", whole(spoiled(chat(), path, value)), layer, words)


@pytest.mark.parametrize(("path", "value", "layer", "words"), [*SHARED, *TEXT], ids=named)
def test_a_spoiled_text_is_refused(path: str, value: Any, layer: str, words: str) -> None:
    refused("text", whole(spoiled(text(), path, value)), layer, words)


@pytest.mark.parametrize("arguments", ["{", "[]", '{"city": '])
def test_arguments_of_a_tool_call_are_a_json_object(arguments: str) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    refused("chat", whole(chat(choices=[choice])), OWN, "arguments: ")


LOGPROB: dict[str, Any] = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


@pytest.mark.parametrize(
    "fields", [{}, {"bytes": None}, {"token": "\ufffd", "bytes": [195]}, {"token": "ä", "bytes": [195, 164]}]
)
def test_log_probabilities_are_kept(fields: dict[str, Any]) -> None:
    logprobs = {"content": [{**LOGPROB, **fields}]}
    CONTRACTS["chat"].check(whole(spoiled(chat(), "choices.0.logprobs", logprobs)))


@pytest.mark.parametrize(
    ("path", "value", "layer", "words"),
    [
        ("logprob", 0.1, OWN, "logprob: "),
        ("bytes", "a", OFFICIAL, "bytes: "),
        ("bytes", [300], OWN, "bytes.0: "),
        ("bytes", [98], OWN, "bytes [98] are not those of 'a'"),
        ("top_logprobs", [{"token": 1, "logprob": -1.0, "bytes": None}], OFFICIAL, "token: "),
    ],
)
def test_spoiled_log_probabilities_are_refused(path: str, value: Any, layer: str, words: str) -> None:
    logprobs = {"content": [spoiled(LOGPROB, path, value)]}
    refused("chat", whole(spoiled(chat(), "choices.0.logprobs", logprobs)), layer, words)


# -- streams


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("", "a stream ends with exactly one [DONE]"),
        ("data: [DONE]\n\ndata: [DONE]\n\n", "a stream ends with exactly one [DONE]"),
        ("data: [DONE]\n\ndata: {}\n\n", "a stream ends with exactly one [DONE]"),
        ("data: [DONE]\n", "blank line"),
        ("oops\n\ndata: [DONE]\n\n", "unknown field"),
    ],
)
def test_a_stream_with_another_end_is_refused(end: str, words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        parse(stream(*CHAT_STREAM, end=end), "sse", ends_with_done=True)
    assert (caught.value.layer, words in caught.value.actual) == ("framing", True)


@pytest.mark.parametrize(
    ("answer", "layer", "words"),
    [
        (stream(end=""), "framing", "without any event"),
        (exchange(b"data: {\n\ndata: [DONE]\n\n", content_type="text/event-stream"), "JSON", "expected JSON"),
        (exchange(b'data: {"a": NaN}\n\ndata: [DONE]\n\n', content_type="text/event-stream"), "JSON", "NaN"),
    ],
)
def test_what_is_no_stream_of_json_is_refused(answer: Exchange, layer: str, words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        parse(answer, "sse", ends_with_done=True)
    assert (caught.value.layer, words in caught.value.actual) == (layer, True)


@pytest.mark.parametrize(
    ("chunks", "layer", "words"),
    [
        ([], "framing", "without any JSON document"),
        (CHAT_STREAM[:2], ACROSS, "finish reasons [None, None]"),
        ([chunk("a", "stop"), chunk("b", "stop")], ACROSS, "finish reasons ['stop', 'stop']"),
        ([chunk("a", "stop"), chunk("b")], ACROSS, "finish reasons ['stop', None]"),
        ([chunk(choices=[])], ACROSS, "without any choice"),
        ([chunk(choices=chunk(reason="stop")["choices"] * 2)], ACROSS, "a choice twice"),
        ([chunk("a"), chunk(reason="stop", id="2")], ACROSS, "id changes within a stream: ['1', '2']"),
        ([chunk("a"), chunk(reason="stop", model="b")], ACROSS, "model changes within a stream"),
        ([chunk("a", role=False), chunk(reason="stop")], ACROSS, "begin with the role"),
        ([chunk("a", usage=USAGE), chunk(reason="stop")], ACROSS, "usage in the chunks [1] of 2"),
        ([chunk("a", "eos")], OFFICIAL, "finish_reason: "),
        ([chunk("a"), chunk(reason="")], OFFICIAL, "finish_reason: "),
        ([chunk("a", "content_filter")], OWN, "finish_reason: "),
        ([chunk("a", "stop", created=NOW * 1000)], OWN, "is not the present time in seconds"),
        ([chunk("a", "stop", created=str(NOW))], OFFICIAL, "created: "),
        ([chunk("a", "stop", object="chat.completion")], OFFICIAL, "object: "),
        ([chunk("a", "stop", usage={**USAGE, "total_tokens": 1})], OWN, "total_tokens 1 is not 5 + 2"),
        ([chat(object="chat.completion.chunk")], OFFICIAL, "choices.0.delta: Field required"),
        ([spoiled(chunk("a"), "choices.0.delta.role", "user"), chunk(reason="stop")], OWN, "delta.role: "),
        ([spoiled(chunk("a"), "choices.0.finish_reason", ...)], OWN, "Field required"),
        ([{"error": {"message": "broken", "type": "x"}}], OFFICIAL, "Field required"),
    ],
)
def test_a_spoiled_stream_of_a_chat_is_refused(chunks: list[Any], layer: str, words: str) -> None:
    refused("chat stream", events(*chunks), layer, words)


@pytest.mark.parametrize(
    ("chunks", "layer", "words"),
    [
        (TEXT_STREAM[:1], ACROSS, "finish reasons [None]"),
        ([text("a"), text("b")], ACROSS, "finish reasons ['stop', 'stop']"),
        ([text("a", None), text("b", id="2")], ACROSS, "id changes within a stream"),
        ([text("a", None), text("b")], ACROSS, "usage in the chunks [1, 2] of 2"),
        (CHAT_STREAM, OWN, "object: "),
        ([text("a", "tool_calls")], OWN, "finish_reason: "),
        ([spoiled(text("a"), "choices.0.text", None)], OWN, "text: "),
        ([text("a", created=NOW * 1000)], OWN, "is not the present time in seconds"),
        ([text("a", system_fingerprint=5)], OWN, "system_fingerprint: Input should be a valid string"),
        ([text("a", usage={**USAGE, "total_tokens": 1})], OWN, "total_tokens 1 is not 5 + 2"),
    ],
)
def test_a_spoiled_stream_of_a_text_is_refused(chunks: list[Any], layer: str, words: str) -> None:
    refused("text stream", events(*chunks), layer, words)


# -- models and vectors


@pytest.mark.parametrize(
    ("path", "value", "layer", "words"),
    [
        ("object", "models", OWN, "object: "),
        ("data", [], OWN, "data: "),
        ("data.0.id", "", OWN, "data.0.id: "),
        ("data.0.id", "other", OWN, "a name is listed twice: ['other', 'other']"),
        ("data.0.object", "file", OFFICIAL, "data.0.object: "),
        ("data.0.created", "now", OFFICIAL, "data.0.created: "),
        ("data.0.created", NOW * 1000, OWN, "data.0.created: "),
        ("data.0.owned_by", ..., OFFICIAL, "data.0.owned_by: Field required"),
        ("data.0.status", 1, OWN, "data.0.status: "),
        ("data.0.mood", "good", OWN, "unknown fields: data.mood"),
    ],
)
def test_a_spoiled_list_of_models_is_refused(path: str, value: Any, layer: str, words: str) -> None:
    refused("models", whole(spoiled(models("tiny", "other"), path, value)), layer, words)


def vectors(*entries: tuple[int, list[float]]) -> ParsedResponse:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in entries]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return whole({"object": "list", "data": data, "model": "tiny", "usage": usage})


def test_vectors_are_of_one_size_in_the_order_of_the_inputs() -> None:
    CONTRACTS["embeddings"].check(vectors((0, [1.0]), (1, [-1.0])))
    CONTRACTS["embeddings"].check(vectors((0, [2.0, 2.0])))
    refused(
        "embeddings",
        vectors((1, [1.0]), (0, [1.0])),
        OWN,
        "the vectors are not in the order of the inputs: [1, 0]",
    )
    refused("embeddings", vectors((0, [0.6, 0.8]), (1, [1.0])), OWN, "vectors of different sizes: [1, 2]")


def test_vectors_have_length_one() -> None:
    unit_length([{"data": [{"index": 0, "embedding": [0.6, 0.8]}]}])
    refused(
        "normalised embeddings", vectors((0, [0.0, 2.0])), "invariants", "vector 0 has length 2.0000, not 1"
    )
    with pytest.raises(ValueError, match="length 2"):
        unit_length([{"data": [{"index": 0, "embedding": [0.0, 2.0]}]}])


# -- the view


@pytest.mark.parametrize("document", [[], 5, None, {}, {"choices": None}, {"choices": [{}]}, {"usage": 5}])
def test_the_view_never_raises(document: Any) -> None:
    assert normalize(whole(document))["text"] == ""


def test_a_view_is_the_same_for_a_stream_and_the_whole() -> None:
    one, other = normalize(events(*CHAT_STREAM)), normalize(whole(chat()))
    for name in ("text", "finish_reason", "usage", "tool_calls"):
        assert one[name] == other[name]
    assert (one["pieces"], other["pieces"]) == (2, 1)


def test_a_vector_reads_the_same_in_floats_and_base64() -> None:
    vectors = [
        normalize(whole({"data": [{"embedding": each}]}))["first_vector"]
        for each in ([0.5, -0.25], "AAAAPwAAgL4=", "?")
    ]
    assert vectors == [[0.5, -0.25], [0.5, -0.25], None]


def test_the_first_and_the_last_vector_of_a_list() -> None:
    view = normalize(whole({"data": [{"embedding": [number]} for number in (1, 2, 3)]}))
    assert (view["first_vector"], view["last_vector"]) == ([1], [3])


def delta(index: int, reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": reason}


def piece(index: int, name: str | None, arguments: str | None, id: str | None = None) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def test_a_view_of_a_stream_puts_its_choices_and_calls_together() -> None:
    counts = {**USAGE, "total_time_sec": 0.1}
    chunks = [
        {"id": "1", "created": 5, "choices": [delta(1, content="A"), delta(0, content="The ")]},
        {
            "id": "1",
            "created": 5,
            "choices": [
                delta(1, tool_calls=[piece(0, "g", "{}", "d")]),
                delta(0, tool_calls=[piece(0, "f", '{"a":', "c")]),
            ],
        },
        {
            "id": "2",
            "created": 5,
            "choices": [
                delta(0, "tool_calls", content="end", tool_calls=[piece(0, None, "1}")]),
                delta(1, "stop", content=None),
                {"index": 1, "delta": {"tool_calls": [piece(1, "h", "[]")]}},
            ],
        },
        {"id": "2", "created": 5, "choices": [], "usage": counts},
        {"id": "2", "created": 5, "choices": None, "usage": None},
    ]
    assert normalize(events(*chunks)) == {
        "text": "The end",
        "texts": ["The end", "A"],
        "finish_reason": "tool_calls",
        "finish_reasons": ["tool_calls", "stop"],
        "usage": USAGE,
        "tool_calls": [
            {"name": "f", "arguments": {"a": 1}},
            {"name": "g", "arguments": {}},
            {"name": "h", "arguments": []},
        ],
        "call_ids": ["c", "d", None],
        "calls_with_id": [True, True, False],
        "pieces": 3,
        "first_vector": None,
        "last_vector": None,
        "id": ["1", "2"],
        "created": [5],
    }


def test_pieces_without_a_number_are_calls_in_their_order() -> None:
    pieces = [{"function": {"name": "f"}}, {"function": {"name": "g"}}]
    found = normalize(events({"choices": [{"delta": {"tool_calls": pieces}}]}))
    assert [call["name"] for call in found["tool_calls"]] == ["f", "g"]


def test_a_view_of_a_whole_answer_takes_each_entry_for_a_call() -> None:
    call, other = piece(0, "f", "{", "c"), piece(0, "g", "{}", "d")
    message = {"content": None, "tool_calls": [call, other, {"function": None}]}
    found = normalize(whole({"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": 5}))
    assert found == {
        "text": "",
        "texts": [""],
        "finish_reason": "tool_calls",
        "finish_reasons": ["tool_calls"],
        "usage": None,
        "tool_calls": [
            {"name": "f", "arguments": "{"},
            {"name": "g", "arguments": {}},
            {"name": "", "arguments": ""},
        ],
        "call_ids": ["c", "d", None],
        "calls_with_id": [True, True, False],
        "pieces": 0,
        "first_vector": None,
        "last_vector": None,
        "id": [None],
        "created": [None],
    }
    assert normalize(whole({"choices": [{"text": "a"}, {"text": "b", "index": 1}]}))["texts"] == ["a", "b"]


@pytest.mark.parametrize(
    ("vector", "read"),
    [
        ([0.12345, -0.0001], [0.123, 0.0]),
        ("AAAAPwAAgL4=", [0.5, -0.25]),
        ("AAAAPw==\n", None),
        ("AAAAPwA=", None),
        ([], []),
        (["a"], None),
        (None, None),
    ],
)
def test_a_vector_is_read_to_three_digits(vector: Any, read: list[float] | None) -> None:
    found = normalize(whole({"data": [{"embedding": vector}, {"embedding": [1.0]}]}))["first_vector"]
    assert found == read
    assert str(found) == str(read), "minus zero is zero"
