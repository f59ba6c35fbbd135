"""Contracts of the Ollama API (Ollama's docs/api.md and docs/api/*.mdx; field names as in api/types.go).

Ollama's Python package takes `{}` for an answer, numbers in quotes and times such as "yesterday", and drops
what it does not know. In strict mode it still requires next to nothing; the models here close that.
Durations are nanoseconds, sizes bytes, counts tokens; Go leaves out what is zero.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal

from openai.types import Model as OpenAiModel
from pydantic import AfterValidator, Field

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.contract import (
    CLOCK_SLACK_SECONDS,
    BrokenAt,
    Byte,
    Contract,
    LogProbability,
    Number,
    StrictModel,
    Text,
    extra_fields,
    first_index,
    require_current_time,
    require_equal_sizes,
    require_unique,
    require_unit_length,
)
from support.conformance.oracles import openai
from support.conformance.response_parser import ParsedResponse
from support.conformance.tool_calls import Call, normalized_calls, require_unique_ids
from support.http.client import without_transport_variables
from support.units import Json, JsonObject

# The package makes a client when it is imported.
with without_transport_variables():
    import ollama

UNIT_SLACK = 1e-3
# Parts of a time are measured by several clocks.
DURATION_SLACK = 1.05
# The clocks of two machines: their rate, and the resolution of both.
CLOCK_RATE_SLACK = 1.01
CLOCK_OFFSET_SECONDS = 0.05
# Whatever answers faster counts in other units than nanoseconds.
MIN_TOTAL_DURATION = 100_000
# Go's time.Time as JSON (RFC 3339 with up to nine digits of a second).
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
METRICS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def unix_seconds(timestamp: str) -> float:
    """Seconds since 1970 of a time; ValueError when it is none. Decimals after the sixth one are dropped."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise ValueError(f"{timestamp!r} is no time with a zone (RFC 3339)")
    return datetime.fromisoformat(timestamp).timestamp()


def _check_timestamp(timestamp: str) -> str:
    unix_seconds(timestamp)
    return timestamp


def _check_current_timestamp(timestamp: str) -> str:
    require_current_time(unix_seconds(timestamp))
    return timestamp


def _check_past_timestamp(timestamp: str) -> str:
    if unix_seconds(timestamp) > time.time() + CLOCK_SLACK_SECONDS:
        raise ValueError(f"{timestamp} is in the future")
    return timestamp


Count = Annotated[int, Field(ge=1)]
Duration = Annotated[int, Field(ge=0)]
Timestamp = Annotated[str, AfterValidator(_check_timestamp)]
PastTimestamp = Annotated[str, AfterValidator(_check_past_timestamp)]
CurrentTimestamp = Annotated[str, AfterValidator(_check_current_timestamp)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Token(StrictModel):
    token: str
    logprob: LogProbability
    bytes: list[Byte]

    def require_consistent(self) -> None:
        # A token may be part of a character: its text then has a replacement mark.
        if "\ufffd" not in self.token and bytes(self.bytes) != self.token.encode():
            raise ValueError(f"bytes {self.bytes} are not those of {self.token!r}")


class _SampledToken(_Token):
    top_logprobs: Annotated[list[_Token], Field(max_length=20)] | None = None


class _Function(StrictModel):
    name: Text
    # An object here, a text in the OpenAI API.
    arguments: JsonObject
    index: Annotated[int, Field(ge=0)] | None = None


class _ToolCall(StrictModel):
    function: _Function
    id: Text | None = None


class _Message(StrictModel):
    role: Literal["assistant"]
    content: str
    thinking: Text | None = None
    tool_calls: Annotated[list[_ToolCall], Field(min_length=1)] | None = None


class _Answer(StrictModel):
    model: Text
    created_at: CurrentTimestamp
    logprobs: list[_SampledToken] | None = None


class _AnswerLine(_Answer):
    """Any line of a stream: what only the last one has is checked across the lines."""

    done: bool
    done_reason: Literal["stop", "length"] | None = None
    total_duration: Annotated[int, Field(ge=MIN_TOTAL_DURATION)] | None = None
    load_duration: Duration | None = None
    prompt_eval_count: Count | None = None
    prompt_eval_duration: Duration | None = None
    eval_count: Count | None = None
    eval_duration: Duration | None = None


class _WholeAnswer(_AnswerLine):
    done: Literal[True]
    done_reason: Literal["stop", "length"]
    total_duration: Annotated[int, Field(ge=MIN_TOTAL_DURATION)]
    prompt_eval_count: Count
    eval_count: Count


class _Text(StrictModel):
    response: str
    thinking: Text | None = None
    context: list[Annotated[int, Field(ge=0)]] | None = None


class Generate(_WholeAnswer, _Text):
    """A whole answer of `/api/generate`."""


class GenerateLine(_AnswerLine, _Text):
    """One line of a streamed answer of `/api/generate`."""


class Chat(_WholeAnswer):
    """A whole answer of `/api/chat`."""

    message: _Message


class ChatLine(_AnswerLine):
    """One line of a streamed answer of `/api/chat`."""

    message: _Message


class _EmptyAnswer(StrictModel):
    """The response to an empty request: no text, so nothing is counted."""

    model: Text
    created_at: CurrentTimestamp
    done: Literal[True]
    done_reason: Literal["load", "unload"]


class GenerateLoad(_EmptyAnswer):
    """`/api/generate` without a prompt."""

    response: Literal[""]


class _EmptyMessage(StrictModel):
    role: Literal["assistant"]
    content: Literal[""]


class ChatLoad(_EmptyAnswer):
    """`/api/chat` without messages."""

    message: _EmptyMessage


class Embed(StrictModel):
    """What `/api/embed` answers: a vector for each input, in their order."""

    model: Text
    embeddings: list[Annotated[list[Number], Field(min_length=1)]]
    total_duration: Annotated[int, Field(ge=MIN_TOTAL_DURATION)] | None = None
    load_duration: Duration | None = None
    prompt_eval_count: Count | None = None


class Embeddings(StrictModel):
    """What the older `/api/embeddings` answers: one vector, of any length."""

    embedding: list[Number]


class _Details(StrictModel):
    parent_model: str
    format: Text
    family: Text
    families: Annotated[list[Text], Field(min_length=1)]
    # As people write them: 135M, 8.0B.
    parameter_size: Annotated[str, Field(pattern=r"^\d+(\.\d+)?[KMBT]?$")]
    quantization_level: Text

    def require_consistent(self) -> None:
        if self.family not in self.families:
            raise ValueError(f"the family {self.family!r} is not among {self.families}")


class _ModelEntry(StrictModel):
    name: Annotated[str, Field(pattern=r"^[^:]+:[^:]+$")]
    model: Annotated[str, Field(pattern=r"^[^:]+:[^:]+$")]
    size: Annotated[int, Field(gt=0)]
    digest: Digest
    details: _Details

    def require_consistent(self) -> None:
        if self.name != self.model:
            raise ValueError(f"the name {self.name!r} of the model {self.model!r}")


class _ListedModel(_ModelEntry):
    modified_at: PastTimestamp


class Tags(StrictModel):
    """What `/api/tags` answers; without models an empty list, not null."""

    models: list[_ListedModel]

    def require_consistent(self) -> None:
        require_unique([entry.name for entry in self.models])


class _RunningModel(_ModelEntry):
    expires_at: Timestamp
    size_vram: Annotated[int, Field(ge=0)]
    context_length: Annotated[int, Field(gt=0)]

    def require_consistent(self) -> None:
        super().require_consistent()
        if self.size_vram > self.size:
            raise ValueError(f"size_vram {self.size_vram} is more than the size of {self.size}")


class Processes(StrictModel):
    """What `/api/ps` answers: the loaded models."""

    models: list[_RunningModel]


class _Tensor(StrictModel):
    name: Text
    type: Text
    shape: list[Annotated[int, Field(gt=0)]]


class Show(StrictModel):
    """What `/api/show` answers."""

    details: _Details
    model_info: JsonObject
    capabilities: Annotated[list[Text], Field(min_length=1)]
    modified_at: PastTimestamp
    modelfile: str | None = None
    parameters: str | None = None
    template: str | None = None
    system: str | None = None
    license: str | None = None
    tensors: list[_Tensor] | None = None
    messages: list[Json] | None = None

    def require_consistent(self) -> None:
        name = self.model_info.get("general.architecture")
        if not (isinstance(name, str) and name):
            raise ValueError(f"model_info names no architecture: {sorted(self.model_info)[:5]}")
        length = self.model_info.get(f"{name}.context_length")
        # `true` is an int in Python.
        if type(length) is not int or length <= 0:
            raise ValueError(f"model_info has no context length of {name!r}: {length!r}")


class Version(StrictModel):
    """What `/api/version` answers: exactly this."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+([-+].*)?$")]


class Progress(StrictModel):
    """One step of a pull or a create."""

    status: Text
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")] | None = None
    total: Annotated[int, Field(ge=0)] | None = None
    completed: Annotated[int, Field(ge=0)] | None = None


class ProgressResult(StrictModel):
    """The end of a pull or a create that was not streamed."""

    status: Literal["success"]


class ProgressOrError(StrictModel):
    """A line of something that fails after it has begun."""

    status: Text | None = None
    error: Text | None = None

    def require_consistent(self) -> None:
        if (self.status is None) == (self.error is None):
            raise ValueError("a line has either a status or an error")


class ErrorBody(StrictModel):
    """Every error: one text, never an object."""

    error: Text


def done_once(lines: Sequence[Json]) -> None:
    """`done` is true in the last line alone; only there are the reason, the metrics and the context."""
    _require_last_alone("`done` is true in the lines", [bool(line["done"]) for line in lines])
    for number, line in enumerate(lines[:-1]):
        early = [name for name in ("done_reason", "context", *METRICS) if name in line]
        if early:
            raise BrokenAt(number, f"a line before the last already has {', '.join(early)}")
    missing = [
        name
        for name in ("done_reason", "total_duration", "prompt_eval_count", "eval_count")
        if lines[-1].get(name) is None
    ]
    if missing:
        raise BrokenAt(len(lines) - 1, f"the last line lacks {', '.join(missing)}")


def _require_last_alone(what: str, found: Sequence[bool]) -> None:
    """Raises ValueError unless it is so in the last line alone."""
    numbers = [number for number, is_so in enumerate(found, 1) if is_so]
    if numbers != [len(found)]:
        message = f"{what} {numbers} of {len(found)}: not in the last one alone"
        raise BrokenAt(numbers[0] - 1, message) if numbers else ValueError(message)


def monotonic(lines: Sequence[Json]) -> None:
    """One model in a stream, and times that do not go back."""
    models = {line["model"] for line in lines}
    if len(models) != 1:
        other = first_index(lines, lambda line: line["model"] != lines[0]["model"])
        raise BrokenAt(other, f"the model changes within a stream: {sorted(models)}")
    times = [unix_seconds(line["created_at"]) for line in lines]
    for number, (before, time_of_line) in enumerate(pairwise(times), 1):
        if time_of_line < before:
            raise BrokenAt(number, "created_at goes back within a stream")


def durations_consistent(answers: Sequence[Json]) -> None:
    """Loading, reading the prompt and making the answer took no longer than all of it."""
    last = answers[-1]
    parts = {name: last.get(name) or 0 for name in METRICS if name.endswith("_duration")}
    whole = parts.pop("total_duration")
    if sum(parts.values()) > whole * DURATION_SLACK:
        raise ValueError(f"parts of the time are longer than the whole of {whole} ns: {parts}")


def total_duration_within_elapsed(parsed: ParsedResponse) -> None:
    """The server did not take longer than the client waited, from the request to the end of the response."""
    nanoseconds = parsed.values[-1].get("total_duration")
    if nanoseconds is None:
        return
    whole, elapsed = nanoseconds / 1e9, parsed.exchange.seconds
    if whole > elapsed * CLOCK_RATE_SLACK + CLOCK_OFFSET_SECONDS:
        raise ValueError(f"total_duration is {whole:.3f} s, but the response took {elapsed:.3f} s")


def logprobs_match_text(answers: Sequence[Json]) -> None:
    """Where tokens are listed, they are those of the text beside them."""
    for number, answer in enumerate(answers):
        if not answer.get("logprobs"):
            continue
        text = answer["response"] if "response" in answer else answer["message"]["content"]
        tokens = "".join(token["token"] for token in answer["logprobs"])
        if text and tokens != text:
            raise BrokenAt(number, f"the tokens {tokens!r:.200} are not the text {text!r:.200}")


def logprobs_within_eval_count(answers: Sequence[Json]) -> None:
    """There are not more tokens with probabilities than were made."""
    listed = sum(len(answer.get("logprobs") or ()) for answer in answers)
    made = answers[-1].get("eval_count") or 0
    if listed > made:
        raise ValueError(f"{listed} tokens are listed, {made} were counted")


def tool_calls_indexed(answers: Sequence[Json]) -> None:
    """Tool calls are numbered in their order, and none has another's id."""
    found = [
        (line, call)
        for line, answer in enumerate(answers)
        for call in answer["message"].get("tool_calls") or ()
    ]
    numbers = [call["function"].get("index") for _, call in found]
    if any(number is not None for number in numbers) and numbers != list(range(len(found))):
        wrong = next(line for place, (line, _) in enumerate(found) if numbers[place] != place)
        raise BrokenAt(wrong, f"the tool calls are numbered {numbers}")
    require_unique_ids(call.get("id") for _, call in found)


def unit_length(answers: Sequence[Json]) -> None:
    """Every vector of `/api/embed` has length 1, and all have one size."""
    require_unit_length(answers[0]["embeddings"], UNIT_SLACK)
    require_equal_sizes(answers[0]["embeddings"])


def success_last(lines: Sequence[Json]) -> None:
    """The last status, and no other, is `success`."""
    states = [line["status"] for line in lines]
    early = states.index("success") if "success" in states[:-1] else None
    if early is not None:
        raise BrokenAt(early, f"success is not the last state: {states}")
    if states[-1] != "success":
        raise ValueError(f"the states do not end in success: {states}")


def error_last(lines: Sequence[Json]) -> None:
    """The last line, and no other, is an error: nothing comes after it."""
    _require_last_alone("errors in the lines", ["error" in line for line in lines])


_TEXT = (durations_consistent, logprobs_match_text, logprobs_within_eval_count)
_STREAM = (done_once, monotonic, *_TEXT)
_TIMING = (total_duration_within_elapsed,)
_EXTRA = extra_fields("ollama")

CONTRACTS = {
    "generate": Contract(Generate, ollama.GenerateResponse, invariants=_TEXT, timing=_TIMING),
    "generate stream": Contract(GenerateLine, ollama.GenerateResponse, invariants=_STREAM, timing=_TIMING),
    "generate load": Contract(GenerateLoad, ollama.GenerateResponse),
    "chat": Contract(Chat, ollama.ChatResponse, invariants=(*_TEXT, tool_calls_indexed), timing=_TIMING),
    "chat stream": Contract(
        ChatLine, ollama.ChatResponse, invariants=(*_STREAM, tool_calls_indexed), timing=_TIMING
    ),
    "chat load": Contract(ChatLoad, ollama.ChatResponse),
    "embed": Contract(
        Embed, ollama.EmbedResponse, invariants=(unit_length, durations_consistent), timing=_TIMING
    ),
    "embeddings": Contract(Embeddings, ollama.EmbeddingsResponse),
    "tags": Contract(Tags, ollama.ListResponse, _EXTRA["models"]),
    "ps": Contract(Processes, ollama.ProcessResponse, _EXTRA["models"]),
    "show": Contract(Show, ollama.ShowResponse, _EXTRA["show"]),
    "version": Contract(Version),
    "progress": Contract(ProgressResult, ollama.ProgressResponse),
    "progress stream": Contract(Progress, ollama.ProgressResponse, invariants=(success_last,)),
    "failing stream": Contract(ProgressOrError, invariants=(error_last,)),
    "error": Contract(ErrorBody),
    # Its half of the OpenAI API. It normalises the vectors of all models.
    **{
        f"OpenAI {name}": replace(
            both, extra_fields_allowed=both.extra_fields_allowed | _EXTRA["OpenAI chat"]
        )
        for name, both in openai.CONTRACTS.items()
        if name != "embeddings"
    },
    "OpenAI model": Contract(openai.ModelCard, OpenAiModel),
}


def _as_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def normalize(parsed: ParsedResponse) -> NormalizedAnswer:
    """Text, thoughts, reason, counts and tool calls of an answer, whole or put together from its lines."""
    values = [value for value in parsed.values if isinstance(value, dict)]
    if any("choices" in value for value in values):
        return openai.normalize(parsed)
    text, thinking = "", ""
    calls: list[Call] = []
    pieces = 0
    for value in values:
        message = _as_object(value.get("message"))
        piece = value.get("response") or message.get("content") or ""
        pieces += bool(piece)
        text += piece
        thinking += value.get("thinking") or message.get("thinking") or ""
        for call in message.get("tool_calls") or ():
            function = call.get("function", {})
            calls.append(Call(call.get("id"), function.get("name"), function.get("arguments")))
    last = values[-1] if values else {}
    return {
        "text": text,
        "texts": [text],
        "thinking": thinking,
        "finish_reason": last.get("done_reason"),
        "usage": {name: last.get(name) for name in ("prompt_eval_count", "eval_count")},
        **normalized_calls(calls),
        "embeddings": last.get("embeddings"),
        "pieces": pieces,
    }


OLLAMA = Api(
    name="ollama",
    title="Ollama",
    contracts=CONTRACTS,
    health_case="ollama.generate.answer.exact",
    health_case_for={
        "embedding": "ollama.embed.input.array",
        "categorical": "ollama.sampling.answer.tokens",
    },
    normalize=normalize,
    streams_end_with_done=True,
)
