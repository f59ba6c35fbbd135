"""A plain client of the OpenAI API: every answer keeps its whole contract, or nobody gets to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.conformance.oracles.openai import OPENAI, Usage
from support.conformance.response_checker import check_contract
from support.conformance.response_parser import ConformanceError, ParsedResponse
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.units import JsonMapping

Message = JsonMapping


@dataclass(frozen=True)
class Answer:
    """One answer as a reader sees it, whole or put together from its stream.

    `usage` is None where the protocol sends none; `pieces`: in how many pieces the text came.
    """

    text: str
    finish_reason: str
    usage: Usage | None
    chunks: int
    exchange: Exchange

    @property
    def token_counts(self) -> Usage:
        """The token counts; AssertionError when the server sent none."""
        assert self.usage is not None, f"no usage in the answer\n{self.exchange.describe()}"
        return self.usage


class OpenAiApi:
    """What a client of the OpenAI API does, on one server. `model` is the name that it asks for.

    Raises `Broken` for an answer that does not keep its contract.
    """

    def __init__(self, client: ApiClient, model: str = "default") -> None:
        self.client = client
        self.model = model

    def models(self) -> Exchange:
        """The list of models as it came; `names_of` reads it."""
        return self.client.get("/v1/models")

    def chat(self, messages: Sequence[Message], *, stream: bool = False, **options: object) -> Answer:
        """Ask with a conversation. `options` go into the request as they are; temperature is 0."""
        return self._ask(
            "chat", "/v1/chat/completions", {"messages": list(messages), **options}, stream=stream
        )

    def complete(self, prompt: str, *, stream: bool = False, **options: object) -> Answer:
        """Continue a text, without any chat template; temperature is 0."""
        return self._ask("text", "/v1/completions", {"prompt": prompt, **options}, stream=stream)

    def _ask(self, contract: str, path: str, request: JsonMapping, *, stream: bool) -> Answer:
        asked = {"model": self.model, "temperature": 0, **request, **({"stream": True} if stream else {})}
        exchange = self.client.post(path, asked)
        return _answer(_valid_response(exchange, f"{contract} stream" if stream else contract))


def model_names(listed: Exchange) -> list[str]:
    """The names in a list of models; raises `Broken` for one that does not keep its contract."""
    return [card["id"] for card in _valid_response(listed, "models").values[0]["data"]]


def _answer(reading: ParsedResponse) -> Answer:
    seen = OPENAI.normalize(reading)
    usage = None if seen["usage"] is None else Usage(**seen["usage"])
    return Answer(seen["text"], seen["finish_reason"], usage, seen["pieces"], reading.exchange)


def _valid_response(exchange: Exchange, contract: str) -> ParsedResponse:
    """A response that keeps the contract of this name; else an error with the command that repeats it."""
    try:
        return check_contract(exchange, OPENAI, contract)
    except ConformanceError as error:
        raise ConformanceError(error.layer, f"{error.actual}\n{exchange.describe()}") from None
