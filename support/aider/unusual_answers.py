"""Allowed answers of an uncommon form, by their names in the features, made from those of the server.

Shapes of a stream (server-sent events of the HTML standard, 9.2.6, with OpenAI's chat completion chunks), and
commit messages, which are the answer to Aider's second request and are not streamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from support.aider.project import COMMIT_MESSAGE
from support.aider.server_failures import JSON
from support.http.recording_proxy import Fault
from support.name_registry import NameRegistry
from support.units import JsonObject

PASSED_ON = Fault()
# An edit that a model considers and rejects.
DRAFT = "Perhaps this will do:\n\nthermometer.py\n```python\nFREEZING = 33.0\n```\n\nNo, it is wrong."
# Together longer than the time limit of the scenario that has them.
COMMENTS = ((0.5, b": keep-alive\n\n"),) * 8
_DONE = "[DONE]"


def _chunks(body: bytes) -> list[JsonObject]:
    """The chunks of a stream, without comments and the end."""
    lines = body.decode().replace("\r\n", "\n").split("\n")
    events = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(event) for event in events if event != _DONE]


def _stream(chunks: list[JsonObject]) -> bytes:
    events = [json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    return "".join(f"data: {event}\n\n" for event in [*events, _DONE]).encode()


def _with_delta(chunk: JsonObject, delta: JsonObject) -> JsonObject:
    """A chunk with this delta, and no finish reason, in place of its own."""
    choice = {**chunk["choices"][0], "delta": delta, "finish_reason": None}
    return {**chunk, "choices": [choice]}


def _text(chunk: JsonObject) -> str:
    """Empty in a chunk without text."""
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


def _after(*deltas: JsonObject) -> Callable[[bytes], bytes]:
    """The same stream with these deltas before its own."""

    def rewrite(body: bytes) -> bytes:
        chunks = _chunks(body)
        return _stream([*(_with_delta(chunks[0], delta) for delta in deltas), *chunks])

    return rewrite


def _without_roles(body: bytes) -> bytes:
    chunks = _chunks(body)
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["delta"].pop("role", None)
    return _stream(chunks)


def _with_usage(body: bytes) -> bytes:
    """A last chunk without choices (`stream_options.include_usage` of OpenAI's API)."""
    chunks = _chunks(body)
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    return _stream([*chunks, {**chunks[-1], "choices": [], "usage": usage}])


def _in_one_chunk(body: bytes) -> bytes:
    """All text and the finish reason in one chunk."""
    chunks = _chunks(body)
    delta = {"role": "assistant", "content": "".join(map(_text, chunks))}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
    return _stream([{**chunks[0], "choices": [choice]}])


def _with_comments(body: bytes) -> bytes:
    """A comment before each event, as servers send it while nothing else is there to send."""
    return body.replace(b"data:", b": keep-alive\n\ndata:")


def _commit_message(text: str) -> Callable[[bytes], bytes]:
    """The same completion, of either API, with another text."""

    def rewrite(body: bytes) -> bytes:
        completion = json.loads(body)
        (completion["choices"][0] if "choices" in completion else completion)["message"]["content"] = text
        return json.dumps(completion).encode()

    return rewrite


def _committed_with(text: str) -> tuple[Fault, ...]:
    return (PASSED_ON, Fault(rewrite=_commit_message(text)))


_EMPTY = Fault(rewrite=_commit_message(""))
# Aider does not repeat a request with this status.
_REJECTED = Fault(400, JSON, b'{"error": {"message": "This prompt is refused"}}')

# One fault for each request in order; later requests are passed on.
UNUSUAL_ANSWERS: NameRegistry[tuple[Fault, ...]] = NameRegistry(
    "unusual answer of a server",
    {
        "a stream without roles": (Fault(rewrite=_without_roles),),
        "a first content of null": (Fault(rewrite=_after({"role": "assistant", "content": None})),),
        "an empty first delta": (Fault(rewrite=_after({})),),
        "a usage chunk at the end": (Fault(rewrite=_with_usage),),
        "CRLF line ends": (Fault(rewrite=lambda body: body.replace(b"\n", b"\r\n")),),
        "keep-alive comments": (Fault(rewrite=_with_comments),),
        "comments for 4 seconds": (Fault(before=COMMENTS),),
        "no space after each colon": (Fault(rewrite=lambda body: body.replace(b"data: ", b"data:")),),
        "all text in one chunk": (Fault(rewrite=_in_one_chunk),),
        "a draft in its reasoning": (Fault(rewrite=_after({"reasoning_content": DRAFT})),),
        "an empty commit message": (PASSED_ON, _EMPTY),
        "empty commit messages only": (PASSED_ON, _EMPTY, _EMPTY),
        "errors for commit messages": (PASSED_ON, _REJECTED, _REJECTED),
        "a commit message in quotes": _committed_with(f'"{COMMIT_MESSAGE}"'),
        "a commit message in a fence": _committed_with(f"```\n{COMMIT_MESSAGE}\n```"),
        "a commit message with reasoning": _committed_with(f"<think>\nA fix?\n</think>\n\n{COMMIT_MESSAGE}"),
    },
)
