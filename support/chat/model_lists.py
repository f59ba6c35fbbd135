"""The model lists of a server, and the model names after unloading and reloading."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from support.chat.client import OPENAI_CHAT, ChatEndpoint, ChatRequest
from support.errors import CheckFailed, SeveralFailures
from support.http.client import ApiClient
from support.servers.discovery import DEFAULT_ALIAS
from support.servers.ollama_backends import LATEST
from support.units import JsonObject
from support.waiting import wait_until

# A model can be listed for a moment after it was unloaded (Ollama's documentation).
LISTING_SECONDS = 5.0
QUESTION = ChatRequest(({"role": "user", "content": "Tell me about the comet"},))


def listed_name(url: str, model: str, timeout: float) -> str:
    """The name that a server's OpenAI API lists for this model of its Ollama API, else its first one.

    Raises AssertionError when none is listed.
    """
    with contextlib.closing(ApiClient(url, timeout=timeout)) as client:
        listed = client.get("/v1/models")
        try:
            names = [str(card["id"]) for card in listed.json()["data"]]
            return next((name for name in names if _same_name(name, model)), names[0])
        except (LookupError, TypeError):
            raise CheckFailed(f"no model is listed\n{listed.describe()}") from None


def _same_name(one: str, other: str) -> bool:
    """Whether two names of Ollama's API mean one model: `latest` may be left out (api.md, Model names)."""
    return one.removesuffix(LATEST) == other.removesuffix(LATEST)


def openai_names(client: ApiClient) -> list[str]:
    """The models of `/v1/models`."""
    return [str(card["id"]) for card in _listed(client, "/v1/models", "data")]


def ollama_names(client: ApiClient) -> list[str]:
    """The models of `/api/tags`."""
    return [str(entry["name"]) for entry in _listed(client, "/api/tags", "models")]


def count_models(names: Sequence[str]) -> int:
    """How many models they name: an alias is no model of its own when there are others."""
    return len({name for name in names if name != DEFAULT_ALIAS}) or len(names)


@dataclass(frozen=True)
class ListedModels:
    """Model names by the list that they come from."""

    names: Mapping[str, Sequence[str]]

    def require_same(self, what: str) -> None:
        """The lists agree in their `names`, or in their `number of models`, and none is empty."""
        if what == "names":
            values = [{name.removesuffix(LATEST) for name in names} for names in self.names.values()]
            equal = all(values) and all(names == values[0] for names in values)
        else:
            counts = {count_models(names) for names in self.names.values()}
            equal = len(counts) == 1 and min(counts) >= 1
        shown = "\n".join(f"  {where}: {', '.join(names)}" for where, names in self.names.items())
        if not equal:
            raise CheckFailed(f"the model lists differ in their {what}:\n{shown}")


def unload_through_gateway(gateway: ChatEndpoint) -> None:
    """Ollama's way: an empty prompt that is to be kept for no time (api.md, Unload a model)."""
    with contextlib.closing(gateway.client(LISTING_SECONDS)) as client:
        reply = client.post("/api/generate", {"model": gateway.model, "keep_alive": 0})
        if reply.status != 200:
            raise CheckFailed(f"the model was not unloaded\n{reply.describe()}")


def manage(client: ApiClient, action: Literal["unload", "reload"]) -> None:
    """Unload the model, or load it again, with mistral.rs' own route."""
    status = {"unload": "unloaded", "reload": "loaded"}[action]
    name = next(name for name in openai_names(client) if name != DEFAULT_ALIAS)
    reply = client.post(f"/v1/models/{action}", {"model_id": name})
    if not (reply.status == 200 and reply.json().get("status") == status):
        raise CheckFailed(f"expected the model to be {status}\n{reply.describe()}")


def require_unloaded(client: ApiClient) -> None:
    """mistral.rs lists its model as not loaded."""

    def states() -> list[Any]:
        cards = _listed(client, "/v1/models", "data")
        return [card.get("status") for card in cards if card["id"] != DEFAULT_ALIAS]

    what = "mistral.rs lists its model as unloaded"
    wait_until(what, lambda: states() == ["unloaded"], timeout=LISTING_SECONDS, seen=states)


def require_none_loaded(client: ApiClient) -> None:
    """The gateway lists no model as loaded."""

    def loaded() -> list[Any]:
        return [entry["name"] for entry in _listed(client, "/api/ps", "models")]

    what = "no model loaded for the gateway"
    wait_until(what, lambda: not loaded(), timeout=LISTING_SECONDS, seen=loaded)


def ask_every_name(client: ApiClient, request: ChatRequest, expected: str) -> list[str]:
    """Ask the same question under every name of the OpenAI model list.

    The result: which names gave no answer or a wrong one, with what came instead.
    """
    failures = []
    for name in openai_names(client):
        endpoint = ChatEndpoint(name, client.base_url, name, OPENAI_CHAT)
        exchange = client.post(endpoint.protocol.path, endpoint.request(request))
        if exchange.status != 200 or endpoint.read_answer(exchange, stream=False).text != expected:
            failures.append(f"{name}: {exchange.status} {exchange.text[:200]!r}")
    return failures


def require_all_answered(failures: Sequence[str]) -> None:
    """Raises AssertionError with the names that did not give the expected answer."""
    if failures:
        heading = "names of the list without the expected answer:"
        raise SeveralFailures("\n  ".join([heading, *failures]), failures)


def _listed(client: ApiClient, path: str, key: str) -> list[JsonObject]:
    exchange = client.get(path)
    if exchange.status != 200:
        raise CheckFailed(f"no list of models\n{exchange.describe()}")
    entries: list[JsonObject] = exchange.json()[key]
    return entries
