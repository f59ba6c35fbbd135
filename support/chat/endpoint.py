"""One way to have a conversation with a server, and what was said, whatever its form."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from support.conformance.api import NormalizedAnswer
from support.conformance.oracles import ollama, openai
from support.conformance.response_parser import ParsedResponse, parse
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.units import JsonObject

Message = Mapping[str, str]
# Long enough for every scripted answer.
MAX_TOKENS = 600
LATEST = ":latest"


@dataclass(frozen=True)
class ChatRequest:
    """A conversation that ends with a question. `limit`: tokens of the answer at most; `rendered`: as the
    model's chat template writes it, for routes that take a text only."""

    messages: tuple[Message, ...]
    limit: int = MAX_TOKENS
    stop: tuple[str, ...] = ()
    rendered: str = ""


@dataclass(frozen=True)
class ChatAnswer:
    """An answer over a route. `end`: `stop` or `length`; counts in tokens, None where none came."""

    endpoint: str
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    exchange: Exchange = field(repr=False)

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the answer."""
        return self.prompt_tokens, self.answer_tokens


class BuildRequest(Protocol):
    """Makes the request of a conversation."""

    def __call__(self, chat_request: ChatRequest, model: str, *, stream: bool) -> JsonObject: ...


@dataclass(frozen=True)
class ChatProtocol:
    """How a route wants to be asked: its path, its request, and how its answers are read."""

    path: str
    build_request: BuildRequest
    stream_kind: str
    normalize: Callable[[ParsedResponse], NormalizedAnswer]
    counts: tuple[str, str]

    @property
    def api(self) -> str:
        """Whose form it is: OpenAI's or Ollama's."""
        return "OpenAI" if self.stream_kind == "sse" else "Ollama"


@dataclass(frozen=True)
class ChatEndpoint:
    """A form of asking at a server. `model`: the name of the model there."""

    name: str
    url: str
    model: str
    protocol: ChatProtocol
    key: str | None = field(default=None, repr=False)

    def client(self, timeout: float) -> ApiClient:
        """A client for it; whoever takes it closes it. `within`: seconds for a whole answer."""
        return ApiClient(self.url, api_key=self.key, timeout=timeout)

    def request(self, chat_request: ChatRequest, *, stream: bool = False) -> JsonObject:
        """The request that asks this."""
        return self.protocol.build_request(chat_request, self.model, stream=stream)

    def ask(self, chat_request: ChatRequest, *, stream: bool = False, timeout: float) -> ChatAnswer:
        """Ask and read to the end. Raises AssertionError for anything but a readable answer."""
        with contextlib.closing(self.client(timeout)) as client:
            return self.parse_answer(
                client.post(self.protocol.path, self.request(chat_request, stream=stream)), stream=stream
            )

    def parse_answer(self, exchange: Exchange, *, stream: bool) -> ChatAnswer:
        """What an exchange over this route says; raises AssertionError when it is no answer."""
        assert exchange.status == 200, f"{self.name}: expected an answer\n{exchange.describe()}"
        reading = parse(
            exchange,
            self.protocol.stream_kind if stream else "json",
            ends_with_done=self.protocol.stream_kind == "sse",
        )
        view = self.protocol.normalize(reading)
        usage = view["usage"] or {}
        prompt, answer = (usage.get(name) for name in self.protocol.counts)
        return ChatAnswer(self.name, view["text"], view["finish_reason"], prompt, answer, exchange)


def _chat_completion(chat_request: ChatRequest, model: str, *, stream: bool) -> JsonObject:
    request: JsonObject = {"model": model, "messages": list(chat_request.messages), "temperature": 0}
    request |= {"max_tokens": chat_request.limit, "stream": stream}
    if stream:
        request["stream_options"] = {"include_usage": True}
    return request | ({"stop": list(chat_request.stop)} if chat_request.stop else {})


def _options(chat_request: ChatRequest) -> JsonObject:
    options: JsonObject = {"temperature": 0, "num_predict": chat_request.limit}
    return options | ({"stop": list(chat_request.stop)} if chat_request.stop else {})


def _ollama_chat(chat_request: ChatRequest, model: str, *, stream: bool) -> JsonObject:
    return {
        "model": model,
        "messages": list(chat_request.messages),
        "stream": stream,
        "options": _options(chat_request),
    }


def _ollama_generate(chat_request: ChatRequest, model: str, *, stream: bool) -> JsonObject:
    """A question, with a system message or without; what has a past goes as its template writes it."""
    request: JsonObject = {"model": model, "stream": stream, "options": _options(chat_request)}
    *before, question = chat_request.messages
    if all(message["role"] == "system" for message in before):
        request["prompt"] = question["content"]
        return request | ({"system": before[0]["content"]} if before else {})
    return request | {"prompt": chat_request.rendered, "raw": True}


_COUNTS = ("prompt_eval_count", "eval_count")
OPENAI_CHAT = ChatProtocol(
    "/v1/chat/completions", _chat_completion, "sse", openai.normalize, ("prompt_tokens", "completion_tokens")
)
OLLAMA_CHAT = ChatProtocol("/api/chat", _ollama_chat, "ndjson", ollama.normalize, _COUNTS)
OLLAMA_GENERATE = ChatProtocol("/api/generate", _ollama_generate, "ndjson", ollama.normalize, _COUNTS)


def listed_name(url: str, model: str, timeout: float) -> str:
    """The name that a server's OpenAI API lists for this model of its Ollama API, else its first one.

    Raises AssertionError when none is listed.
    """
    with contextlib.closing(ApiClient(url, timeout=timeout)) as client:
        listed = client.get("/v1/models")
        try:
            names = [str(card["id"]) for card in listed.json()["data"]]
            return next((name for name in names if same_name(name, model)), names[0])
        except (LookupError, TypeError):
            raise AssertionError(f"no model is listed\n{listed.describe()}") from None


def same_name(one: str, other: str) -> bool:
    """Whether two names of Ollama's API mean one model: `latest` may be left out (api.md, Model names)."""
    return one.removesuffix(LATEST) == other.removesuffix(LATEST)


def require_equal_answers(
    answers: Sequence[ChatAnswer], key: Callable[[ChatAnswer], object], words: str
) -> None:
    """Every route has given the same; raises AssertionError that shows each, the groups apart."""
    assert len(answers) > 1, f"nothing to compare: {len(answers)} answer"
    groups: dict[str, list[str]] = {}
    for said in answers:
        groups.setdefault(json.dumps(key(said), ensure_ascii=False, default=repr), []).append(said.endpoint)
    if len(groups) > 1:
        shown = "\n".join(f"  {', '.join(routes)}: {value:.400}" for value, routes in groups.items())
        odd = next(said for said in answers if key(said) != key(answers[0]))
        raise AssertionError(f"{words} differ by route:\n{shown}\n{odd.exchange.describe()}")
