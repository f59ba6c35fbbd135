"""Request bodies of the OpenAI API with the extensions of mistral.rs.

Unknown fields are ignored, as the binary ignores them. Types are strict: `"5"` is not a number.
"""

from __future__ import annotations

import json
from typing import Any

from support.bundled.reference_server.engine import Call, Message
from support.bundled.reference_server.json_fields import (
    Json,
    JsonObject,
    Reader,
    anything,
    flag,
    list_of,
    number,
    object_of,
    one_of,
    optional,
    table,
    table_of,
    text,
    text_or,
    unsigned,
)

# As large as the engine's own type for counts (usize).
_count = unsigned(64)
_token_id = unsigned(32)
_GRAMMAR = object_of(
    {"type": one_of("regex", "lark", "json_schema", "llguidance"), "value": anything}, ("type", "value")
)
_JSON_SCHEMA = object_of({"name": text, "schema": anything}, ("name", "schema"))
_RESPONSE_FORMAT = object_of(
    {"type": one_of("text", "json_object", "json_schema"), "json_schema": optional(_JSON_SCHEMA)}, ("type",)
)
_PART = object_of({"type": text, "text": optional(text)}, ("type",))
_CALL = object_of(
    {
        "id": optional(text),
        "type": text,
        "function": object_of({"name": text, "arguments": text}, ("name", "arguments")),
    },
    ("type", "function"),
)
_MESSAGE = object_of(
    {
        "role": text,
        "content": optional(text_or(list_of(_PART))),
        "tool_calls": optional(list_of(_CALL)),
        "tool_call_id": optional(text),
    },
    ("role",),
)
# Names that the engine's own request has, too.
_UNCHANGED: dict[str, Reader] = {
    "temperature": optional(number),
    "top_p": optional(number),
    "top_k": optional(_count),
    "min_p": optional(number),
    "presence_penalty": optional(number),
    "frequency_penalty": optional(number),
    "repetition_penalty": optional(number),
    "dry_multiplier": optional(number),
    "dry_base": optional(number),
    "dry_allowed_length": optional(_count),
    "dry_sequence_breakers": optional(list_of(text)),
    "truncate_sequence": optional(flag),
    "ignore_eos": optional(flag),
}


def _stop(value: object, field: str) -> Json:
    return [value] if isinstance(value, str) else list_of(text)(value, field)


_SHARED: dict[str, Reader] = {
    "model": optional(text),
    "stream": optional(flag),
    "n": optional(_count),
    "max_tokens": optional(_count),
    "max_completion_tokens": optional(_count),
    "stop": optional(_stop),
    "logit_bias": optional(table_of(number)),
    "grammar": optional(_GRAMMAR),
    "response_format": optional(_RESPONSE_FORMAT),
    "tools": optional(list_of(table)),
    "tool_choice": anything,
    **_UNCHANGED,
}
_CHAT = object_of(
    {
        **_SHARED,
        "messages": text_or(list_of(_MESSAGE)),
        "logprobs": optional(flag),
        "top_logprobs": optional(_count),
        "enable_thinking": optional(flag),
        "reasoning_effort": optional(text),
    },
    ("messages",),
)
_COMPLETION = object_of(
    {
        **_SHARED,
        "prompt": text,
        "logprobs": optional(_count),
        "echo": optional(flag),
        "best_of": optional(_count),
        "suffix": optional(text),
    },
    ("prompt",),
)


def _inputs(value: object, field: str) -> Json:
    """A text, texts, token ids, or lists of token ids."""
    if not isinstance(value, list):
        return text(value, field)
    first = value[0] if value else ""
    if isinstance(first, str):
        return list_of(text)(value, field)
    return list_of(list_of(_token_id) if isinstance(first, list) else _token_id)(value, field)


_EMBEDDING = object_of(
    {
        "input": _inputs,
        "model": optional(text),
        "encoding_format": optional(one_of("float", "base64")),
        "dimensions": optional(_count),
    },
    ("input",),
)


class InvalidRequest(Exception):
    """The body is well-formed, but requests something impossible; `param` is the field."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class _Generation:
    """What `/v1/chat/completions` and `/v1/completions` share."""

    def __init__(self, fields: JsonObject) -> None:
        self._fields = fields
        self.model: str = "default" if fields["model"] is None else fields["model"]
        self.stream: bool = bool(fields["stream"])
        self._choices: int = 1 if fields["n"] is None else fields["n"]

    def _call(self, prompt: list[Message] | str, extra: JsonObject) -> Call:
        given = {name: value for name, value in extra.items() if value is not None}
        # The engine's streams do neither: several choices that all end, and tool calls.
        whole = not self.stream and (self._choices > 1 or bool(self._fields["tools"]))
        return Call(prompt, {**self._parameters(), **given}, non_streaming=whole)

    def _parameters(self) -> JsonObject:
        """Keyword arguments for the engine. Raises `InvalidRequest`."""
        fields = self._fields
        limit = fields["max_completion_tokens"] if fields["max_tokens"] is None else fields["max_tokens"]
        if limit == 0:
            raise InvalidRequest("max_tokens must be at least 1.", "max_tokens")
        kind, grammar = self._constraint()
        values = {
            "n_choices": self._choices,
            "max_tokens": limit,
            "stop_seqs": fields["stop"],
            "grammar": grammar,
            "grammar_type": kind,
            "logit_bias": self._biases(),
            **self._tools(),
            **{name: fields[name] for name in _UNCHANGED},
        }
        return {name: value for name, value in values.items() if value is not None}

    def _constraint(self) -> tuple[str | None, str | None]:
        form, grammar = self._fields["response_format"], self._fields["grammar"]
        if form is not None and form["type"] != "text":
            if grammar is not None:
                raise InvalidRequest("`grammar` and `response_format` are mutually exclusive.", "grammar")
            if form["type"] == "json_schema" and form["json_schema"] is None:
                raise InvalidRequest("missing field `json_schema`", "response_format")
            schema = form["json_schema"]["schema"] if form["json_schema"] else {"type": "object"}
            return "json_schema", json.dumps(schema)
        if grammar is None:
            return None, None
        value = grammar["value"]
        return grammar["type"], value if isinstance(value, str) else json.dumps(value)

    def _biases(self) -> dict[int, float] | None:
        try:
            return {int(token): bias for token, bias in (self._fields["logit_bias"] or {}).items()} or None
        except ValueError:
            raise InvalidRequest("the keys of `logit_bias` are token ids", "logit_bias") from None

    def _tools(self) -> JsonObject:
        from mistralrs import ToolChoice

        choice, tools = self._fields["tool_choice"], self._fields["tools"]
        if choice not in (None, "auto", "none"):
            raise InvalidRequest(
                "The engine's Python package supports `auto` and `none` as `tool_choice`, no other.",
                "tool_choice",
            )
        choices: dict[str | None, Any] = {"auto": ToolChoice.Auto, "none": ToolChoice.NoTools}
        schemas = [json.dumps(tool) for tool in tools] if tools else None
        return {"tool_schemas": schemas, "tool_choice": choices.get(choice)}


class ChatRequest(_Generation):
    """`POST /v1/chat/completions`."""

    def __init__(self, body: object) -> None:
        """Raises `FieldError`."""
        super().__init__(_CHAT(body, ""))

    def call(self) -> Call:
        """The request in the engine's form. Raises `InvalidRequest`."""
        messages = self._fields["messages"]
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        extra = ("logprobs", "top_logprobs", "enable_thinking", "reasoning_effort")
        return self._call(
            [_to_message(message) for message in messages], {name: self._fields[name] for name in extra}
        )


def _to_message(fields: JsonObject) -> Message:
    """Role, text, and what belongs to tools. Raises `InvalidRequest`."""
    content, calls, answered = fields["content"], fields.get("tool_calls"), fields.get("tool_call_id")
    if content is None and not calls:
        raise InvalidRequest("No content was provided, expected tool calls to be provided.", "messages")
    message: Message = {"role": fields["role"], "content": _plain_text(content)}
    if calls:
        message["tool_calls"] = [
            {name: value for name, value in call.items() if value is not None} for call in calls
        ]
    if answered is not None:
        message["tool_call_id"] = answered
    return message


def _plain_text(content: Json) -> str:
    if not isinstance(content, list):
        return content or ""
    if any(part["type"] != "text" for part in content):
        raise InvalidRequest("The reference server takes text content only.", "messages")
    return "".join(part["text"] or "" for part in content)


class CompletionRequest(_Generation):
    """`POST /v1/completions`."""

    def __init__(self, body: object) -> None:
        """Raises `FieldError`."""
        super().__init__(_COMPLETION(body, ""))
        self.prompt: str = self._fields["prompt"]
        self.echo: bool = bool(self._fields["echo"])

    def call(self) -> Call:
        """The request in the engine's form. Raises `InvalidRequest`."""
        if self._fields["best_of"] not in (None, self._choices):
            raise InvalidRequest(
                "The reference server has no `best_of`: it streams from the engine.", "best_of"
            )
        if self._fields["suffix"]:
            raise InvalidRequest("The reference server has no `suffix`.", "suffix")
        count = self._fields["logprobs"]
        return self._call(self.prompt, {} if count is None else {"logprobs": True, "top_logprobs": count})


class EmbeddingRequest:
    """`POST /v1/embeddings`."""

    def __init__(self, body: object) -> None:
        """Raises `FieldError`."""
        fields = _EMBEDDING(body, "")
        self.model: str = "default" if fields["model"] is None else fields["model"]
        self.encoding_format: str = fields["encoding_format"] or "float"
        self._input = fields["input"]
        self._dimensions: int | None = fields["dimensions"]

    def inputs(self) -> list[Json]:
        """One entry for each vector: a text, or a list of token ids. Raises `InvalidRequest`."""
        if self._dimensions is not None:
            raise InvalidRequest(
                f"Custom embedding dimensions ({self._dimensions}) are not supported.", "dimensions"
            )
        if isinstance(self._input, str):
            return [self._input]
        if not self._input:
            raise InvalidRequest("input must contain at least one entry.", "input")
        if [] in self._input:
            raise InvalidRequest("Received an empty prompt.", "input")
        if isinstance(self._input[0], int):
            return [self._input]
        return list(self._input)
