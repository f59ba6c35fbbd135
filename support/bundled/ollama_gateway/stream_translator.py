"""One answer: the upstream's events in, the chunks of Ollama's answer out."""

from __future__ import annotations

import time
from collections.abc import Sequence

from support.bundled.ollama_gateway.answer_text import (
    Markup,
    StopFilter,
    ToolCallAccumulator,
    call_identity,
    is_complete_json,
)
from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.json_types import JsonObject
from support.bundled.ollama_gateway.request_translator import Conversation, encode_context
from support.bundled.ollama_gateway.response_writer import AnswerChunk, Line
from support.bundled.ollama_gateway.stream_events import (
    DONE,
    Choice,
    Delta,
    Event,
    logprob_entries,
    parse_event,
)

_NO_CHOICE, _NO_DELTA = Choice(), Delta()


class StreamTranslator:
    """One answer: the target's events in, the chunks of Ollama's answer out."""

    def __init__(  # noqa: PLR0913 - what differs between two answers
        self,
        started: int,
        loaded: int,
        stops: Sequence[str],
        markup: Markup,
        *,
        is_json: bool,
        alternatives: bool,
        history: Conversation | None = None,
    ) -> None:
        """`started`, `loaded`: `time.perf_counter_ns` at the request and when the model was there.

        `is_json`: the answer is one JSON value, and what follows it is not part of it. `alternatives`:
        `top_logprobs` were requested; mistral.rs sends one always. `history`: the conversation so far, for
        the `context` of the next request.
        """
        self.ended_early = False
        self.usage: JsonObject = {}
        self._text = ""
        self._started, self._loaded = started, loaded
        self._first = self._latest = 0
        self._stops = StopFilter(stops)
        self._calls = ToolCallAccumulator()
        self._markup = markup
        self._is_json = is_json
        self._alternatives = alternatives
        self._history = history
        self._events = 0
        self._finish: str | None = None

    def translate(self, events: Sequence[bytes]) -> list[AnswerChunk]:
        """What the events of one read add to the answer. Raises `ApiError` for an error among them."""
        return [
            part
            for data in events
            if data != DONE and (part := self._translate_event(parse_event(data))) is not None
        ]

    def _translate_event(self, event: Event) -> AnswerChunk | None:
        if event.usage:
            self.usage = event.usage
        if self.ended_early:
            return None
        choice = event.choices[0] if event.choices else _NO_CHOICE
        delta = choice.delta or _NO_DELTA
        text, thought = delta.content or choice.text or "", delta.reasoning_content or ""
        if choice.finish_reason:
            self._finish = choice.finish_reason
        self._latest = time.perf_counter_ns()
        self._first = self._first or self._latest
        self._events += 1
        if delta.tool_calls:
            self._calls.add(delta.tool_calls)
        if thought or delta.tool_calls:
            self._markup.mark_extracted()
        plain, more_thought = self._markup.feed(text)
        part = AnswerChunk(self._stops.feed(plain), thought + more_thought)
        # mistral.rs sends the logprobs of the final token too; Ollama does not.
        if choice.logprobs and (text or not choice.finish_reason):
            part.logprobs = [self._filter_logprobs(entry) for entry in logprob_entries(choice.logprobs)]
        self._text += part.text
        if self._is_json and not self._finish and is_complete_json(self._text):
            # A satisfied grammar does not end an answer of mistral.rs: it goes on up to its limit with empty
            # tokens, which 0.8.1 sends and 0.9 does not.
            self.ended_early, self._finish = True, "stop"
        return part if part.text or part.thinking or part.logprobs else None

    def _filter_logprobs(self, entry: JsonObject) -> JsonObject:
        return {name: value for name, value in entry.items() if self._alternatives or name != "top_logprobs"}

    def end(self) -> list[AnswerChunk]:
        """The rest of the text, then the last line. Raises `ApiError` without a finish reason."""
        if self._finish is None:
            raise ApiError(502, "the target ended its stream before the answer was complete")
        text, thought = self._markup.flush(is_call=bool(self._calls))
        left = AnswerChunk(self._stops.feed(text) + self._stops.flush(), thought, self._tool_calls())
        self._text += left.text
        # Ollama has no finish reason for tool calls.
        reason = "length" if self._finish == "length" else "stop"
        end: Line = {"done_reason": reason, **self._statistics()}
        if self._history is not None:
            answered = {"role": "assistant", "content": self._text}
            end["context"] = encode_context([*self._history, answered])
        return [*([left] if left.text or left.thinking or left.calls else []), AnswerChunk(end=end)]

    def _tool_calls(self) -> list[Line]:
        """Calls in their order. mistral.rs streams a call as a call, as text, or as both."""
        from_text = ToolCallAccumulator()
        from_text.add(self._markup.calls)
        theirs = self._calls.parsed()
        known = [call_identity(call) for call in theirs]
        calls = [call for call in from_text.parsed() if call_identity(call) not in known] + theirs
        return [{**call, "function": {**call["function"], "index": at}} for at, call in enumerate(calls)]

    def _statistics(self) -> Line:
        """Counts of the target, times in nanoseconds measured here; what is 0 is left out, as Go does."""
        figures = {
            "total_duration": time.perf_counter_ns() - self._started,
            "load_duration": self._loaded - self._started,
            "prompt_eval_count": self.usage.get("prompt_tokens") or 0,
            "prompt_eval_duration": self._first - self._loaded,
            # mistral.rs makes an event of each token; raw streams come without figures.
            "eval_count": self.usage.get("completion_tokens") or self._events,
            "eval_duration": self._latest - self._first,
        }
        if figures["eval_count"] == 1:
            figures["eval_duration"] = 0
        return {name: value for name, value in figures.items() if value}
