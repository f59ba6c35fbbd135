"""LangChain's adapters: what a program that is built on them gets.

Optional (dependency group `clients`), so imported when used; `missing` says whether they are there.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MODULES = ("langchain_openai", "langchain_ollama")
ROOM = 200
QUESTION = "Tell me about the comet"
COUNTED = "counts of prompt and answer that add up"
# They send what is asked to LangSmith when these are set, and take proxies from the environment.
TELLING = ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def missing() -> str | None:
    """Which module is not installed, or None."""
    return next((name for name in MODULES if importlib.util.find_spec(name) is None), None)


@dataclass(frozen=True)
class Brought:
    """What the adapter brought home, as a text."""

    got: str

    def require(self, outcome: str) -> None:
        """Raises AssertionError when it got something else."""
        assert self.got == outcome, f"expected {outcome!r}, got {self.got!r}"


def _ask(model: Any) -> str:
    return str(model.invoke(QUESTION).content)


def _stream(model: Any) -> str:
    return "".join(piece.content for piece in model.stream(QUESTION))


def _remember(model: Any) -> str:
    past = [("human", "My name is Mara"), ("ai", "Yes."), ("human", "What am I called?")]
    return str(model.invoke(past).content)


def _count(model: Any) -> str:
    spent = model.invoke(QUESTION).usage_metadata
    prompt, answer, total = (spent[f"{what}_tokens"] for what in ("input", "output", "total"))
    if min(prompt, answer) > 0 and prompt + answer == total:
        return COUNTED
    return f"{prompt} tokens of the prompt, {answer} of the answer, {total} in all"


# Name in the features -> what the program does.
JOURNEYS: dict[str, Callable[[Any], str]] = {
    "ask a question": _ask,
    "read a stream": _stream,
    "remember a name": _remember,
    "count what it spent": _count,
}


def travel(api: str, url: str, model: str, journey: str, key: str | None = None) -> Brought:
    """One journey with the adapter of an API (OpenAI, Ollama); what the adapter raises is what it got."""
    with _quiet():
        chat = _ADAPTERS[api](url, model, key)
        try:
            return Brought(JOURNEYS[journey](chat))
        except Exception as error:
            return Brought(f"{type(error).__name__}: {error}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Loopback only: no tracing, no proxies."""
    kept = {name: os.environ.pop(name) for name in (*TELLING, *PROXIES) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _openai(url: str, model: str, key: str | None) -> Any:
    from langchain_openai import ChatOpenAI

    settings: dict[str, Any] = {"temperature": 0, "max_tokens": ROOM, "max_retries": 0, "stream_usage": True}
    settings["api_key"] = key or "not-asked-for"
    return ChatOpenAI(base_url=f"{url}/v1", model=model, **settings)


def _ollama(url: str, model: str, key: str | None) -> Any:
    from langchain_ollama import ChatOllama

    return ChatOllama(base_url=url, model=model, temperature=0, num_predict=ROOM)


_ADAPTERS: dict[str, Callable[[str, str, str | None], Any]] = {"OpenAI": _openai, "Ollama": _ollama}
