"""The one owner of the engine: every answer starts as a stream, and is read in the caller's own thread.

The Python `Runner` refuses a second call while one is under way ("Already borrowed"). A stream is started in
0.1 ms, so a lock around the start is enough; reading a stream needs no lock and leaves the interpreter free.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from support.bundled.reference_server.json_fields import Json, JsonObject
from support.bundled.reference_server.loading import EnginePanic, as_engine_panic

Message = JsonObject


class EngineError(Exception):
    """The engine failed on a request."""


class RequestRefused(EngineError):
    """The engine does not take the request (its parameters, its length, no chat template)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `prompt` is a conversation, or a text that gets no chat template.

    `parameters` are keyword arguments of the engine's `ChatCompletionRequest`. `whole`: the answer is wanted
    in one piece, from the engine's own code for that; other starts wait until it is there.
    """

    prompt: list[Message] | str
    parameters: JsonObject = field(default_factory=dict)
    non_streaming: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceDelta:
    """What one choice gained in one step."""

    index: int
    text: str | None
    reasoning: str | None = None
    tool_calls: list[JsonObject] | None = None
    finish_reason: str | None = None
    logprobs: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One step of a stream; `created` in Unix seconds, `usage` only on the last one of a choice."""

    id: str
    created: int
    model: str
    deltas: tuple[ChoiceDelta, ...]
    usage: JsonObject | None = None


class Engine(Protocol):
    """What the HTTP server and the terminal need of an engine."""

    model_id: str
    max_seqs: int

    def stream(self, call: Call) -> Generator[Chunk]:
        """The answer, piece by piece. Closing the iterator stops the generation.

        Raises `RequestRefused` before the first chunk, `EngineError` later.
        """

    def embed(self, inputs: list[Json]) -> list[list[float]]:
        """One vector for each input, in order. Raises `RequestRefused`."""

    def count_tokens(self, inputs: list[Json]) -> int:
        """How many tokens the inputs of `embed` have."""


class PythonEngine:
    """The engine of the Python package `mistralrs`."""

    def __init__(
        self, runner: Any, raw_runner: Callable[[], Any], max_seqs: int, *, embedding_only: bool = False
    ) -> None:
        """`raw_runner` loads the engine that gets prompts without a template; called when first needed.

        The package has no streamed completion, and wraps a bare text into a user message: so plain
        completions need an engine of their own, with the bare text as chat template.
        `embedding_only`: the model makes no text; the error for a text request is raised here.
        """
        self._embedding_only = embedding_only
        self._runner = runner
        self._load_raw = raw_runner
        self._raw: tuple[Any, str] | None = None
        self._lock = threading.Lock()
        self._raw_lock = threading.Lock()
        self.model_id: str = runner.get_default_model_id()
        self.max_seqs = max_seqs

    def stream(self, call: Call) -> Generator[Chunk]:
        """See `Engine.stream`."""
        steps: Any = None
        begun = False
        try:
            steps = self._start(call)
            if call.non_streaming:
                yield _only_chunk(steps)
                return
            for step in steps:
                yield _chunk(step)
                begun = True
        except ValueError as error:
            # All errors of the package are ValueErrors; this text means that the engine has stopped.
            gone = str(error).startswith("Received none")
            text = "No response received from the model." if gone else str(error)
            raise (EngineError if begun or gone else RequestRefused)(text) from error
        except BaseException as error:
            failure = as_engine_panic(error)
            if isinstance(failure, EnginePanic):
                raise EngineError(f"The engine panicked: {failure}") from error
            raise
        finally:
            # The engine stops a generation when its stream is deleted.
            del steps

    def embed(self, inputs: list[Json]) -> list[list[float]]:
        """See `Engine.embed`. Blocks other starts until it is done."""
        import mistralrs

        try:
            request = mistralrs.EmbeddingRequest(input=inputs)
            with self._lock:
                return list(self._runner.send_embedding_request(request))
        except ValueError as error:
            raise RequestRefused(str(error)) from error

    def count_tokens(self, inputs: list[Json]) -> int:
        """See `Engine.count_tokens`."""
        with self._lock:
            return sum(
                len(self._runner.tokenize_text(item, True, None)) if isinstance(item, str) else len(item)
                for item in inputs
            )

    def _start(self, call: Call) -> Any:
        from mistralrs import ChatCompletionRequest

        messages: Any = call.prompt
        runner = self._runner
        if isinstance(messages, str):
            if self._embedding_only:
                raise RequestRefused("Received a request incompatible for this model's category.")
            if not messages:
                # An empty message would reach the engine as an empty chat: the message is its own.
                raise RequestRefused("Received an empty prompt.")
            runner, prefix = self._raw_engine()
            messages = [{"role": "user", "content": prefix + messages}]
        request = ChatCompletionRequest(
            messages=messages, model="default", stream=not call.non_streaming, **call.parameters
        )
        with self._lock:
            return runner.send_chat_completion_request(request)

    def _raw_engine(self) -> tuple[Any, str]:
        """The engine for bare prompts, and the text of the tokens that a tokenizer puts before a prompt."""
        with self._raw_lock:
            if self._raw is None:
                runner = self._load_raw()
                bare = runner.tokenize_text("a", False, None)
                full = runner.tokenize_text("a", True, None)
                before = full[: full.index(bare[0])]
                self._raw = (runner, runner.detokenize_text(before, False) if before else "")
            return self._raw


def _chunk(step: Any) -> Chunk:
    return Chunk(
        id=step.id,
        created=step.created,
        model=step.model,
        deltas=tuple(
            ChoiceDelta(
                index=choice.index,
                text=choice.delta.content,
                reasoning=choice.delta.reasoning_content,
                tool_calls=[_tool_call(call) for call in choice.delta.tool_calls or []] or None,
                finish_reason=choice.finish_reason,
                logprobs=_logprob(choice.logprobs) if choice.logprobs else None,
            )
            for choice in step.choices
        ),
        usage=_usage(step.usage) if step.usage else None,
    )


def _only_chunk(answer: Any) -> Chunk:
    """A whole answer as a stream of one chunk: a piece for each token's log-probability, then the rest."""
    pieces = []
    for choice in answer.choices:
        entries = choice.logprobs.content if choice.logprobs else None
        pieces += [ChoiceDelta(choice.index, None, logprobs=_logprob(entry)) for entry in entries or []]
        calls = [_tool_call(call) for call in choice.message.tool_calls or []]
        pieces.append(
            ChoiceDelta(
                index=choice.index,
                text=choice.message.content,
                reasoning=choice.message.reasoning_content,
                tool_calls=calls or None,
                finish_reason=choice.finish_reason,
            )
        )
    usage = _usage(answer.usage)
    return Chunk(answer.id, answer.created, answer.model, tuple(pieces), usage)


def _tool_call(call: Any) -> JsonObject:
    function = {"name": call.function.name, "arguments": call.function.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _logprob(entry: Any) -> JsonObject:
    top = [{"token": t.token, "logprob": t.logprob, "bytes": _bytes(t.bytes)} for t in entry.top_logprobs]
    return {"token": entry.token, "logprob": entry.logprob, "bytes": _bytes(entry.bytes), "top_logprobs": top}


def _bytes(value: Json) -> list[int] | None:
    return None if value is None else list(value.encode() if isinstance(value, str) else value)


_USAGE = (
    "completion_tokens",
    "prompt_tokens",
    "total_tokens",
    "avg_tok_per_sec",
    "avg_prompt_tok_per_sec",
    "avg_compl_tok_per_sec",
    "total_time_sec",
    "total_prompt_time_sec",
    "total_completion_time_sec",
)


def _usage(usage: Any) -> JsonObject:
    counts: JsonObject = {name: getattr(usage, name) for name in _USAGE}
    with contextlib.suppress(AttributeError):
        counts["prompt_tokens_details"] = {"cached_tokens": usage.prompt_tokens_details.cached_tokens}
    return counts
