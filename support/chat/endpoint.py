"""One way to have a conversation with a server, and what was said, whatever its form."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.conformance.api import View
from support.conformance.oracles import ollama, openai
from support.conformance.response_parser import Reading, read
from support.http.client import ApiClient
from support.http.exchange import Exchange

Message = Mapping[str, str]
# Long enough for every scripted answer.
ROOM = 600
LATEST = ":latest"


@dataclass(frozen=True)
class Talk:
    """A conversation that ends with a question. `limit`: tokens of the answer at most; `rendered`: as the
    model's chat template writes it, for routes that take a text only."""

    messages: tuple[Message, ...]
    limit: int = ROOM
    stop: tuple[str, ...] = ()
    rendered: str = ""


@dataclass(frozen=True)
class Said:
    """An answer over a route. `end`: `stop` or `length`; counts in tokens, None where none came."""

    route: str
    text: str
    end: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    exchange: Exchange = field(repr=False)

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the answer."""
        return self.prompt_tokens, self.answer_tokens


@dataclass(frozen=True)
class Form:
    """How a route wants to be asked: its path, its request, and how its answers are read."""

    path: str
    request: Callable[[Talk, str, bool], dict[str, Any]]
    stream_kind: str
    view: Callable[[Reading], View]
    counts: tuple[str, str]

    @property
    def api(self) -> str:
        """Whose form it is: OpenAI's or Ollama's."""
        return "OpenAI" if self.stream_kind == "sse" else "Ollama"


@dataclass(frozen=True)
class Route:
    """A form of asking at a server. `model`: the name of the model there."""

    name: str
    url: str
    model: str
    form: Form
    key: str | None = field(default=None, repr=False)

    def client(self, within: float) -> ApiClient:
        """A client for it; whoever takes it closes it. `within`: seconds for a whole answer."""
        return ApiClient(self.url, api_key=self.key, within=within)

    def request(self, talk: Talk, stream: bool = False) -> dict[str, Any]:
        """The request that asks this."""
        return self.form.request(talk, self.model, stream)

    def ask(self, talk: Talk, stream: bool = False, *, within: float) -> Said:
        """Ask and read to the end. Raises AssertionError for anything but a readable answer."""
        with contextlib.closing(self.client(within)) as client:
            return self.said(client.post(self.form.path, self.request(talk, stream)), stream)

    def said(self, exchange: Exchange, stream: bool) -> Said:
        """What an exchange over this route says; raises AssertionError when it is no answer."""
        assert exchange.status == 200, f"{self.name}: expected an answer\n{exchange.describe()}"
        reading = read(exchange, self.form.stream_kind if stream else "json", self.form.stream_kind == "sse")
        view = self.form.view(reading)
        usage = view["usage"] or {}
        prompt, answer = (usage.get(name) for name in self.form.counts)
        return Said(self.name, view["text"], view["finish_reason"], prompt, answer, exchange)


def _chat_completion(talk: Talk, model: str, stream: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"model": model, "messages": list(talk.messages), "temperature": 0}
    request |= {"max_tokens": talk.limit, "stream": stream}
    if stream:
        request["stream_options"] = {"include_usage": True}
    return request | ({"stop": list(talk.stop)} if talk.stop else {})


def _options(talk: Talk) -> dict[str, Any]:
    options: dict[str, Any] = {"temperature": 0, "num_predict": talk.limit}
    return options | ({"stop": list(talk.stop)} if talk.stop else {})


def _ollama_chat(talk: Talk, model: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "messages": list(talk.messages), "stream": stream, "options": _options(talk)}


def _ollama_generate(talk: Talk, model: str, stream: bool) -> dict[str, Any]:
    """A question, with a system message or without; what has a past goes as its template writes it."""
    request: dict[str, Any] = {"model": model, "stream": stream, "options": _options(talk)}
    *before, question = talk.messages
    if all(message["role"] == "system" for message in before):
        request["prompt"] = question["content"]
        return request | ({"system": before[0]["content"]} if before else {})
    return request | {"prompt": talk.rendered, "raw": True}


_COUNTS = ("prompt_eval_count", "eval_count")
OPENAI_CHAT = Form(
    "/v1/chat/completions", _chat_completion, "sse", openai.view, ("prompt_tokens", "completion_tokens")
)
OLLAMA_CHAT = Form("/api/chat", _ollama_chat, "ndjson", ollama.view, _COUNTS)
OLLAMA_GENERATE = Form("/api/generate", _ollama_generate, "ndjson", ollama.view, _COUNTS)


def listed_as(url: str, model: str, within: float) -> str:
    """The name that a server's OpenAI API lists for this model of its Ollama API, else its first one.

    Raises AssertionError when none is listed.
    """
    with contextlib.closing(ApiClient(url, within=within)) as client:
        listed = client.get("/v1/models")
        try:
            names = [str(card["id"]) for card in listed.json()["data"]]
            return next((name for name in names if same_name(name, model)), names[0])
        except (LookupError, TypeError):
            raise AssertionError(f"no model is listed\n{listed.describe()}") from None


def same_name(one: str, other: str) -> bool:
    """Whether two names of Ollama's API mean one model: `latest` may be left out (api.md, Model names)."""
    return one.removesuffix(LATEST) == other.removesuffix(LATEST)


def agree(answers: Sequence[Said], what: Callable[[Said], object], words: str) -> None:
    """Every route has given the same; raises AssertionError that shows each, the groups apart."""
    assert len(answers) > 1, f"nothing to compare: {len(answers)} answer"
    groups: dict[str, list[str]] = {}
    for said in answers:
        groups.setdefault(json.dumps(what(said), ensure_ascii=False, default=repr), []).append(said.route)
    if len(groups) > 1:
        shown = "\n".join(f"  {', '.join(routes)}: {value:.400}" for value, routes in groups.items())
        odd = next(said for said in answers if what(said) != what(answers[0]))
        raise AssertionError(f"{words} differ by route:\n{shown}\n{odd.exchange.describe()}")
