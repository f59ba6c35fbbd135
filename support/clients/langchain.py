"""LangChain's adapters: what a program that is built on them gets.

Optional (dependency group `clients`), so imported when used. The variables of the environment with which they
send questions to LangSmith are removed (`support.runner.project_configuration`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from support.clients.task import COUNTED
from support.errors import CheckFailed
from support.http.client import tls_context
from support.http.recorder import ExchangeRecorder
from support.name_registry import NameRegistry
from support.suite_folder import command_of_group

MODULES = ("langchain_openai", "langchain_ollama")
MAX_TOKENS = 200
QUESTION = "Tell me about the comet"


def missing() -> str | None:
    """Which module is not installed, with the remedy, or None."""
    name = next((name for name in MODULES if importlib.util.find_spec(name) is None), None)
    command = command_of_group("clients", "langchain-openai", "langchain-ollama")
    return None if name is None else f"needs {name}; {command} installs it"


@dataclass(frozen=True)
class ClientResult:
    """What the adapter returned, as a text."""

    actual: str

    def require(self, outcome: str) -> None:
        """Raises `CheckFailed` unless it is the outcome of this name in the features."""
        if self.actual != outcome:
            raise CheckFailed(f"expected {outcome!r}, got {self.actual!r}")


def _invoke(model: Any) -> str:
    return str(model.invoke(QUESTION).content)


def _stream(model: Any) -> str:
    return "".join(piece.content for piece in model.stream(QUESTION))


def _remember(model: Any) -> str:
    past = [("human", "My name is Mara"), ("ai", "Yes."), ("human", "What am I called?")]
    return str(model.invoke(past).content)


def _usage_adds_up(model: Any) -> str:
    spent = model.invoke(QUESTION).usage_metadata
    prompt, answer, total = (spent[f"{what}_tokens"] for what in ("input", "output", "total"))
    if min(prompt, answer) > 0 and prompt + answer == total:
        return COUNTED
    return f"{prompt} tokens of the prompt, {answer} of the answer, {total} in all"


# Name in the features -> what the program does.
TASKS: NameRegistry[Callable[[Any], str]] = NameRegistry(
    "task",
    {
        "ask a question": _invoke,
        "read a stream": _stream,
        "remember a name": _remember,
        "count the tokens": _usage_adds_up,
    },
)


def run(
    api: str, url: str, model: str, task: str, recorder: ExchangeRecorder, key: str | None = None
) -> ClientResult:
    """Run a task with the adapter of an API (OpenAI, Ollama); an error of the adapter is its result."""
    chat = _adapter(api, url, model, recorder, key)
    try:
        return ClientResult(TASKS.find(task)(chat))
    except Exception as error:  # noqa: BLE001 - any error of the adapter is its result
        return ClientResult(f"{type(error).__name__}: {error}")


def _adapter(api: str, url: str, model: str, recorder: ExchangeRecorder, key: str | None) -> Any:
    if api == "Ollama":
        from langchain_ollama import ChatOllama

        return ChatOllama(
            base_url=url,
            model=model,
            temperature=0,
            num_predict=MAX_TOKENS,
            client_kwargs={"verify": tls_context(url), "trust_env": False},
            sync_client_kwargs={"event_hooks": recorder.hooks},
        )
    from langchain_openai import ChatOpenAI

    settings: dict[str, Any] = {"max_tokens": MAX_TOKENS, "max_retries": 0, "stream_usage": True}
    settings |= {"api_key": key or "none", "temperature": 0}
    http_client = httpx.Client(verify=tls_context(url), trust_env=False, event_hooks=recorder.hooks)
    settings |= {"http_client": http_client}
    return ChatOpenAI(base_url=f"{url}/v1", model=model, **settings)
