"""Canned servers and cases for the tests of the engine."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from support.conformance.case_table import Case
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.endpoints import Endpoint

# The present time of all sample responses. A constant: parametrized test ids contain it, and they have to be
# the same in every worker of pytest-xdist.
NOW = 1_790_000_000
SERVER = Endpoint("toy", "openai", "http://127.0.0.1:1", {"model": "tiny"}, key="toy-key-1234")
# The scripted model, as /api/tags, /api/ps and /api/show describe it.
OLLAMA_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "2.25M",
    "quantization_level": "F16",
}


class Canned(ApiClient):
    """A client whose answers are given beforehand, the last one again and again."""

    def __init__(self, *answers: Exchange) -> None:
        super().__init__(SERVER.base_url)
        self.sent: list[tuple[str, str, bytes, Mapping[str, str]]] = []
        self._answers = list(answers)

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        self.sent.append((method, path, body, headers or {}))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.exchanges.append(answer)
        return answer


def exchange(body: bytes, status: int = 200, content_type: str = "application/json") -> Exchange:
    return Exchange(
        method="POST",
        url="http://127.0.0.1:1/v1/chat/completions",
        request_headers={},
        request_body=b"{}",
        status=status,
        headers={"content-type": content_type} if content_type else {},
        body=body,
        seconds=0.2,
        chunks=((0.1, body[:40]), (0.2, body[40:])),
    )


def reply(document: Any, status: int = 200) -> Exchange:
    return exchange(json.dumps(document).encode(), status)


def stream(*chunks: Any, end: str = "data: [DONE]\n\n") -> Exchange:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end
    return exchange(text.encode(), content_type="text/event-stream")


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def _head(kind: str) -> dict[str, Any]:
    return {"id": "1", "object": kind, "created": NOW, "model": "tiny"}


def chat(content: str = "The comet comes back.", **fields: Any) -> dict[str, Any]:
    """A good answer, some of its fields replaced."""
    message = {"role": "assistant", "content": content, "tool_calls": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
    return {**_head("chat.completion"), "choices": [choice], "usage": dict(USAGE), **fields}


def chunk(
    content: str | None = "", reason: str | None = None, *, role: bool = True, **fields: Any
) -> dict[str, Any]:
    """A good chunk of a stream, some of its fields replaced."""
    delta = {"content": content, **({"role": "assistant"} if role else {})}
    choice = {"index": 0, "finish_reason": reason, "delta": delta, "logprobs": None}
    return {**_head("chat.completion.chunk"), "choices": [choice], "usage": None, **fields}


def text(
    content: str = "The comet comes back.", reason: str | None = "stop", **fields: Any
) -> dict[str, Any]:
    """A good continued text, some of its fields replaced; without an end and counts a chunk of one."""
    choice = {"index": 0, "finish_reason": reason, "text": content, "logprobs": None}
    return {**_head("text_completion"), "choices": [choice], "usage": dict(USAGE), **fields}


def models(*names: str) -> dict[str, Any]:
    """A good list of models."""
    card = {"object": "model", "created": NOW, "owned_by": "local"}
    return {"object": "list", "data": [{"id": name, **card} for name in names]}


def spoiled(document: Any, path: str, value: Any) -> Any:
    """A copy with the value at a dotted path replaced (`...` as value: removed)."""
    other = copy.deepcopy(document)
    place = other
    *way, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    assert other != document, f"{path} was {value!r} before"
    return other


def case(**fields: Any) -> Case:
    """A case about a chat, some of its fields replaced."""
    row: dict[str, Any] = {
        "id": "openai.toy.case",
        "title": "a toy",
        "group": "toys",
        "level": "must",
        "request": {"path": "/v1/chat/completions", "json": {"model": "{model}", "messages": []}},
        "status": 200,
        "source": "a test",
    }
    return Case.model_validate(row | fields)
