"""Contracts of the OpenAI API (OpenAI's API reference; type names as in its Python package).

The official types are the first oracle, but they let much through: fields beyond them, an empty list of
choices, times in milliseconds, arguments that are no JSON. The models here close that.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Literal

from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import AfterValidator, Field

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.contract import (
    BrokenAt,
    Byte,
    Contract,
    Count,
    LogProbability,
    Number,
    StrictModel,
    Text,
    at_document,
    extra_fields,
    first_index,
    require_current_time,
    require_equal_sizes,
    require_part_of,
    require_total,
    require_unique,
    require_unit_length,
)
from support.conformance.response_parser import ParsedResponse
from support.conformance.tool_calls import (
    Call,
    StreamedCalls,
    normalized_calls,
    require_calls_match_reason,
    require_json_object,
    require_unique_ids,
)
from support.units import Json, JsonObject

# Servers compute in half precision: three digits.
UNIT_SLACK = 5e-3

# OpenAI's reason `content_filter` is not expected: nothing in the requests of the suite is to be filtered.
TextReason = Literal["stop", "length"]
Reason = Literal["stop", "length", "tool_calls"]

_EXTRA = extra_fields("openai")
Measured = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Usage(StrictModel):
    """Token counts of one request."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    # What mistral.rs adds.
    avg_tok_per_sec: Measured | None = None
    avg_prompt_tok_per_sec: Measured | None = None
    avg_compl_tok_per_sec: Measured | None = None
    total_time_sec: Measured | None = None
    total_prompt_time_sec: Measured | None = None
    total_completion_time_sec: Measured | None = None
    prompt_tokens_details: JsonObject | None = None
    completion_tokens_details: JsonObject | None = None

    def require_consistent(self) -> None:
        require_total(self.total_tokens, self.prompt_tokens, self.completion_tokens)
        require_part_of(self.prompt_tokens, self.prompt_tokens_details, ("cached_tokens", "audio_tokens"))
        parts = ("reasoning_tokens", "audio_tokens")
        require_part_of(self.completion_tokens, self.completion_tokens_details, parts)


class _Head(StrictModel):
    id: Text
    created: Annotated[int, AfterValidator(require_current_time)]
    model: Text
    system_fingerprint: str | None = None


class _Token(StrictModel):
    token: str
    logprob: LogProbability
    bytes: list[Byte] | None

    def require_consistent(self) -> None:
        # A token may be part of a character: its text then has a replacement mark.
        if self.bytes is not None and "\ufffd" not in self.token and bytes(self.bytes) != self.token.encode():
            raise ValueError(f"bytes {self.bytes} are not those of {self.token!r}")


class _SampledToken(_Token):
    top_logprobs: list[_Token]


class Logprobs(StrictModel):
    """Log-probabilities of an answer: one entry for each of its tokens."""

    content: list[_SampledToken] | None
    # No model of the suite refuses.
    refusal: None = None


class _Function(StrictModel):
    name: Text
    arguments: Annotated[str, AfterValidator(require_json_object)]


class _ToolCall(StrictModel):
    id: Text
    type: Literal["function"]
    function: _Function
    index: Count | None = None


class _Message(StrictModel):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[_ToolCall] | None = None
    refusal: None = None


class _Choice(StrictModel):
    index: Count
    message: _Message
    finish_reason: Reason
    logprobs: Logprobs | None = None

    def require_consistent(self) -> None:
        require_calls_match_reason(len(self.message.tool_calls or []), self.finish_reason)


class Chat(_Head):
    """A whole answer of `/v1/chat/completions`."""

    object: Literal["chat.completion"]
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Usage


class _FunctionDelta(StrictModel):
    name: str | None = None
    arguments: str | None = None


class _ToolCallDelta(StrictModel):
    index: Count
    id: str | None = None
    type: Literal["function"] | None = None
    function: _FunctionDelta | None = None


class _Delta(StrictModel):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[_ToolCallDelta] | None = None
    refusal: None = None


class _ChunkChoice(StrictModel):
    index: Count
    delta: _Delta
    finish_reason: Reason | None
    logprobs: Logprobs | None = None


class ChatChunk(_Head):
    """One event of a streamed chat."""

    object: Literal["chat.completion.chunk"]
    choices: list[_ChunkChoice]
    usage: Usage | None = None


class _TextChoice(StrictModel):
    index: Count
    text: str
    finish_reason: TextReason
    logprobs: Json = None


class TextAnswer(_Head):
    """A whole answer of `/v1/completions`."""

    object: Literal["text_completion"]
    choices: Annotated[list[_TextChoice], Field(min_length=1)]
    usage: Usage


class _TextChunkChoice(StrictModel):
    index: Count
    text: str
    finish_reason: TextReason | None
    logprobs: Json = None


class TextChunk(_Head):
    """One event of a streamed text."""

    object: Literal["text_completion"]
    choices: list[_TextChunkChoice]
    usage: Usage | None = None


class ModelCard(StrictModel):
    """One model of the list, or of `/v1/models/<id>`."""

    id: Text
    object: Literal["model"]
    created: Annotated[int, Field(gt=0, lt=10_000_000_000)]
    owned_by: str


class _ListedModelCard(ModelCard):
    # What mistral.rs adds.
    status: Literal["loaded", "unloaded", "reloading"] | None = None
    root: Text | None = None
    parent: str | None = None
    tools_available: bool | None = None
    mcp_tools_count: Count | None = None
    mcp_servers_connected: Count | None = None


class Models(StrictModel):
    """What `/v1/models` answers. `created` is in seconds: ten digits."""

    object: Literal["list"]
    data: Annotated[list[_ListedModelCard], Field(min_length=1)]

    def require_consistent(self) -> None:
        require_unique([card.id for card in self.data])


class _OfficialModels(StrictModel):
    """The package has no type for the list itself, only for its cards."""

    data: list[Model]


class _EmbeddingUsage(StrictModel):
    prompt_tokens: Count
    total_tokens: Count


class _Embedding(StrictModel):
    object: Literal["embedding"]
    index: Count
    embedding: Annotated[list[Number], Field(min_length=1)]


class Embeddings(StrictModel):
    """A response of `/v1/embeddings` with floats: in the order of the inputs, all of one size."""

    object: Literal["list"]
    data: list[_Embedding]
    model: Text
    usage: _EmbeddingUsage

    def require_consistent(self) -> None:
        indices = [entry.index for entry in self.data]
        if indices != list(range(len(indices))):
            raise ValueError(f"the vectors are not in the order of the inputs: {indices}")
        require_equal_sizes(entry.embedding for entry in self.data)


class _EncodedEmbedding(_Embedding):
    # Little-endian 32-bit floats: a whole number of them in base64.
    embedding: Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={1,2})?$")]  # type: ignore[assignment]


class EncodedEmbeddings(StrictModel):
    """The same in base64."""

    object: Literal["list"]
    data: list[_EncodedEmbedding]
    model: Text
    usage: _EmbeddingUsage


class _ErrorObject(StrictModel):
    message: Text
    type: Text
    param: str | None
    code: str | int | None


class ErrorBody(StrictModel):
    """OpenAI's error object: all four keys are there, `param` and `code` may be null."""

    error: _ErrorObject


def choice_indices_complete(answers: Sequence[Json]) -> None:
    """The choices of a whole answer are numbered from 0, each once."""
    indices = [choice["index"] for choice in answers[0]["choices"]]
    if sorted(indices) != list(range(len(indices))):
        raise ValueError(f"the choices are numbered {indices}")


def tool_calls_distinct(answers: Sequence[Json]) -> None:
    """The tool calls of a choice have ids of their own; where they are numbered, in their order."""
    for choice in answers[0]["choices"]:
        calls = choice["message"].get("tool_calls") or ()
        numbers = [call["index"] for call in calls if call.get("index") is not None]
        if numbers not in ([], list(range(len(calls)))):
            raise ValueError(f"the tool calls are numbered {numbers}")
        require_unique_ids(call["id"] for call in calls)


def constant_ids(chunks: Sequence[Json]) -> None:
    """One id and one model in a stream, and a choice at most once in a chunk."""
    for what in ("id", "model"):
        values = {chunk[what] for chunk in chunks}
        if len(values) != 1:
            other = first_index(chunks, lambda chunk, what=what: chunk[what] != chunks[0][what])  # type: ignore[misc]
            raise BrokenAt(other, f"{what} changes within a stream: {sorted(values)}")
    for number, chunk in enumerate(chunks):
        indices = [choice["index"] for choice in chunk["choices"]]
        if len(indices) != len(set(indices)):
            raise BrokenAt(number, f"a chunk has a choice twice: {indices}")


def one_finish_reason_per_choice(chunks: Sequence[Json]) -> None:
    """Each choice gives one finish reason, in its last chunk."""
    reasons: dict[int, list[Json]] = {}
    # The first chunk of a choice after its finish reason.
    late: dict[int, int] = {}
    for number, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            given = reasons.setdefault(choice["index"], [])
            if any(reason is not None for reason in given):
                late.setdefault(choice["index"], number)
            given.append(choice["finish_reason"])
    for index, given in sorted(reasons.items()):
        message = f"choice {index} gives the finish reasons {given}: not one, at its end"
        if index in late:
            raise BrokenAt(late[index], message)
        if given[-1] is None:
            raise ValueError(message)
    if not reasons:
        raise ValueError("a stream without any choice")


def tool_calls_complete(chunks: Sequence[Json]) -> None:
    """The pieces of each tool call add up to a whole one: id, type, name and arguments that are JSON."""
    calls: dict[int, StreamedCalls] = {}
    reasons: dict[int, Json] = {}
    for number, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            index = choice["index"]
            streamed = calls.setdefault(index, StreamedCalls())
            for piece in choice["delta"].get("tool_calls") or ():
                with at_document(number):
                    streamed.add(piece)
            reasons[index] = choice["finish_reason"] or reasons.get(index)
    for index, streamed in sorted(calls.items()):
        streamed.require_complete(reasons[index])


def role_first(chunks: Sequence[Json]) -> None:
    """The first delta of each choice names the role."""
    begun: set[int] = set()
    for number, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            if choice["index"] not in begun and choice["delta"].get("role") != "assistant":
                raise BrokenAt(number, f"choice {choice['index']} does not begin with the role")
            begun.add(choice["index"])


def usage_once_last(chunks: Sequence[Json]) -> None:
    """Token counts are in one chunk at most, the last one."""
    counted = [number for number, chunk in enumerate(chunks, 1) if chunk.get("usage")]
    if counted not in ([], [len(chunks)]):
        raise BrokenAt(counted[0] - 1, f"usage in the chunks {counted} of {len(chunks)}")


def unit_length(answers: Sequence[Json]) -> None:
    """Every vector has length 1, as OpenAI's have. Another model need not normalise its vectors."""
    require_unit_length((entry["embedding"] for entry in answers[0]["data"]), UNIT_SLACK)


_STREAM = (constant_ids, one_finish_reason_per_choice, usage_once_last)
_ANSWER = _EXTRA["head"] | _EXTRA["usage"]

CONTRACTS = {
    "chat": Contract(
        Chat, ChatCompletion, _ANSWER | _EXTRA["chat"], (choice_indices_complete, tool_calls_distinct)
    ),
    "chat stream": Contract(
        ChatChunk,
        ChatCompletionChunk,
        _ANSWER | _EXTRA["chat stream"],
        (*_STREAM, role_first, tool_calls_complete),
    ),
    "text": Contract(TextAnswer, Completion, _ANSWER, (choice_indices_complete,)),
    # The package's type for text has no chunk without a finish reason.
    "text stream": Contract(TextChunk, None, _ANSWER, _STREAM),
    "models": Contract(Models, _OfficialModels, _EXTRA["models"]),
    "embeddings": Contract(Embeddings, CreateEmbeddingResponse),
    "normalised embeddings": Contract(Embeddings, CreateEmbeddingResponse, frozenset(), (unit_length,)),
    "encoded embeddings": Contract(EncodedEmbeddings),
    "error": Contract(ErrorBody, extra_fields_allowed=_EXTRA["error"]),
}


def normalize(parsed: ParsedResponse) -> NormalizedAnswer:
    """Texts, finish reasons, counts and tool calls of an answer, whole or put together from its stream."""
    texts: dict[int, str] = {}
    reasons: dict[int, Json] = {}
    calls: dict[tuple[int, int], JsonObject] = {}
    usage: Json = None
    pieces = 0
    documents = [value for value in parsed.values if isinstance(value, dict)]
    for value in documents:
        usage = value.get("usage") or usage
        for choice in value.get("choices") or ():
            index = choice.get("index", 0)
            part = choice.get("delta") or choice.get("message") or {}
            text = choice.get("text") or part.get("content") or ""
            pieces += bool(text)
            texts[index] = texts.get(index, "") + text
            reasons[index] = choice.get("finish_reason") or reasons.get(index)
            for number, call in enumerate(part.get("tool_calls") or ()):
                # In a whole message each entry is a call; in a stream the index says to which one it belongs.
                _merge_tool_call(
                    calls, (index, call.get("index", number) if "delta" in choice else number), call
                )
    in_order = [Call(**calls[place]) for place in sorted(calls)]
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {
        "text": texts.get(0, ""),
        "texts": [texts[index] for index in sorted(texts)],
        "finish_reason": reasons.get(0),
        "finish_reasons": [reasons[index] for index in sorted(reasons)],
        "usage": {name: usage.get(name) for name in counts} if isinstance(usage, dict) else None,
        **normalized_calls(in_order),
        "pieces": pieces,
        "first_vector": _vector(documents, 0),
        "last_vector": _vector(documents, -1),
        # Lists of what should be one value: a stream that changes it shows more.
        "id": _distinct_values(documents, "id"),
        "created": _distinct_values(documents, "created"),
    }


def _vector(documents: Sequence[JsonObject], place: int) -> list[float] | None:
    """One embedding, decoded, rounded to what two ways to compute it may differ by."""
    try:
        vector = documents[0]["data"][place]["embedding"]
        if isinstance(vector, str):
            data = base64.b64decode(vector, validate=True)
            vector = struct.unpack(f"<{len(data) // 4}f", data)
        return [round(value, 3) + 0.0 for value in vector]
    except (LookupError, TypeError, ValueError, struct.error):
        return None


def _distinct_values(documents: Sequence[JsonObject], name: str) -> list[Json]:
    """The values of a field over all chunks, each once, in order."""
    found: list[Json] = []
    for document in documents:
        if document.get(name) not in found:
            found.append(document.get(name))
    return found


def _merge_tool_call(
    calls: dict[tuple[int, int], JsonObject], place: tuple[int, int], part: JsonObject
) -> None:
    """Adds a call, or a piece of one; names and arguments are joined, as clients do."""
    function = part.get("function") or {}
    call = calls.setdefault(place, {"id": None, "name": "", "arguments": ""})
    call["id"] = part.get("id") or call["id"]
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


OPENAI = Api(
    name="openai",
    title="OpenAI",
    contracts=CONTRACTS,
    health_case="openai.chat.answer.not_empty",
    normalize=normalize,
    streams_end_with_done=True,
    health_case_for={
        "embedding": "openai.embeddings.vector.returned",
        "categorical": "openai.sampling.answer.valid",
    },
)
