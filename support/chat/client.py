"""The chat client: a protocol object for each route, endpoints, and answers, whole or from their streams."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from support.conformance.api import Api
from support.conformance.oracles.ollama import OLLAMA
from support.conformance.oracles.openai import OPENAI
from support.conformance.response_parser import ConformanceError, stream_kind
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.units import JsonMapping, JsonObject

Message = Mapping[str, str]
# Tokens of an answer at most: long enough for every scripted answer.
DEFAULT_LIMIT = 600


@dataclass(frozen=True)
class ChatRequest:
    """A conversation that ends with a question. `limit`: tokens of the answer at most."""

    messages: tuple[Message, ...]
    limit: int = DEFAULT_LIMIT
    stop: tuple[str, ...] = ()

    @property
    def rendered(self) -> str:
        """The text that the scripted model's chat template makes of it, for routes that take a text only."""
        # Not at the top: numpy comes with it.
        from support.models.llama import chat_prompt

        return chat_prompt(self.messages)


def chat_request(
    messages: Sequence[Message], question: str, *, limit: int = DEFAULT_LIMIT, stop: str = ""
) -> ChatRequest:
    """A conversation that ends with this question. `limit`: tokens of the answer."""
    whole = (*messages, {"role": "user", "content": question})
    return ChatRequest(whole, limit, (stop,) if stop else ())


class TokenCounts(NamedTuple):
    """Tokens of a prompt and of its answer."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Answer:
    """An answer of an endpoint. `finish_reason`: `stop` or `length`; counts in tokens, None where the server
    sent none; `chunks`: in how many pieces the text arrived."""

    endpoint: str
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    exchange: Exchange = field(repr=False)
    chunks: int = 1

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the answer."""
        return self.prompt_tokens, self.answer_tokens

    @property
    def token_counts(self) -> TokenCounts:
        """The token counts; AssertionError when the server sent none."""
        if not (self.prompt_tokens is not None and self.answer_tokens is not None):
            raise CheckFailed(f"no usage in the answer\n{self.exchange.describe()}")
        return TokenCounts(self.prompt_tokens, self.answer_tokens)


@dataclass(frozen=True)
class ChatProtocol:
    """A route that answers chats. `fields`: those of a request; `counts`: the names of its token counts."""

    api: Api
    path: str
    contract: str
    fields: Callable[[ChatRequest], JsonObject]
    counts: tuple[str, str]

    def build_request(self, chat_request: ChatRequest, model: str, *, stream: bool) -> JsonObject:
        """The body of a request; a stream has the token counts at its end."""
        usage = {"stream_options": {"include_usage": True}} if stream and self.api is OPENAI else {}
        return {"model": model, "stream": stream, **self.fields(chat_request), **usage}

    def ask(self, client: ApiClient, body: JsonMapping, *, endpoint: str, contract: bool = True) -> Answer:
        """Send this body and read the answer (see `read_answer`), as a stream when `stream` is set."""
        exchange = client.post(self.path, body)
        stream = bool(body.get("stream"))
        return self.read_answer(exchange, stream=stream, endpoint=endpoint, contract=contract)

    def read_answer(
        self, exchange: Exchange, *, stream: bool, endpoint: str, contract: bool = True
    ) -> Answer:
        """The answer in a response; raises `ConformanceError` with the command that repeats the request.

        `contract`: whether it has to fulfil the contract of its API, or only status, framing and JSON.
        """
        kind = stream_kind(self.path) if stream else "json"
        names = [f"{self.contract} stream" if stream else self.contract] if contract else []
        try:
            parsed = self.api.check_response(exchange, status=[200], kind=kind, contracts=names)
        except ConformanceError as error:
            raise _with_command(error, exchange, endpoint) from None
        found = self.api.normalize(parsed)
        usage = found["usage"] or {}
        prompt, answer = (usage.get(name) for name in self.counts)
        return Answer(
            endpoint, found["text"], found["finish_reason"], prompt, answer, exchange, found["pieces"]
        )


def _with_command(error: ConformanceError, exchange: Exchange, endpoint: str) -> ConformanceError:
    return ConformanceError(error.layer, f"{error.actual}\nendpoint: {endpoint}\n{exchange.describe()}")


@dataclass(frozen=True)
class ChatEndpoint:
    """A route of a server. `model`: the name of the model there."""

    name: str
    url: str
    model: str
    protocol: ChatProtocol
    key: str | None = field(default=None, repr=False)

    def client(self, timeout: float) -> ApiClient:
        """A client for it, to be closed by the caller. `timeout`: seconds for a whole answer."""
        return ApiClient(self.url, api_key=self.key, timeout=timeout)

    def request(self, chat_request: ChatRequest, *, stream: bool = False) -> JsonObject:
        return self.protocol.build_request(chat_request, self.model, stream=stream)

    def ask(self, chat_request: ChatRequest, *, stream: bool = False, timeout: float) -> Answer:
        """Ask and read to the end; raises AssertionError when there is no answer.

        The contract is not checked: the endpoints of a run may be other servers than the one under test.
        """
        with contextlib.closing(self.client(timeout)) as client:
            body = self.request(chat_request, stream=stream)
            return self.protocol.ask(client, body, endpoint=self.name, contract=False)

    def send(self, chat_request: ChatRequest, *, stream: bool = False, timeout: float) -> Exchange:
        """Ask and return the response, which may be an error; raises `RequestFailed` when there is none."""
        with contextlib.closing(self.client(timeout)) as client:
            return client.post(self.protocol.path, self.request(chat_request, stream=stream))

    def read_answer(self, exchange: Exchange, *, stream: bool) -> Answer:
        """The same for a response that is there already."""
        return self.protocol.read_answer(exchange, stream=stream, endpoint=self.name, contract=False)


class ChatClient:
    """Chats with a model of the OpenAI API; raises `ConformanceError` for a response against its contract."""

    def __init__(self, client: ApiClient, model: str = "default") -> None:
        self.client = client
        self.model = model

    def models(self) -> Exchange:
        """The response with the model list; `model_names` reads it."""
        return self.client.get("/v1/models")

    def chat(self, messages: Sequence[Message], **options: object) -> Answer:
        """Ask with a conversation. `options` go into the request as they are; temperature is 0."""
        return self._ask(OPENAI_CHAT, {"messages": list(messages), **options})

    def complete(self, prompt: str, **options: object) -> Answer:
        """Continue a text, without any chat template; temperature is 0."""
        return self._ask(OPENAI_COMPLETION, {"prompt": prompt, **options})

    def _ask(self, protocol: ChatProtocol, request: JsonMapping) -> Answer:
        body = {"model": self.model, "temperature": 0, **request}
        return protocol.ask(self.client, body, endpoint=protocol.path)


def model_names(listed: Exchange) -> list[str]:
    """The names in a model list of the OpenAI API; raises `ConformanceError`."""
    try:
        cards = OPENAI.check_contract(listed, "models").values[0]["data"]
    except ConformanceError as error:
        raise _with_command(error, listed, "model list") from None
    return [card["id"] for card in cards]


def _sampling(chat_request: ChatRequest, limit: str) -> JsonObject:
    """`limit`: how the API calls the limit of tokens."""
    stop = {"stop": list(chat_request.stop)} if chat_request.stop else {}
    return {"temperature": 0, limit: chat_request.limit, **stop}


def _chat_completion(chat_request: ChatRequest) -> JsonObject:
    return {"messages": list(chat_request.messages), **_sampling(chat_request, "max_tokens")}


def _completion(chat_request: ChatRequest) -> JsonObject:
    return {"prompt": chat_request.rendered, **_sampling(chat_request, "max_tokens")}


def _ollama_chat(chat_request: ChatRequest) -> JsonObject:
    return {"messages": list(chat_request.messages), "options": _sampling(chat_request, "num_predict")}


def _ollama_generate(chat_request: ChatRequest) -> JsonObject:
    """A question, with a system message or without; a longer conversation as its template renders it."""
    options = _sampling(chat_request, "num_predict")
    *before, question = chat_request.messages
    if any(message["role"] != "system" for message in before):
        return {"prompt": chat_request.rendered, "raw": True, "options": options}
    system = {"system": before[0]["content"]} if before else {}
    return {"prompt": question["content"], **system, "options": options}


_OPENAI_COUNTS = ("prompt_tokens", "completion_tokens")
_OLLAMA_COUNTS = ("prompt_eval_count", "eval_count")
OPENAI_CHAT = ChatProtocol(OPENAI, "/v1/chat/completions", "chat", _chat_completion, _OPENAI_COUNTS)
OPENAI_COMPLETION = ChatProtocol(OPENAI, "/v1/completions", "text", _completion, _OPENAI_COUNTS)
OLLAMA_CHAT = ChatProtocol(OLLAMA, "/api/chat", "chat", _ollama_chat, _OLLAMA_COUNTS)
OLLAMA_GENERATE = ChatProtocol(OLLAMA, "/api/generate", "generate", _ollama_generate, _OLLAMA_COUNTS)
