"""The OpenAI API: strict contracts for what comes back, and one plain view of an answer.

Source of the contracts: OpenAI's API reference (chat, completions, models, error objects); what mistral.rs
adds is tolerated, what it must have is required. Counts are tokens, `created` is in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from support.http.client import ApiClient
from support.http.exchange import Exchange, strict_json
from support.http.sse import parse_events

DONE = "[DONE]"
CLOCK_SLACK_SECONDS = 300

Count = Annotated[int, Field(ge=0)]
# What mistral.rs may end with beside OpenAI's own reasons is not expected in these requests.
FinishReason = Literal["stop", "length", "tool_calls"]
Message = Mapping[str, Any]


class ContractBroken(AssertionError):
    """An answer that a client could not rely on."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Usage(_Strict):
    """Token counts of one request."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Usage:
        if self.total_tokens != self.prompt_tokens + self.completion_tokens:
            raise ValueError(
                f"total_tokens {self.total_tokens} is not {self.prompt_tokens} + {self.completion_tokens}"
            )
        return self


class _Answer(_Strict):
    id: Annotated[str, Field(min_length=1)]
    created: Count
    model: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _created_now(self) -> _Answer:
        if abs(self.created - time.time()) > CLOCK_SLACK_SECONDS:
            raise ValueError(f"created {self.created} is not the present time in seconds")
        return self


class _ChatMessage(_Strict):
    role: Literal["assistant"]
    content: str | None


class _ChatChoice(_Strict):
    index: Count
    message: _ChatMessage
    finish_reason: FinishReason


class _Chat(_Answer):
    object: Literal["chat.completion"]
    choices: Annotated[list[_ChatChoice], Field(min_length=1)]
    usage: Usage


class _Delta(_Strict):
    role: Literal["assistant"] | None = None
    content: str | None = None


class _ChunkChoice(_Strict):
    index: Count
    delta: _Delta
    finish_reason: FinishReason | None


class _ChatChunk(_Answer):
    object: Literal["chat.completion.chunk"]
    choices: list[_ChunkChoice]
    usage: Usage | None = None


class _TextChoice(_Strict):
    index: Count
    text: str
    finish_reason: FinishReason


class _Text(_Answer):
    object: Literal["text_completion"]
    choices: Annotated[list[_TextChoice], Field(min_length=1)]
    usage: Usage


class _TextChunkChoice(_Strict):
    index: Count
    text: str
    finish_reason: FinishReason | None


class _TextChunk(_Answer):
    object: Literal["text_completion"]
    choices: list[_TextChunkChoice]
    usage: Usage | None = None


class ModelCard(_Strict):
    """One entry of the list of models."""

    id: Annotated[str, Field(min_length=1)]
    object: Literal["model"]
    created: Count
    owned_by: str
    status: str | None = None


class ModelList(_Strict):
    """What `/v1/models` answers."""

    object: Literal["list"]
    data: Annotated[list[ModelCard], Field(min_length=1)]


@dataclass(frozen=True)
class Answer:
    """One answer as a reader sees it, whole or put together from its stream.

    `usage` is None where the protocol sends none; `pieces` are the texts of the stream in order.
    """

    text: str
    finish_reason: str
    model: str
    id: str
    usage: Usage | None
    exchange: Exchange
    pieces: tuple[str, ...] = field(default=())

    @property
    def spent(self) -> Usage:
        """The token counts; `ContractBroken` when the server sent none."""
        if self.usage is None:
            raise ContractBroken(f"no usage in the answer\n{self.exchange.describe()}")
        return self.usage


class OpenAiApi:
    """What a client of the OpenAI API does, on one server. `model` is the name that it asks for."""

    def __init__(self, client: ApiClient, model: str = "default") -> None:
        self.client = client
        self.model = model

    def models(self) -> ModelList:
        """The list of models; raises `ContractBroken`."""
        exchange = self.client.get("/v1/models")
        return _parse(ModelList, _expect(exchange, 200, "application/json"))

    def chat(self, messages: Sequence[Message], *, stream: bool = False, **options: Any) -> Answer:
        """Ask with a conversation. `options` go into the request as they are; temperature is 0."""
        request = {"model": self.model, "messages": list(messages), "temperature": 0, **options}
        if not stream:
            return _whole_chat(self.client.post("/v1/chat/completions", request))
        return _streamed_chat(self.client.post("/v1/chat/completions", {**request, "stream": True}))

    def complete(self, prompt: str, *, stream: bool = False, **options: Any) -> Answer:
        """Continue a text, without any chat template; temperature is 0."""
        request = {"model": self.model, "prompt": prompt, "temperature": 0, **options}
        if not stream:
            return _whole_text(self.client.post("/v1/completions", request))
        return _streamed_text(self.client.post("/v1/completions", {**request, "stream": True}))


def _whole_chat(exchange: Exchange) -> Answer:
    answer = _parse(_Chat, _expect(exchange, 200, "application/json"))
    first = answer.choices[0]
    return _whole(answer, first.message.content or "", first.finish_reason, exchange)


def _whole_text(exchange: Exchange) -> Answer:
    answer = _parse(_Text, _expect(exchange, 200, "application/json"))
    first = answer.choices[0]
    return _whole(answer, first.text, first.finish_reason, exchange)


def _whole(answer: _Chat | _Text, text: str, reason: str, exchange: Exchange) -> Answer:
    return Answer(text, reason, answer.model, answer.id, answer.usage, exchange)


def _streamed_chat(exchange: Exchange) -> Answer:
    chunks = [_parse_data(_ChatChunk, data, exchange) for data in _stream_data(exchange)]
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return _put_together(
        chunks,
        [choice.delta.content or "" for choice in choices],
        [choice.finish_reason for choice in choices],
        exchange,
    )


def _streamed_text(exchange: Exchange) -> Answer:
    chunks = [_parse_data(_TextChunk, data, exchange) for data in _stream_data(exchange)]
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return _put_together(
        chunks, [choice.text for choice in choices], [choice.finish_reason for choice in choices], exchange
    )


def _stream_data(exchange: Exchange) -> list[str]:
    """The data of all events before the closing mark, which must be there once and last."""
    _expect(exchange, 200, "text/event-stream")
    data = [event.data for event in parse_events(exchange.body)]
    if not data or data[-1] != DONE or data.count(DONE) != 1:
        raise ContractBroken(
            f"a stream ends with exactly one {DONE}; its last events: {data[-3:]}\n{exchange.describe()}"
        )
    return data[:-1]


def _put_together(
    chunks: Sequence[_ChatChunk] | Sequence[_TextChunk],
    pieces: list[str],
    reasons: list[FinishReason | None],
    exchange: Exchange,
) -> Answer:
    given = [reason for reason in reasons if reason is not None]
    if len(given) != 1 or reasons[-1] is None:
        raise ContractBroken(
            f"a stream gives one finish reason, in its last chunk; it gave {reasons}\n{exchange.describe()}"
        )
    for what in ("id", "model"):
        values = {getattr(chunk, what) for chunk in chunks}
        if len(values) != 1:
            raise ContractBroken(f"{what} changes within a stream: {sorted(values)}\n{exchange.describe()}")
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    return Answer(
        text="".join(pieces),
        finish_reason=given[0],
        model=chunks[0].model,
        id=chunks[0].id,
        usage=usages[-1] if usages else None,
        exchange=exchange,
        pieces=tuple(piece for piece in pieces if piece),
    )


_M = TypeVar("_M", bound=BaseModel)


def _expect(exchange: Exchange, status: int, content_type: str) -> Exchange:
    if exchange.status != status or exchange.content_type != content_type:
        raise ContractBroken(
            f"{exchange.method} {exchange.url}: expected {status} {content_type}, "
            f"got {exchange.status} {exchange.content_type or '(no content type)'}\n{exchange.describe()}"
        )
    return exchange


def _parse(model: type[_M], exchange: Exchange) -> _M:
    return _validated(model, exchange.json(), exchange)


def _parse_data(model: type[_M], data: str, exchange: Exchange) -> _M:
    return _validated(model, strict_json(data.encode(), f"event of {exchange.url}"), exchange)


def _validated(model: type[_M], document: Any, exchange: Exchange) -> _M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise ContractBroken(f"contract broken: {faults}\n{exchange.describe()}") from None
