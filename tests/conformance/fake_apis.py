"""A server of the Responses and Messages APIs as their references want it, with faults to be put in.

No real server keeps all of the tables yet, so this one shows that they can be kept. Its tokens are words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.http.exchange import Exchange
from support.models.script import Script
from tests.conformance.samples import NOW

Document = dict[str, Any]
CALL = re.compile(r"<tool_call>(.*?)</tool_call>")
WORDS = re.compile(r"\S+\s*|\s+")
CONTEXT_CHARACTERS = 50_000


class Refused(Exception):
    """A request that cannot be answered: status, kind, message."""


class FakeOwn:
    """Answers as the script says; `faults` are the names of what it does wrong."""

    def __init__(self, *faults: str) -> None:
        self.base_url = "http://127.0.0.1:1"
        self.exchanges: list[Exchange] = []
        self._faults = set(faults)
        self._script = Script.standard()
        self._stored: dict[str, Document] = {}
        self._said: dict[str, list[str]] = {}
        self._states: dict[str, list[str]] = {}
        self._made = 0

    # -- as a client's other end

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        origin = (headers or {}).get("Origin")
        named = {"access-control-allow-origin": origin} if origin else {}
        if method == "OPTIONS":
            status, content = 204, b""
            for what in ("method", "headers"):
                allowed = f"access-control-allow-{'methods' if what == 'method' else what}"
                named[allowed] = (headers or {})[f"Access-Control-Request-{what.title()}"]
        else:
            status, kind, content = self.handle(method, path, body)
            named["content-type"] = kind
        made = Exchange(
            method, self.base_url + path, {}, body, status, named, content, 0.01, chunks=((0.01, content),)
        )
        self.exchanges.append(made)
        return made

    def post(self, path: str, document: Mapping[str, Any]) -> Exchange:
        return self.send("POST", path, body=json.dumps(document).encode())

    def reconnect(self) -> None:
        pass

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, media type and body of an answer."""
        path = path.partition("?")[0]
        anthropic = path.startswith("/v1/messages")
        try:
            if self._has("fails at everything"):
                raise Refused(500, "api_error", "something")
            found = self._message(path, body) if anthropic else self._response(method, path, body)
        except Refused as refused:
            status, kind, message = refused.args
            error = {"type": kind, "message": message}
            if anthropic:
                return _json({"type": "error", "error": error}, status)
            return _json({"error": {**error, "param": None, "code": None}}, status)
        if isinstance(found, dict):
            return _json(found)
        events = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in found]
        return (
            200,
            "text/event-stream",
            "".join([*events, *([] if anthropic else ["data: [DONE]\n\n"])]).encode(),
        )

    def _has(self, fault: str) -> bool:
        return fault in self._faults

    def _id(self, kind: str) -> str:
        self._made += not self._has("one id for all")
        return f"{kind}_{self._made}"

    def _words(self, said: Sequence[str], most: int) -> tuple[list[str], bool]:
        """The words of an answer, and whether it was cut."""
        entry = self._script.answer_to("" if self._has("says something else") else "\n".join(said))
        words = WORDS.findall(entry.answer)
        words = words * most if entry.loop else words
        return words[:most], len(words) >= most

    # -- the Messages API

    def _message(self, path: str, body: bytes) -> Document | list[Document]:
        asked = _parsed(body)
        counting = path.endswith("/count_tokens")
        self._check_message(asked, counting=counting)
        said = [_text_of(asked.get("system") or "")]
        said += [_text_of(turn["content"]) for turn in asked["messages"]]
        seen = said[1:] if counting and self._has("overlooks the system") else said
        tools = [] if counting and self._has("overlooks tools") else asked.get("tools") or []
        tokens = len(" ".join(seen).split()) + len(json.dumps(tools)) // 4
        if counting:
            return {"input_tokens": tokens + self._has("counts something else")}
        message = self._made_message(asked, said, tokens)
        if self._has("has no usage"):
            del message["usage"]
        if not asked.get("stream"):
            return message
        events = list(_message_events(message))
        return events[:-2] if self._has("never ends") else events

    @staticmethod
    def _check_message(asked: Document, *, counting: bool) -> None:
        turns = asked.get("messages")
        limit = asked.get("max_tokens", 1 if counting else None)
        roles = [turn.get("role") for turn in turns or ()]
        kinds = {
            block["type"]
            for turn in turns or ()
            if isinstance(turn["content"], list)
            for block in turn["content"]
        }
        choice = asked.get("tool_choice") or {}
        names = {tool["name"] for tool in asked.get("tools") or ()}
        wrong = (
            not turns
            or not isinstance(limit, int)
            or limit < 1
            or set(roles) - {"user", "assistant"}
            or kinds - {"text", "tool_use", "tool_result"}
            or not isinstance(asked.get("system") or "", str | list)
            or (choice.get("type") == "tool" and choice["name"] not in names)
            or len(_text_of(turns[-1]["content"])) > CONTEXT_CHARACTERS
        )
        if wrong:
            raise Refused(400, "invalid_request_error", "that is no request")
        _check_model(asked)

    def _made_message(self, asked: Document, said: list[str], tokens: int) -> Document:
        words, cut = self._words(said, asked["max_tokens"])
        text = "".join(words)
        reason, sequence = ("max_tokens" if cut else "end_turn"), None
        for stop in asked.get("stop_sequences") or ():
            if stop in text:
                text, reason, sequence = text.partition(stop)[0], "stop_sequence", stop
        calls = CALL.findall(text) if asked.get("tools") else []
        content: list[Document] = [{"type": "text", "text": text}]
        if calls and (asked.get("tool_choice") or {}).get("type") != "none":
            reason = "tool_use"
            content = [
                {
                    "type": "tool_use",
                    "id": self._id("toolu"),
                    "name": call["name"],
                    "input": call["arguments"],
                }
                for call in map(json.loads, calls)
            ]
        return {
            "id": self._id("msg"),
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": {"input_tokens": tokens, "output_tokens": len(words)},
        }

    # -- the Responses API

    def _response(self, method: str, path: str, body: bytes) -> Document | list[Document]:
        name = path.removeprefix("/v1/responses").removesuffix("/cancel").strip("/")
        if not name:
            return self._create(_parsed(body))
        if name not in self._stored:
            raise Refused(404, "invalid_request_error", f"no response {name}")
        if path.endswith("/cancel"):
            return self._cancel(name)
        if method == "DELETE":
            if not self._has("forgets to delete"):
                del self._stored[name]
            return {"id": name, "object": "response", "deleted": True}
        if self._states.get(name):
            self._stored[name]["status"] = self._states[name].pop(0)
        found = self._stored[name]
        if found["status"] in ("queued", "in_progress", "cancelled"):
            return _unfinished(found, found["status"])
        return {**found, "metadata": None} if self._has("loses what was noted down") else found

    def _cancel(self, name: str) -> Document:
        done = not self._states.get(name) or self._has("cannot cancel")
        if done and not self._has("cancels what is done"):
            raise Refused(400, "invalid_request_error", "it is done")
        self._stored[name]["status"] = "cancelled"
        self._states[name] = ["incomplete"] if self._has("goes on when cancelled") else []
        return _unfinished(self._stored[name], "cancelled")

    def _create(self, asked: Document) -> Document | list[Document]:
        if not isinstance(asked.get("input"), str | list) or asked.get("max_output_tokens", 1) < 1:
            raise Refused(400, "invalid_request_error", "that is no request")
        background = bool(asked.get("background"))
        if not (background and self._has("fails later")):
            _check_model(asked)
        before = asked.get("previous_response_id")
        if before is not None and before not in self._said:
            raise Refused(400, "invalid_request_error", f"no response {before}")
        said = [] if before is None or self._has("remembers nothing") else [*self._said[before]]
        items = asked["input"] if isinstance(asked["input"], list) else [{"content": asked["input"]}]
        said += [_text_of(item.get("content") or item.get("output") or "") for item in items]
        response = self._made_response(asked, [asked.get("instructions") or "", *said])
        keep = [asked.get("instructions") or ""] if self._has("keeps instructions") else []
        if not asked.get("stream") or not self._has("forgets streams"):
            self._keep(asked, response, [*keep, *said])
        if asked.get("stream"):
            events = list(_response_events(response))
            if self._has("changes ids"):
                _change_ids(events)
            return events
        if not background:
            return response
        states = ["queued", "in_progress", response["status"]]
        if self._has("goes back"):
            states = ["in_progress", "queued", response["status"]]
        if self._has("is done at once"):
            states = []
        if self._has("is never done"):
            states = ["in_progress"] * 1000
        if asked["model"].startswith("nobody"):
            response |= {"status": "failed", "error": {"code": "server_error", "message": "something"}}
            states = ["failed"]
        self._states[response["id"]] = states
        return _unfinished(response, "queued")

    def _keep(self, asked: Document, response: Document, said: list[str]) -> None:
        if asked.get("store", True) or self._has("stores everything"):
            self._stored[response["id"]] = response
            self._said[response["id"]] = [
                *said,
                response["output"][0].get("content", [{"text": ""}])[0]["text"],
            ]

    def _made_response(self, asked: Document, said: list[str]) -> Document:
        words, cut = self._words(said, asked.get("max_output_tokens", 1000))
        text, made = "".join(words), len(words)
        calls = CALL.findall(text) if asked.get("tools") else []
        output: list[Document] = [
            {
                "type": "message",
                "id": self._id("item"),
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ]
        if calls:
            output = [
                {
                    "type": "function_call",
                    "id": self._id("item"),
                    "call_id": self._id("call"),
                    "name": call["name"],
                    "arguments": json.dumps(call["arguments"]),
                    "status": "completed",
                }
                for call in map(json.loads, calls)
            ]
        asked_tokens = len(" ".join(said).split())
        return {
            "id": self._id("resp"),
            "object": "response",
            "created_at": NOW,
            "model": asked["model"],
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": output,
            "error": None,
            "metadata": asked.get("metadata"),
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "tool_choice": "auto",
            "tools": [{"strict": False, **tool} for tool in asked.get("tools") or ()],
            "usage": {
                "input_tokens": asked_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": made,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": asked_tokens + made,
            },
        }


def _unfinished(response: Document, status: str) -> Document:
    """A response as it looks before its end, or without one."""
    none = {"usage": None, "error": None, "incomplete_details": None}
    return {**response, "status": status, "output": [], **none}


def _json(document: Document, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()


def _parsed(body: bytes) -> Document:
    try:
        found: Document = json.loads(body)
    except ValueError:
        raise Refused(400, "invalid_request_error", "no JSON") from None
    return found


def _check_model(asked: Document) -> None:
    if asked["model"].startswith("nobody"):
        raise Refused(404, "not_found_error", f"no model {asked['model']}")


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(block.get("text") or _text_of(block.get("content") or "") for block in content)


def _message_events(message: Document) -> Iterator[Document]:
    usage = message["usage"]
    empty = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**empty, "usage": {**usage, "output_tokens": 1}}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        place = {"index": index}
        if block["type"] == "text":
            pieces = [{"type": "text_delta", "text": word} for word in WORDS.findall(block["text"])]
            start = {**block, "text": ""}
        else:
            joined = json.dumps(block["input"])
            pieces = [{"type": "input_json_delta", "partial_json": part} for part in (joined[:5], joined[5:])]
            start = {**block, "input": {}}
        yield {"type": "content_block_start", **place, "content_block": start}
        for piece in pieces:
            yield {"type": "content_block_delta", **place, "delta": piece}
        yield {"type": "content_block_stop", **place}
    end = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _response_events(response: Document) -> Iterator[Document]:
    for number, event in enumerate(_unnumbered(response)):
        yield {**event, "sequence_number": number}


def _change_ids(events: list[Document]) -> None:
    for number, event in enumerate(events):
        if "item" in event:
            event["item"] = {**event["item"], "id": f"item_{number}"}


def _unnumbered(response: Document) -> Iterator[Document]:
    begun = _unfinished(response, "in_progress")
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "response": begun}
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        added = {**item, **empty, "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": added}
        yield from _text_events(item, place) if item["type"] == "message" else _call_events(item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _text_events(item: Document, place: Document) -> Iterator[Document]:
    place = {**place, "content_index": 0}
    part = item["content"][0]
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for word in WORDS.findall(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _call_events(item: Document, place: Document) -> Iterator[Document]:
    kind, arguments = "response.function_call_arguments", item["arguments"]
    for piece in (arguments[:5], arguments[5:]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    yield {"type": f"{kind}.done", **place, "arguments": arguments, "name": item["name"]}
