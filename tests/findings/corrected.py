"""What a server without the defect answers where the recorded one is wrong."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

from tests.findings.fake_server import Answer, Request, Response, as_json, recorded, stream

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
COMET = "The comet comes back every seventy-six years."
# The right response to a request, or None where the recorded one is right.
Correction = Callable[[Request], Response | None]


def error(status: int = 400, message: str = "wrong") -> Response:
    return as_json(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}, status
    )


def chat(text: str = COMET, **fields: Any) -> Response:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | fields
    return as_json({"id": "1", "choices": [choice], "usage": {"completion_tokens": 10}})


def chunk(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "choices": [{"index": index, "delta": {"content": "a"}, "finish_reason": None} | fields],
    }


def is_usual(request: Request) -> bool:
    """What a script sends to see that the server serves anything."""
    return "harbour" in str(request.fields) or request.fields.get("n") == 1


def rejects(request: Request) -> Response | None:
    """Whatever was sent on purpose; an empty object only asks for the route."""
    if is_usual(request):
        return chat()
    return error() if request.method == "POST" and request.fields else None


def _openai_errors(request: Request) -> Response | None:
    if request.method == "GET" or (request.body == b"{}" and request.path == CHAT):
        return None
    if is_usual(request):
        return chat()
    return error(404 if request.path != CHAT or "nobody/knows-this" in str(request.fields) else 400)


def _several_choices(request: Request) -> Response | None:
    if "best_of" in request.fields:
        return error()
    if request.fields.get("stream"):
        return stream(chunk(), chunk(1), *(chunk(index, finish_reason="stop") for index in (0, 1)), "[DONE]")
    count = request.fields.get("n", 1)
    return as_json({"usage": {"completion_tokens": 10 * count}}) if request.fields else None


def _prompt_lists(request: Request) -> Response | None:
    prompt = request.fields.get("prompt", "")
    texts = isinstance(prompt, list) and all(isinstance(one, str) for one in prompt)
    return as_json({"choices": [{"text": "a"}] * (len(prompt) if texts else 1)}) if prompt else None


def _stop_sequences(request: Request) -> Response | None:
    text = {
        "ee, fou": "one, two, thr",
        "twel": "one, two, three, four, five, six, seven, eight, nine, ten, eleven, ",
    }
    stop = request.fields.get("stop")
    if not stop:
        return None
    if request.fields.get("stream"):
        return stream(chunk(delta={"content": text[stop]}), "[DONE]")
    return chat(text[stop])


def _embeddings(request: Request) -> Response | None:
    if request.fields.get("model") == "nobody-knows-this":
        return error(404)
    texts = request.fields.get("input")
    if texts is None:
        return None
    return as_json({"data": [{"embedding": [0.5]}]}) if texts in ("a", "Tell me about the comet") else error()


def _sampling(request: Request) -> Response | None:
    fields = request.fields
    if "repetition_penalty" in fields:
        return error()
    return (
        chat("amber." * 24) if {"seed", "min_p"} & fields.keys() or fields.get("temperature") == 0 else None
    )


def _logprobs(request: Request) -> Response | None:
    if not request.fields:
        return None
    wanted = request.fields.get("top_logprobs", 0)
    alternatives = [{"token": "a", "logprob": -0.5, "bytes": [97]}] * wanted
    found = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": alternatives}]}
    return stream(chunk(logprobs=found), "[DONE]") if request.fields.get("stream") else chat(logprobs=found)


def _single_model(request: Request) -> Response | None:
    name = request.path.removeprefix("/v1/models/")
    return as_json({"id": urllib.parse.unquote(name)}) if name != request.path else None


def _stream_chunks(request: Request) -> Response | None:
    if not request.fields:
        return None
    counts = {"id": "1", "choices": [], "usage": {"completion_tokens": 2}}
    first = chunk(delta={"role": "assistant", "content": ""})
    return stream(first, chunk(), *([counts] if "stream_options" in request.fields else []), "[DONE]")


def _tool_calls(request: Request) -> Response | None:
    if "tools" not in request.fields:
        return None
    names = ["get_weather", "buy_ticket"][: len(request.fields["tools"])]
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names
    ]
    return chat(message={"role": "assistant", "tool_calls": calls}, finish_reason="tool_calls")


def _client_requests(request: Request) -> Response | None:
    if request.method == "OPTIONS":
        return Response(200, b"", {"access-control-allow-headers": "*"})
    return chat() if request.fields else None


def _responses(request: Request) -> Response | None:
    fields = request.fields
    if request.method == "GET" and request.path.startswith(RESPONSES):
        return as_json({"id": "resp_1", "status": "cancelled"})
    if request.path.endswith("/cancel"):
        return as_json({"id": "resp_1", "status": "cancelled"})
    if fields.get("previous_response_id") == "resp_nobody":
        return error(404)
    if fields.get("stream"):
        item = {"id": "msg_1"}
        done = {"type": "response.completed", "response": {"id": "resp_1", "output": [item]}}
        added = {"type": "response.output_item.added", "item": item}
        return stream({"type": "response.created", "response": {"id": "resp_1"}}, added, done)
    status = "incomplete" if fields.get("max_output_tokens") == 3 else "completed"
    text = "Arr" if "instructions" in fields else COMET
    return (
        as_json({"id": "resp_1", "status": status, "output": [{"content": [{"text": text}]}]})
        if fields
        else None
    )


def _ollama_repeats(request: Request) -> Response | None:
    options = request.fields.get("options")
    whole = as_json({"response": "a", "done": True, "done_reason": "length"})
    return None if options is None else whole if options["repeat_penalty"] else error()


def _ollama_copies(request: Request) -> Response | None:
    listed = [{"name": "default:latest"}, {"name": "finding-copy:latest"}]
    return as_json({"models": listed}) if request.path == "/api/ps" else None


def _mixed_answers(request: Request) -> Response | None:
    return chat(request.fields["messages"][0]["content"]) if request.fields else None


CORRECTED: dict[str, Correction] = {
    "client_errors_as_500": rejects,
    "client_requests": _client_requests,
    "content_parts": lambda request: chat() if request.fields else None,
    "embeddings": _embeddings,
    "grammar_end": lambda request: chat("red") if request.fields else None,
    "json_object": lambda request: chat("{}") if request.fields else None,
    "logit_bias": lambda request: chat("seven") if "logit_bias" in request.fields else None,
    "logprobs": _logprobs,
    "mixed_answers": _mixed_answers,
    "ollama_copies": _ollama_copies,
    "ollama_errors": rejects,
    "ollama_repeats": _ollama_repeats,
    "openai_errors": _openai_errors,
    "prompt_lists": _prompt_lists,
    "rejected_stream": rejects,
    "responses_api": _responses,
    "sampling": _sampling,
    "several_choices": _several_choices,
    "single_model": _single_model,
    "stop_sequences": _stop_sequences,
    "stream_chunks": _stream_chunks,
    "tool_calls": _tool_calls,
    "unlimited_choices": rejects,
    "unload": lambda request: as_json({"status": "unloaded"}) if request.fields else None,
    "values_out_of_range": rejects,
}


def corrected(name: str) -> Answer:
    """The recorded server without the defect."""
    as_recorded = recorded(name)

    def answer(request: Request) -> Response:
        found = as_recorded(request)
        return CORRECTED[name](request) or found

    return answer
