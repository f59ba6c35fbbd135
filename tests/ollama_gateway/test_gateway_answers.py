"""What the gateway answers, in front of a target that says what the test wants."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import ollama
import pytest

from support.bundled.ollama_gateway import response_writer
from support.bundled.ollama_gateway.answer_text import is_complete_json
from support.bundled.ollama_gateway.model_registry import LIBRARY
from support.bundled.ollama_gateway.response_writer import AnswerChunk, ResponseWriter, to_line
from tests.ollama_gateway.fake_target import END, FakeTarget, answer, event, sse
from tests.timeouts import PATIENCE

CHAT: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
GENERATE = {"model": "scripted", "prompt": "hi"}


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_front_page_and_version(client: httpx.Client) -> None:
    page = client.get("/")
    assert (page.status_code, page.text) == (200, "Ollama is running")
    assert client.head("/").status_code == client.head("/api/version").status_code == 200
    version = client.get("/api/version").json()
    assert list(version) == ["version"]
    assert [part.isdigit() for part in version["version"].split(".")] == [True] * 3


@pytest.mark.parametrize("body", [{}, {"stream": True}, {"stream": None}], ids=["absent", "true", "null"])
def test_chat_streams_unless_told_not_to(client: httpx.Client, body: dict[str, Any]) -> None:
    told = lines(client.post("/api/chat", json={**CHAT, **body}))
    assert [line["message"]["content"] for line in told] == ["Hello", " world", ""]
    assert [line["done"] for line in told] == [False, False, True]
    assert {line["model"] for line in told} == {"scripted"}
    last = told[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 5, 3)
    times = {name: value for name, value in last.items() if name.endswith("_duration")}
    assert all(type(value) is int and value > 0 for value in times.values())
    assert times.pop("total_duration") >= sum(times.values())
    assert not any(name.endswith(("_duration", "_count")) for line in told[:-1] for name in line)


def test_whole_answer_is_the_stream_in_one(client: httpx.Client) -> None:
    answered = client.post("/api/generate", json={**GENERATE, "stream": False})
    assert answered.headers["content-type"] == "application/json; charset=utf-8"
    told = answered.json()
    assert (told["response"], told["done"], told["done_reason"]) == ("Hello world", True, "stop")


def test_the_target_is_asked_for_its_own_model_and_always_streams(
    client: httpx.Client, target: FakeTarget
) -> None:
    client.post("/api/chat", json={**CHAT, "stream": False})
    assert target.asked[0]["model"] == "/somewhere/scripted"
    assert target.asked[0]["stream"] is True


def test_options_reach_the_target_in_its_words(client: httpx.Client, target: FakeTarget) -> None:
    options = {
        "num_predict": 7,
        "stop": ["x"],
        "temperature": 0,
        "top_k": 3,
        "top_p": 0.5,
        "min_p": 0.1,
        "seed": 4,
    }
    options |= {"repeat_penalty": 1.3, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    client.post("/api/chat", json={**CHAT, "options": {**options, "num_ctx": 99, "nonsense": [1]}})
    renamed = {"num_predict": "max_tokens", "repeat_penalty": "repetition_penalty"}
    expected = {renamed.get(name, name): value for name, value in options.items()}
    assert expected.items() <= target.asked[0].items()
    assert not {"num_ctx", "nonsense"} & target.asked[0].keys()


def test_defaults_are_those_of_ollama(client: httpx.Client, target: FakeTarget) -> None:
    client.post("/api/chat", json={**CHAT, "options": {"num_predict": -1, "seed": -1, "stop": []}})
    asked = target.asked[0]
    assert (asked["temperature"], asked["top_k"], asked["top_p"]) == (0.8, 40, 0.9)
    assert not {"max_tokens", "seed", "stop"} & asked.keys()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"temperature": "x"}, 'option "temperature" must be of type float32'),
        ({"num_predict": "x"}, 'option "num_predict" must be of type integer'),
        ({"seed": True}, 'option "seed" must be of type integer'),
        ({"stop": "x"}, 'option "stop" must be of type array'),
        ({"stop": [1]}, 'option "stop" must be of an array of strings'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
    ],
)
def test_options_of_a_wrong_type(client: httpx.Client, given: dict[str, Any], words: str) -> None:
    answered = client.post("/api/generate", json={**GENERATE, "options": given})
    assert (answered.status_code, answered.json()) == (500, {"error": words})


def test_formats_become_a_grammar(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = answer('{"a":1}')
    client.post("/api/chat", json={**CHAT, "format": "json"})
    client.post("/api/chat", json={**CHAT, "format": {"enum": ["x"]}})
    assert [asked["grammar"]["type"] for asked in target.asked] == ["json_schema"] * 2
    assert target.asked[0]["grammar"]["value"]["type"] == "object"
    assert target.asked[1]["grammar"]["value"]["enum"] == ["x"]


def test_another_server_is_given_its_own_response_format(client: httpx.Client, target: FakeTarget) -> None:
    target.cards = [{"id": "scripted", "object": "model", "created": 1}]
    client.post("/api/chat", json={**CHAT, "format": "json"})
    client.post("/api/chat", json={**CHAT, "format": {"enum": ["x"]}})
    assert target.asked[0]["response_format"] == {"type": "json_object"}
    assert target.asked[1]["response_format"]["json_schema"]["schema"] == {"enum": ["x"]}
    assert "grammar" not in target.asked[0]


@pytest.mark.parametrize("more", [[], [event(""), event("")]], ids=["silent", "empty tokens"])
def test_json_ends_when_it_is_complete(client: httpx.Client, target: FakeTarget, more: list[bytes]) -> None:
    """mistral.rs goes on when its grammar is satisfied, in silence (0.9) or not (0.8.1)."""
    target.stream = [event('{"a"'), event(":1}"), *more, threading.Event()]
    told = client.post("/api/generate", json={**GENERATE, "format": "json", "stream": False}).json()
    assert (told["response"], told["done_reason"]) == ('{"a":1}', "stop")
    assert (told["prompt_eval_count"], told["eval_count"]) == (7, 2)
    assert target.left.wait(PATIENCE)


def test_json_that_ends_by_itself_keeps_its_figures(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = answer("12")
    told = client.post("/api/generate", json={**GENERATE, "format": "json", "stream": False}).json()
    assert (told["response"], told["prompt_eval_count"], told["eval_count"]) == ("12", 5, 2)


@pytest.mark.parametrize(
    ("text", "whole"),
    [('{"a":{}', False), ('{"a":{}}', True), ('"x\\"', False), ("true", True), ("1", False), (" [1] ", True)],
)
def test_when_json_is_complete(text: str, *, whole: bool) -> None:
    assert is_complete_json(text) is whole


def test_tools_both_ways(client: httpx.Client, target: FakeTarget) -> None:
    call = {"index": 0, "id": "call_1", "type": "function"}
    target.stream = [
        event(tool_calls=[{**call, "function": {"name": "add", "arguments": '{"a": 1,'}}]),
        event(tool_calls=[{"index": 0, "function": {"arguments": ' "b": [2]}'}}]),
        event("", "tool_calls", {"prompt_tokens": 1, "completion_tokens": 2}),
        END,
    ]
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    earlier = [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
        },
        {"role": "tool", "content": "2", "tool_name": "f"},
    ]
    told = lines(
        client.post("/api/chat", json={**CHAT, "messages": CHAT["messages"] + earlier, "tools": tools})
    )
    function = {"index": 0, "name": "add", "arguments": {"a": 1, "b": [2]}}
    assert told[0]["message"]["tool_calls"] == [{"id": "call_1", "function": function}]
    assert told[-1]["done_reason"] == "stop"
    asked = target.asked[0]
    assert asked["tools"] == tools
    sent = asked["messages"][1]["tool_calls"][0]
    assert json.loads(sent["function"]["arguments"]) == {"x": 1}
    assert asked["messages"][2]["tool_call_id"] == sent["id"]


def test_logprobs_of_a_bare_object(client: httpx.Client, target: FakeTarget) -> None:
    entry_of_target: dict[str, Any] = {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]}
    entry_of_target["top_logprobs"] = [{"token": 12, "logprob": -0.5, "bytes": "Hé"}]
    choice = {"index": 0, "finish_reason": None, "delta": {"content": "Hé"}, "logprobs": entry_of_target}
    target.stream = [sse({"choices": [choice], "usage": None}), *answer()]
    told = lines(client.post("/api/chat", json={**CHAT, "logprobs": True, "top_logprobs": 1}))
    entry = {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]}
    assert told[0]["logprobs"] == [{**entry, "top_logprobs": [entry]}]
    assert (target.asked[0]["logprobs"], target.asked[0]["top_logprobs"]) == (True, 1)
    whole = client.post("/api/chat", json={**CHAT, "logprobs": True, "stream": False}).json()
    assert whole["logprobs"] == [entry]


def test_thinking_is_told_apart(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = [event(reasoning_content="hm"), *answer("yes")]
    told = client.post("/api/chat", json={**CHAT, "think": True, "stream": False}).json()
    assert told["message"] == {"role": "assistant", "content": "yes", "thinking": "hm"}
    assert target.asked[0]["enable_thinking"] is True


def test_context_goes_on_with_the_conversation(client: httpx.Client, target: FakeTarget) -> None:
    first = client.post("/api/generate", json={**GENERATE, "system": "s", "stream": False}).json()
    assert all(isinstance(number, int) for number in first["context"])
    client.post("/api/generate", json={**GENERATE, "prompt": "more", "context": first["context"]})
    turns = [(turn["role"], turn["content"]) for turn in target.asked[1]["messages"]]
    assert turns == [("system", "s"), ("user", "hi"), ("assistant", "Hello world"), ("user", "more")]
    answered = client.post("/api/generate", json={**GENERATE, "context": [1, 2]})
    assert (answered.status_code, answered.json()["error"]) == (
        400,
        "this context was not made by this gateway",
    )


def test_images_are_sent_as_data(client: httpx.Client, target: FakeTarget) -> None:
    client.post("/api/generate", json={**GENERATE, "images": ["iVBORw0KGgo="]})
    parts = target.asked[0]["messages"][0]["content"]
    assert parts[0]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert parts[1] == {"type": "text", "text": "hi"}


def test_raw_prompts_have_no_template_and_no_context(client: httpx.Client, target: FakeTarget) -> None:
    choice = {"index": 0, "text": "raw", "finish_reason": "length"}
    target.stream = [sse({"object": "text_completion", "choices": [choice]}), END]
    told = client.post("/api/generate", json={**GENERATE, "raw": True, "stream": False}).json()
    assert target.asked[0]["prompt"] == "hi"
    assert (told["response"], told["done_reason"]) == ("raw", "length")
    # The stream came without figures: the prompt was counted by asking again, one token long.
    assert (told["prompt_eval_count"], told["eval_count"]) == (7, 1)
    assert "context" not in told
    assert "eval_duration" not in told


@pytest.mark.parametrize("pieces", [("ab<EN", "D>cd"), ("ab<END>cd",), ("ab", "<", "E", "N", "D", ">")])
def test_stop_sequences_never_show(client: httpx.Client, target: FakeTarget, pieces: tuple[str, ...]) -> None:
    target.stream = answer(*pieces)
    told = lines(client.post("/api/chat", json={**CHAT, "options": {"stop": ["<END>", "zz"]}}))
    assert "".join(line["message"]["content"] for line in told) == "ab"


def test_a_stop_sequence_that_only_begins_is_text(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = answer("ab<", "EN")
    told = client.post("/api/chat", json={**CHAT, "options": {"stop": ["<END>"]}, "stream": False}).json()
    assert told["message"]["content"] == "ab<EN"


@pytest.mark.usefixtures("target")
def test_one_model_under_its_own_names(client: httpx.Client) -> None:
    told = client.get("/api/tags").json()["models"]
    assert [entry["name"] for entry in told] == ["scripted:latest"]
    for name in ("scripted", "scripted:latest", "SCRIPTED", "/somewhere/scripted"):
        assert client.post("/api/show", json={"model": name}).status_code == 200, name
    said = lines(client.post("/api/chat", json={**CHAT, "model": "ScripTed"}))
    assert {line["model"] for line in said} == {"ScripTed"}
    assert client.post("/api/show", json={"model": "default"}).status_code == 404
    assert client.post("/api/show", json={"model": "scripted:other"}).status_code == 404


def test_no_models_are_an_empty_list(client: httpx.Client, target: FakeTarget) -> None:
    target.cards = []
    assert client.get("/api/tags").json() == client.get("/api/ps").json() == {"models": []}


def test_facts_come_from_the_file(gateway: Callable[..., httpx.Client], gguf: Path) -> None:
    client = gateway({"talker": gguf})
    entry = client.get("/api/tags").json()["models"][0]
    assert (entry["name"], entry["size"]) == ("talker:latest", gguf.stat().st_size)
    assert len(entry["digest"]) == 64
    assert entry["details"]["family"] == "llama"
    assert entry["details"]["quantization_level"] == "F16"
    shown = client.post("/api/show", json={"model": "talker"}).json()
    assert shown["capabilities"] == ["completion"]
    assert shown["model_info"]["llama.context_length"] == 32768
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert "<|im_start|>" in shown["template"]
    verbose = client.post("/api/show", json={"model": "talker", "verbose": True}).json()
    assert len(verbose["model_info"]["tokenizer.ggml.tokens"]) > 3000
    assert client.get("/api/ps").json()["models"][0]["context_length"] == 32768


HEADER = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
FAMILY = struct.pack("<Q20sIQ5s", 20, b"general.architecture", 8, 5, b"llama")


def file_type(number: int) -> bytes:
    return struct.pack("<Q17sII", 17, b"general.file_type", 4, number)


@pytest.mark.parametrize(
    ("content", "family", "quantization", "problem"),
    [
        (HEADER.replace(b"\1", b"\2") + FAMILY + file_type(4711), "llama", "unknown", ""),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "", "unknown", ""),
        (HEADER, "unknown", "unknown", "model.gguf is not a GGUF file"),
        (bytes(24), "unknown", "unknown", "model.gguf is not a GGUF file"),
        (b"", "unknown", "unknown", "model.gguf is not a GGUF file"),
        (b"x" * 100, "unknown", "unknown", "model.gguf is not a GGUF file"),
        (
            HEADER[:-8] + struct.pack("<Q", 9) + FAMILY + file_type(1),
            "llama",
            "F16",
            "model.gguf is not a GGUF file",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2) + FAMILY + file_type(1),
            "llama",
            "F16",
            "not a GGUF file",
        ),
    ],
    ids=["newer", "nothing", "one key", "zeros", "empty", "a text", "cut", "no tensors"],
)
def test_a_file_that_cannot_be_read_to_its_end_costs_no_request(
    gateway: Callable[..., httpx.Client],
    tmp_path: Path,
    content: bytes,
    family: str,
    quantization: str,
    problem: str,
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    client = gateway({"scripted": file})
    (entry,) = client.get("/api/tags").json()["models"]
    assert (entry["size"], len(entry["digest"])) == (len(content), 64)
    assert entry["details"]["family"] == family
    assert entry["details"]["quantization_level"] == quantization
    assert entry["details"]["parameter_size"] == ("unknown" if problem else "0")
    assert client.get("/api/ps").status_code == 200
    shown = client.post("/api/show", json={"model": "scripted"})
    assert shown.status_code == 200
    assert shown.json()["details"] == entry["details"]
    assert problem in shown.json()["modelfile"]
    assert str(tmp_path) not in shown.text
    assert client.post("/api/chat", json=CHAT).status_code == 200
    assert client.post("/api/generate", json=GENERATE).status_code == 200


def test_a_file_that_was_removed_costs_no_request(
    gateway: Callable[..., httpx.Client], tmp_path: Path
) -> None:
    client = gateway({"scripted": tmp_path / "removed.gguf"})
    assert client.get("/api/tags").json()["models"][0]["size"] == 0
    assert client.post("/api/show", json={"model": "scripted"}).status_code == 200
    assert client.post("/api/chat", json=CHAT).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("chat", {**CHAT, "think": True}, '"scripted" does not support thinking'),
        (
            "chat",
            {**CHAT, "tools": [{}]},
            f"{LIBRARY}scripted:latest does not support tools",
        ),
        (
            "generate",
            {**GENERATE, "suffix": "x"},
            f"{LIBRARY}scripted:latest does not support insert",
        ),
    ],
)
def test_what_the_model_is_known_not_to_do(
    gateway: Callable[..., httpx.Client], gguf: Path, path: str, body: dict[str, Any], words: str
) -> None:
    answered = gateway({"scripted": gguf}).post(f"/api/{path}", json=body)
    assert (answered.status_code, answered.json()) == (400, {"error": words})


def test_embeddings_in_order_and_normalised(client: httpx.Client) -> None:
    told = client.post("/api/embed", json={"model": "scripted", "input": ["a", "b"]}).json()
    assert told["embeddings"][0] == pytest.approx([3 / 13, 4 / 13, 12 / 13])
    assert [sum(x * x for x in vector) for vector in told["embeddings"]] == pytest.approx([1, 1])
    assert told["prompt_eval_count"] == 4
    short = client.post("/api/embed", json={"model": "scripted", "input": "a", "dimensions": 2}).json()
    assert short["embeddings"][0] == pytest.approx([0.6, 0.8])
    plain = client.post("/api/embeddings", json={"model": "scripted", "prompt": "a"}).json()
    assert plain == {"embedding": [3.0, 4.0, 12.0]}
    assert client.post("/api/embed", json={"model": "scripted"}).json()["embeddings"] == []
    assert client.post("/api/embeddings", json={"model": "scripted"}).json() == {"embedding": []}


def test_official_client(client: httpx.Client, target: FakeTarget) -> None:
    with ollama.Client(host=str(client.base_url)) as user:
        assert [model.model for model in user.list().models] == ["scripted:latest"]
        assert user.show("scripted").capabilities == ["completion"]
        assert user.ps().models[0].model == "scripted:latest"
        assert user.generate("scripted", "hi").response == "Hello world"
        target.stream = answer("one\u2028", "two")
        parts = list(user.chat("scripted", [{"role": "user", "content": "hi"}], stream=True))
        assert "".join(part.message.content or "" for part in parts) == "one\u2028two"
        assert len(user.embed("scripted", ["a", "b"]).embeddings) == 2
        with pytest.raises(ollama.ResponseError, match="model 'nope' not found"):
            user.chat("nope", [])


def test_a_call_that_comes_as_text_and_as_a_call_is_one(client: httpx.Client, target: FakeTarget) -> None:
    function = {"name": "look", "arguments": '{"at":"me"}'}
    marked = '<tool_call>{"name": "look", "arguments": {"at": "me"}}</tool_call>\n'
    other = '<tool_call>{"name": "look", "arguments": {"at": "you"}}</tool_call>'
    call = {"index": 0, "id": "x", "type": "function", "function": function}
    target.stream = [event(other), event(marked, "tool_calls", tool_calls=[call]), END]
    tools = [{"type": "function", "function": {"name": "look"}}]
    body = {"model": "scripted", "messages": [{"role": "user", "content": "x"}], "tools": tools}
    message = client.post("/api/chat", json={**body, "stream": False}).json()["message"]
    told = [(call["function"]["index"], call["function"]["arguments"]) for call in message["tool_calls"]]
    assert (message["content"], told) == ("", [(0, {"at": "you"}), (1, {"at": "me"})])


@pytest.mark.parametrize("is_chat", [True, False], ids=["chat", "generate"])
@pytest.mark.parametrize("text", ["", " plain", 'a "quote" \\ and\n\t\x00', "naïve 你好 😀 \u2028 \x7f </b>"])
def test_a_line_of_text_has_the_bytes_of_any_other_line(
    monkeypatch: pytest.MonkeyPatch, text: str, *, is_chat: bool
) -> None:
    monkeypatch.setattr(response_writer, "now", lambda: "2026-01-02T03:04:05.000006Z")
    shape = ResponseWriter('an "odd" näme', is_chat=is_chat)
    told = shape.lines([AnswerChunk(text), AnswerChunk(text)])
    assert told == 2 * to_line(shape.line(AnswerChunk(text))).encode()
    assert told.isascii()


def test_dates_have_six_digits_and_are_not_those_of_the_second_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([1_700_000_000_000_001_999, 1_700_000_000_999_999_000, 1_700_000_001_000_000_000])
    monkeypatch.setattr(response_writer, "time", SimpleNamespace(time_ns=lambda: next(moments)))
    assert [response_writer.now() for _ in range(3)] == [
        "2023-11-14T22:13:20.000001Z",
        "2023-11-14T22:13:20.999999Z",
        "2023-11-14T22:13:21.000000Z",
    ]
