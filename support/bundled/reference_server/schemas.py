"""What the server takes: request bodies of the OpenAI API with the extensions of mistral.rs (mistralrs.md 5).

Unknown fields are ignored, as the server ignores them. Types are strict: `"5"` is no number.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from support.bundled.reference_server.engine import Call, Message

# As large as the engine's own type for counts (usize).
Count = Annotated[int, Field(ge=0, lt=2**64)]


TokenId = Annotated[int, Field(ge=0, lt=2**32)]


class InvalidRequest(Exception):
    """The body is well-formed, but asks for something impossible; `param` is the field."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class StrictModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)


class Grammar(StrictModel):
    type: Literal["regex", "lark", "json_schema", "llguidance"]
    value: Any


class JsonSchema(StrictModel):
    name: str
    schema_: Any = Field(alias="schema")


class ResponseFormat(StrictModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Part(StrictModel):
    type: str
    text: str | None = None


class ChatMessage(StrictModel):
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    def to_message(self) -> Message:
        """Role, text, and what belongs to tools. Raises `InvalidRequest`."""
        if self.content is None and not self.tool_calls:
            raise InvalidRequest("No content was provided, expected tool calls to be provided.", "messages")
        message: Message = {"role": self.role, "content": self._text()}
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message

    def _text(self) -> str:
        if isinstance(self.content, list):
            if any(part.type != "text" for part in self.content):
                raise InvalidRequest("The reference stack takes text content only.", "messages")
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Sampling(StrictModel):
    """The fields that `/v1/chat/completions` and `/v1/completions` share."""

    model: str = "default"
    stream: bool = False
    n: Count = 1
    max_tokens: Count | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens")
    )
    stop: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: Count | None = None
    dry_sequence_breakers: list[str] | None = None
    logit_bias: dict[str, float] | None = None
    grammar: Grammar | None = None
    response_format: ResponseFormat | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    truncate_sequence: bool | None = None
    ignore_eos: bool | None = None

    @property
    def is_non_streaming(self) -> bool:
        """What the engine's streams cannot do: several choices that all end, and tool calls."""
        return not self.stream and (self.n > 1 or bool(self.tools))

    def parameters(self) -> dict[str, Any]:
        """Keyword arguments for the engine. Raises `InvalidRequest`."""
        if self.max_tokens == 0:
            raise InvalidRequest("max_tokens must be at least 1.", "max_tokens")
        kind, text = self._constraint()
        values = {
            "n_choices": self.n,
            "max_tokens": self.max_tokens,
            "stop_seqs": self.stop,
            "grammar": text,
            "grammar_type": kind,
            "logit_bias": self._biases(),
            "truncate_sequence": self.truncate_sequence,
            "ignore_eos": self.ignore_eos,
            **self._tools(),
            **{name: getattr(self, name) for name in _UNCHANGED_FIELDS},
        }
        return {name: value for name, value in values.items() if value is not None}

    def _constraint(self) -> tuple[str | None, str | None]:
        form = self.response_format
        if form is not None and form.type != "text":
            if self.grammar is not None:
                raise InvalidRequest("`grammar` and `response_format` are mutually exclusive.", "grammar")
            if form.type == "json_schema" and form.json_schema is None:
                raise InvalidRequest("missing field `json_schema`", "response_format")
            schema = form.json_schema.schema_ if form.json_schema else {"type": "object"}
            return "json_schema", json.dumps(schema)
        if self.grammar is None:
            return None, None
        value = self.grammar.value
        return self.grammar.type, value if isinstance(value, str) else json.dumps(value)

    def _biases(self) -> dict[int, float] | None:
        try:
            return {int(token): bias for token, bias in (self.logit_bias or {}).items()} or None
        except ValueError:
            raise InvalidRequest("the keys of `logit_bias` are token ids", "logit_bias") from None

    def _tools(self) -> dict[str, Any]:
        from mistralrs import ToolChoice

        if self.tool_choice not in (None, "auto", "none"):
            raise InvalidRequest(
                "The engine's Python package knows `auto` and `none` as `tool_choice`, no other.",
                "tool_choice",
            )
        choices: dict[str | None, Any] = {"auto": ToolChoice.Auto, "none": ToolChoice.NoTools}
        schemas = [json.dumps(tool) for tool in self.tools] if self.tools else None
        return {"tool_schemas": schemas, "tool_choice": choices.get(self.tool_choice)}


_UNCHANGED_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_sequence_breakers",
)


class ChatRequest(Sampling):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage] | str
    logprobs: bool | None = None
    top_logprobs: Count | None = None
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None

    def call(self) -> Call:
        """The engine's form of it. Raises `InvalidRequest`."""
        messages = (
            [{"role": "user", "content": self.messages}]
            if isinstance(self.messages, str)
            else [message.to_message() for message in self.messages]
        )
        extra = {
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
            "enable_thinking": self.enable_thinking,
            "reasoning_effort": self.reasoning_effort,
        }
        given = {name: value for name, value in extra.items() if value is not None}
        return Call(messages, {**self.parameters(), **given}, non_streaming=self.is_non_streaming)


class CompletionRequest(Sampling):
    """`POST /v1/completions`."""

    prompt: str
    logprobs: Count | None = None
    echo: bool | None = None
    best_of: Count | None = None
    suffix: str | None = None

    def call(self) -> Call:
        """The engine's form of it. Raises `InvalidRequest`."""
        if self.best_of not in (None, self.n):
            raise InvalidRequest("The reference stack has no `best_of`: its answers are streams.", "best_of")
        if self.suffix:
            raise InvalidRequest("The reference stack has no `suffix`.", "suffix")
        logprobs = {} if self.logprobs is None else {"logprobs": True, "top_logprobs": self.logprobs}
        return Call(self.prompt, {**self.parameters(), **logprobs}, non_streaming=self.is_non_streaming)


class EmbeddingRequest(StrictModel):
    """`POST /v1/embeddings`."""

    input: str | list[str] | list[TokenId] | list[list[TokenId]]
    model: str = "default"
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None

    def inputs(self) -> list[Any]:
        """One entry for each vector: a text, or a list of token ids. Raises `InvalidRequest`."""
        if self.dimensions is not None:
            raise InvalidRequest(
                f"Custom embedding dimensions ({self.dimensions}) are not supported.", "dimensions"
            )
        if isinstance(self.input, str):
            return [self.input]
        if not self.input:
            raise InvalidRequest("input must contain at least one entry.", "input")
        if [] in self.input:
            raise InvalidRequest("Received an empty prompt.", "input")
        if isinstance(self.input[0], int):
            return [self.input]
        return list(self.input)
