"""Unusual answers have the text of the server's answer in another form that the API allows."""

from __future__ import annotations

import json

import pytest

from support.aider.project import COMMIT_MESSAGE
from support.aider.unusual_answers import UNUSUAL_ANSWERS
from support.http.recording_proxy import Fault
from support.units import JsonObject

TEXTS = ("thermometer.py\n", "```\nBOILING = 212.0°\n", "```\n")


def chunk(delta: JsonObject, reason: str | None = None) -> JsonObject:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "1", "model": "default", "choices": [choice]}


CHUNKS = [
    *(chunk({"role": "assistant", "content": text}) for text in TEXTS),
    chunk({"role": "assistant", "content": ""}, "stop"),
]
EVENTS = [json.dumps(part, ensure_ascii=False) for part in CHUNKS]
STREAM = "".join(f"data: {event}\n\n" for event in [*EVENTS, "[DONE]"]).encode()
COMPLETION = json.dumps({"id": "2", "choices": [{"message": {"role": "assistant", "content": "x"}}]}).encode()
SHAPES = (
    "a stream without roles",
    "a first content of null",
    "an empty first delta",
    "a usage chunk at the end",
    "CRLF line ends",
    "keep-alive comments",
    "no space after each colon",
    "all text in one chunk",
    "a draft in its reasoning",
)


def rewritten(name: str, body: bytes = STREAM) -> bytes:
    """The answer to the first request."""
    rewrite = UNUSUAL_ANSWERS.find(name)[0].rewrite
    assert rewrite is not None
    return rewrite(body)


def chunks(stream: bytes) -> list[JsonObject]:
    """As a client reads it (HTML standard, 9.2.6); it has to end with `[DONE]`."""
    lines = stream.decode().replace("\r\n", "\n").split("\n")
    values = [line.partition(":")[2].removeprefix(" ") for line in lines if line.startswith("data:")]
    assert values.pop() == "[DONE]"
    return [json.loads(value) for value in values]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_differs_and_has_the_same_text_and_one_end(name: str) -> None:
    found = chunks(rewritten(name))
    choices = [choice for part in found for choice in part["choices"]]
    assert rewritten(name) != STREAM
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "".join(TEXTS)
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]


def test_no_role_is_left() -> None:
    assert b'"role"' not in rewritten("a stream without roles")


@pytest.mark.parametrize(
    ("name", "delta"),
    [
        ("a first content of null", {"role": "assistant", "content": None}),
        ("an empty first delta", {}),
    ],
)
def test_the_added_chunk_is_the_first_one(name: str, delta: JsonObject) -> None:
    assert chunks(rewritten(name)) == [chunk(delta), *CHUNKS]


def test_reasoning_comes_before_the_text_in_a_field_of_its_own() -> None:
    first, *others = chunks(rewritten("a draft in its reasoning"))
    assert list(first["choices"][0]["delta"]) == ["reasoning_content"]
    assert others == CHUNKS


def test_the_usage_chunk_is_the_last_one_and_has_no_choice() -> None:
    *others, last = chunks(rewritten("a usage chunk at the end"))
    assert others == CHUNKS
    assert last["choices"] == []
    assert (
        last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    )


def test_the_bytes_between_the_events_differ() -> None:
    assert rewritten("CRLF line ends").count(b"\r\n") == STREAM.count(b"\n")
    assert rewritten("keep-alive comments").count(b": keep-alive\n\ndata: ") == len(CHUNKS) + 1
    assert b"data: " not in rewritten("no space after each colon")


def test_all_text_is_in_one_chunk() -> None:
    assert len(chunks(rewritten("all text in one chunk"))) == 1


def test_comments_come_before_the_body_and_are_no_events() -> None:
    (fault,) = UNUSUAL_ANSWERS.find("comments for 4 seconds")
    assert sum(seconds for seconds, _ in fault.before) == 4
    assert all(part.startswith(b":") and part.endswith(b"\n\n") for _, part in fault.before)


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("an empty commit message", [""]),
        ("empty commit messages only", ["", ""]),
        ("a commit message in quotes", [f'"{COMMIT_MESSAGE}"']),
        ("a commit message in a fence", [f"```\n{COMMIT_MESSAGE}\n```"]),
    ],
)
def test_the_edit_is_passed_on_and_the_commit_messages_are_replaced(name: str, messages: list[str]) -> None:
    edit, *others = UNUSUAL_ANSWERS.find(name)
    assert (edit.status, edit.rewrite, edit.ends_after, edit.before) == (None, None, None, ())
    found = [json.loads(fault.rewrite(COMPLETION)) for fault in others if fault.rewrite]
    assert [answer["choices"][0]["message"]["content"] for answer in found] == messages
    assert all(answer["id"] == "2" for answer in found)


def test_a_commit_message_over_the_ollama_api_is_replaced_as_well() -> None:
    _, message = UNUSUAL_ANSWERS.find("a commit message in quotes")
    assert message.rewrite is not None
    completion = json.dumps({"model": "m", "message": {"role": "assistant", "content": "x"}, "done": True})
    found = json.loads(message.rewrite(completion.encode()))
    assert found == {
        "model": "m",
        "message": {"role": "assistant", "content": f'"{COMMIT_MESSAGE}"'},
        "done": True,
    }


def test_the_edit_is_passed_on_and_each_request_for_a_message_is_rejected() -> None:
    edit, *others = UNUSUAL_ANSWERS.find("errors for commit messages")
    assert edit == Fault()
    assert [fault.status for fault in others] == [400, 400]
    assert all(json.loads(fault.body)["error"]["message"] for fault in others)
