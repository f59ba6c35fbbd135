"""Ollama's requests as requests of an OpenAI-compatible server, mistral.rs' extensions included."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.json_types import Json, JsonMapping, JsonObject
from support.bundled.ollama_gateway.ollama_requests import AnswerRequest, GenerateRequest, Message
from support.bundled.ollama_gateway.sampling_options import sampling

CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"
_IMAGE_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
# Left to itself a model may fill an answer with white space, which JSON allows without end: one layout, that
# of most texts that models learn from.
FIXED_WHITESPACE: JsonMapping = {
    "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
}
# Ollama answers JSON mode with an object.
ANY_OBJECT: JsonMapping = {"type": "object", **FIXED_WHITESPACE}
# Where a schema holds other schemas (JSON Schema 2020-12): in a table of them, in a list, or as the value.
_TABLES = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE = ("items", "not", "additionalProperties")

Conversation = list[JsonObject]


def chat(
    request: AnswerRequest, model_id: str, conversation: Conversation, *, is_mistralrs: bool
) -> JsonObject:
    """The target's chat request. Raises `ApiError` for options and formats that Ollama rejects too."""
    body: JsonObject = {**_common(request, model_id), "messages": conversation}
    if request.truncate is not False:
        # Ollama truncates a prompt that is too long, unless `truncate` is false.
        body["truncate_sequence"] = True
    if request.think is not None:
        body["enable_thinking"] = bool(request.think)
        if isinstance(request.think, str):
            body["reasoning_effort"] = request.think
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs or None}
    tools = getattr(request, "tools", ())
    if tools:
        body["tools"] = list(tools)
    return body | _format(request.format, is_mistralrs=is_mistralrs)


def raw(request: GenerateRequest, model_id: str, *, is_mistralrs: bool) -> JsonObject:
    """A prompt that no template is applied to."""
    body = {**_common(request, model_id), "prompt": request.prompt}
    if request.logprobs:
        body["logprobs"] = max(request.top_logprobs, 1)
    return body | _format(request.format, is_mistralrs=is_mistralrs)


def _common(request: AnswerRequest, model_id: str) -> JsonObject:
    return {
        "model": model_id,
        "stream": True,
        "stream_options": {"include_usage": True},
        **sampling(request.options),
    }


def has_format(value: object) -> bool:
    """Whether `format` is set; null, "" and an absent one are the same for Ollama."""
    return value is not None and value != ""


def _format(value: object, *, is_mistralrs: bool) -> JsonObject:
    if not has_format(value):
        return {}
    if isinstance(value, dict):
        schema = forbid_extra_properties(value)
    elif value == "json":
        schema = dict(ANY_OBJECT)
    else:
        raise ApiError(
            500,
            f'invalid format: {json.dumps(json.dumps(value))}; expected "json" or a valid JSON Schema object',
        )
    if is_mistralrs:
        # 0.8.1 does not support `json_object`; the grammar extension is in all versions.
        return {"grammar": {"type": "json_schema", "value": {**FIXED_WHITESPACE, **schema}}}
    if value == "json":
        return {"response_format": {"type": "json_object"}}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def forbid_extra_properties(schema: object, *, inside_all_of: bool = False) -> Json:
    """The schema without additional properties in its objects, unless it allows them itself.

    llama.cpp, and so Ollama, reads schemas that way; JSON Schema allows any others.
    """
    if not isinstance(schema, dict):
        return schema
    read = dict(schema)
    for name in _TABLES:
        if isinstance(read.get(name), dict):
            read[name] = {key: forbid_extra_properties(value) for key, value in read[name].items()}
    for name in _LISTS:
        if isinstance(read.get(name), list):
            read[name] = [
                forbid_extra_properties(value, inside_all_of=name == "allOf") for value in read[name]
            ]
    for name in _SINGLE:
        if name in read:
            read[name] = forbid_extra_properties(read[name])
    # The parts of an `allOf` would close each other out.
    if isinstance(read.get("properties"), dict) and "allOf" not in read and not inside_all_of:
        read.setdefault("additionalProperties", False)
    return read


def conversation_of(messages: Iterable[Message]) -> Conversation:
    """Ollama's turns as OpenAI's. Tool calls get the ids that OpenAI wants and Ollama leaves out."""
    turns: Conversation = []
    open_calls: list[str] = []
    for message in messages:
        turn: JsonObject = {
            "role": message.role.lower(),
            "content": _content(message.content, message.images),
        }
        if message.tool_calls:
            calls = [
                {
                    "id": call.id or f"call_{len(turns)}_{number}",
                    "type": "function",
                    "function": {
                        "name": call.function.name if call.function else "",
                        "arguments": json.dumps((call.function.arguments if call.function else None) or {}),
                    },
                }
                for number, call in enumerate(message.tool_calls)
            ]
            turn["tool_calls"] = calls
            open_calls = [str(call["id"]) for call in calls]
        if turn["role"] == "tool":
            answered = message.tool_call_id or (open_calls[0] if open_calls else "")
            open_calls = [each for each in open_calls if each != answered]
            turn["tool_call_id"] = answered
            if message.tool_name:
                turn["name"] = message.tool_name
        turns.append(turn)
    return turns


def prompt_of(request: GenerateRequest, history: Conversation) -> Conversation:
    """The conversation of a generate request: what was before, the system text, the prompt."""
    system = [{"role": "system", "content": request.system}] if request.system else []
    return [*system, *history, {"role": "user", "content": _content(request.prompt, request.images)}]


def _content(text: str, images: Sequence[bytes]) -> Json:
    if not images:
        return text
    parts: list[JsonObject] = [
        {"type": "image_url", "image_url": {"url": _data_url(image)}} for image in images
    ]
    return [*parts, {"type": "text", "text": text}]


def _data_url(image: bytes) -> str:
    kind = next((kind for magic, kind in _IMAGE_KINDS if image.startswith(magic)), None)
    if kind is None:
        raise ApiError(400, "an image is none of PNG, JPEG, GIF, WebP")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def encode_context(conversation: Conversation) -> list[int]:
    """`context`: the conversation so far, for the next request.

    The API calls it "an encoding of the conversation". Ollama's are tokens; a gateway has no tokenizer, so
    these are the bytes of its JSON. They mean nothing to another server, as tokens to another model.
    """
    return list(json.dumps(conversation, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def decode_context(context: Sequence[int] | None) -> Conversation:
    """The conversation in a `context`. Raises `ApiError` 400 for one that `encode_context` did not make."""
    if not context:
        return []
    try:
        turns = json.loads(bytes(context))
        if all(isinstance(turn, dict) and isinstance(turn.get("role"), str) for turn in turns):
            return list(turns)
    except (ValueError, TypeError):
        pass
    raise ApiError(400, "this context was not made by this gateway")


def check_supported(request: GenerateRequest) -> None:
    """Raises `ApiError` 400: for fields that exclude each other, as Ollama does, and for a template."""
    if request.raw and (request.template or request.system or request.context):
        raise ApiError(400, "raw mode does not support template, system, or context")
    if request.template:
        raise ApiError(400, "a template in a request is not supported by this gateway")
