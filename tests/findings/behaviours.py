"""Servers that behave as a real one with the defect, or as one without: what a recording cannot repeat."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.findings.corrected import chat, chunk, error
from tests.findings.fake_server import Answer, Request, Response, as_json, stream

EVENTS = 24


class Behaviour(NamedTuple):
    """A server with the defect or without it, and constants of the script that a test makes smaller."""

    server: Callable[..., Answer]
    constants: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _cached_prompts(*, defect: bool) -> Answer:
    def answer(request: Request) -> Response:
        if not request.fields:
            return error(422)
        lost = defect and "harbour" in str(request.fields)
        return as_json({"message": "No response received from the model."}, 500) if lost else chat()

    return answer


def _prefix_cache(*, defect: bool) -> Answer:
    kept: list[bytes] = []

    def answer(_request: Request) -> Response:
        if defect:
            kept.append(b"x" * (1 << 19))
        return chat()

    return answer


def _disconnects(*, defect: bool) -> Answer:
    streams = itertools.count()
    whole = stream(chunk(), chunk(finish_reason="stop"), "[DONE]")

    def answer(request: Request) -> Response:
        if not request.fields.get("stream"):
            return chat()
        aborted = defect and next(streams) > 0
        return stream(chunk(), chunk())._replace(whole=False) if aborted else whole

    return answer


def _generation(*, defect: bool) -> Answer:
    """Tokens when the script looks: for the metric, at the start, at the disconnect, and twice after it."""
    tokens = itertools.chain([0, 0, 50, 60], itertools.repeat(90 if defect else 60))

    def answer(request: Request) -> Response:
        if request.path != "/metrics":
            return chat()
        return Response(
            200, f'mistralrs_tokens_processed_total{{kind="completion"}} {next(tokens)}\n'.encode()
        )

    return answer


def _delayed_events(*, defect: bool) -> Answer:
    """The system itself holds small pieces back: Nagle's algorithm is on unless it is switched off."""
    events = [stream(chunk()).body] * EVENTS

    def answer(request: Request) -> Response:
        if not request.fields:
            return error(422)
        kind = {"content-type": "text/event-stream"}
        return Response(200, b"", kind, [*events, stream("[DONE]").body], at_once=not defect)

    return answer


def _long_word(*, defect: bool) -> Answer:
    ended: list[bool] = []

    def answer(request: Request) -> Response:
        if defect and len(request.body) > 100_000:
            ended.append(True)
        return Response(0) if ended else as_json({"response": "a"})

    return answer


def _messages(*, defect: bool) -> Answer:
    """0.9.2 as docs/findings.md describes it: there was none to record here."""

    def rejected(kind: str, status: int) -> Response:
        return as_json({"type": "error", "error": {"type": kind, "message": "wrong"}}, status)

    def answer(request: Request) -> Response:
        fields = request.fields
        messages = fields.get("messages")
        text = {
            "content": [{"type": "text", "text": "one, two, three, four, five"}],
            "stop_reason": "end_turn",
        }
        if fields.get("model") == "nobody/knows-this":
            return rejected("invalid_request_error", 400) if defect else rejected("not_found_error", 404)
        if messages is None or fields.get("max_tokens", 1) < 1:
            return (
                Response(422, b"missing field", {"content-type": "text/plain"})
                if defect
                else rejected("a", 400)
            )
        if not defect and ("max_tokens" not in fields or not messages or messages[0]["role"] == "robot"):
            return rejected("invalid_request_error", 400)
        if fields.get("stream"):
            return stream(
                {"type": "message_start", "message": {"usage": {"input_tokens": 0 if defect else 12}}}
            )
        stopped = fields.get("stop_sequences") and not defect
        return as_json(text | ({"stop_reason": "stop_sequence", "stop_sequence": "four,"} if stopped else {}))

    return answer


BEHAVIOURS: dict[str, Behaviour] = {
    "cached_prompts": Behaviour(_cached_prompts),
    "delayed_events": Behaviour(_delayed_events),
    "disconnect_aborts_others": Behaviour(_disconnects),
    "generation_after_disconnect": Behaviour(
        _generation, {"STARTED": 0.01, "SETTLED": 0.01, "OBSERVED": 0.01}
    ),
    "messages_api": Behaviour(_messages),
    "ollama_long_word": Behaviour(_long_word),
    "prefix_cache_memory": Behaviour(_prefix_cache, {"FILLED": 5, "MEASURED": 60}),
}
