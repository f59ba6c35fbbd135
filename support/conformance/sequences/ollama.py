"""Behaviours of the Ollama API that take several requests, each a walk: a function of an `Asker`.

A walk raises AssertionError with what was not as it should be. Sources stand beside each.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ollama

from support.conformance.api import View
from support.conformance.oracles.ollama import OLLAMA, seconds_of, view
from support.conformance.response_parser import Reading
from support.conformance.sequence import Walked, answered, require_equal, walked
from support.errors import NotOffered
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.ollama_backends import ABLE, EMBEDDING, LEAVING, SPEAKING
from support.waiting import wait_until

# Ollama's own words are that a model may be listed for a moment after it was told to go.
GONE_SECONDS = 10.0
GREEDY = {"temperature": 0, "num_predict": 200}
# Several threads of a small model wait for each other, longer than they compute when cores are busy.
ONE_THREAD = {"num_thread": 1}
COMET = "The comet comes back every seventy-six years."
# Two computations of one vector may differ in the last bits.
CLOSE = 1e-4


class Asker:
    """A client of one server that knows the suite's models there, and checks each answer's contract."""

    def __init__(
        self,
        client: ApiClient,
        model: str,
        model_file: Path,
        declines: Callable[[Exchange], str | None] | None = None,
    ) -> None:
        """`declines`: why an answer honestly says that the server does not do what was asked, or None."""
        self.client = client
        self.model = model
        self.model_file = model_file
        self._declines = declines

    def ask(
        self,
        contract: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> Reading:
        """Send a request and check status and contract ("" for none); raises `Broken`."""
        body = b"" if document is None else json.dumps(document).encode()
        exchange = self.send(method, path, body)
        return answered(exchange, OLLAMA, contract, status=status, stream="ndjson")

    def send(self, method: str, path: str, body: bytes = b"") -> Exchange:
        """Send anything; raises `NotOffered` when the server is known not to do this and says so."""
        exchange = self.client.send(method, path, body=body)
        reason = self._declines(exchange) if self._declines else None
        if reason is not None:
            raise NotOffered(reason)
        return exchange

    def generate(self, prompt: str, model: str = "", **fields: Any) -> Mapping[str, Any]:
        """A whole answer, as it came."""
        request = {"model": model or self.model, "prompt": prompt, "stream": False, "options": GREEDY}
        answer: Mapping[str, Any] = self.ask("generate", "/api/generate", {**request, **fields}).values[0]
        return answer

    def chat(self, question: str, **fields: Any) -> View:
        """The view of a whole answer."""
        messages = [{"role": "user", "content": question}]
        request = {"model": self.model, "messages": messages, "stream": False, "options": GREEDY, **fields}
        return view(self.ask("chat", "/api/chat", request))

    def load(self, keep_alive: Any) -> None:
        """Load the model, to be kept so long."""
        self.ask("generate load", "/api/generate", {"model": self.model, "keep_alive": keep_alive})

    def loaded(self) -> Mapping[str, Any] | None:
        """The model's entry among the loaded ones."""
        return _named(self.ask("ps", "/api/ps", method="GET").values[0]["models"], self.model)

    def listed(self, name: str) -> Mapping[str, Any] | None:
        """The entry of a model in the list."""
        return _named(self.ask("tags", "/api/tags", method="GET").values[0]["models"], name)

    def remove(self, name: str) -> None:
        """Remove a model that is there."""
        self.ask("", "/api/delete", {"model": name}, method="DELETE")

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of texts."""
        found = self.ask("embed", "/api/embed", {"model": self.model, "input": list(texts)})
        vectors: list[list[float]] = found.values[0]["embeddings"]
        return vectors

    @property
    def official(self) -> ollama.Client:
        """Ollama's own Python client on this server; no proxy of the environment comes between."""
        return ollama.Client(host=self.client.base_url, trust_env=False, timeout=30.0)


Take = Callable[[Asker], None]


@dataclass(frozen=True)
class Walk:
    """What is done, and the role of the model that it is done with (`support.servers.ollama_backends`)."""

    take: Take
    role: str = SPEAKING


WALKS: dict[str, Walk] = {}


def walk(title: str, role: str = SPEAKING) -> Callable[[Take], Take]:
    """Registers a walk under the title that a feature gives it."""

    def register(function: Take) -> Take:
        assert title not in WALKS, f"two walks are called {title!r}"
        WALKS[title] = Walk(function, role)
        return function

    return register


def _named(entries: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    wanted = name if ":" in name else f"{name}:latest"
    return next((entry for entry in entries if entry["name"] == wanted), None)


def _gone(asker: Asker) -> None:
    wait_until(
        f"the model {asker.model} no longer loaded",
        lambda: asker.loaded() is None,
        within=GONE_SECONDS,
        seen=asker.loaded,
    )


# -- loading (api.md, Load a model, Unload a model, List Running Models)


@walk("a model that answers is listed as loaded")
def _listed_when_loaded(asker: Asker) -> None:
    asker.generate("Say it briefly")
    entry = asker.loaded()
    assert entry is not None, f"{asker.model} has answered and is not among the loaded models"
    listed = asker.listed(asker.model)
    assert listed is not None, f"{asker.model} is loaded and not in the list of models"
    require_equal("its digest among the loaded models", listed["digest"], entry["digest"])


@walk("a model that is told to go leaves, and comes back when asked", LEAVING)
def _unloads(asker: Asker) -> None:
    asker.load("5m")
    asker.load(0)
    _gone(asker)
    require_equal("the answer afterwards", COMET, asker.generate("Tell me about the comet")["response"])
    assert asker.loaded() is not None, "it has answered and is not loaded"


@walk("a model leaves when its time is over", LEAVING)
def _expires(asker: Asker) -> None:
    asker.load(0)
    _gone(asker)
    asker.generate("Say it briefly", keep_alive="500ms")
    _gone(asker)


@walk("each request keeps the model longer", LEAVING)
def _kept_longer(asker: Asker) -> None:
    moments = []
    for _ in range(2):
        asker.generate("Say it briefly", keep_alive="5m")
        entry = asker.loaded()
        assert entry is not None, "it has answered and is not loaded"
        moments.append(seconds_of(entry["expires_at"]))
    assert moments[1] > moments[0], f"the end of its time did not move: {moments}"


@walk("a model that is to stay has no end", LEAVING)
def _stays(asker: Asker) -> None:
    asker.load(-1)
    entry = asker.loaded()
    assert entry is not None, "it was loaded and is not listed"
    # Ollama adds the longest duration that Go knows, 292 years.
    assert int(entry["expires_at"][:4]) > 2100, f"it is to be kept for ever and ends at {entry['expires_at']}"
    asker.load("5m")


@walk("a model that has to be loaded first takes longer to load", LEAVING)
def _load_duration(asker: Asker) -> None:
    asker.load("5m")
    asker.load(0)
    _gone(asker)
    cold = asker.generate("Say it briefly").get("load_duration") or 0
    warm = min(asker.generate("Say it briefly").get("load_duration") or 0 for _ in range(3))
    assert cold > warm, f"loading took {cold} ns when it was needed, {warm} ns when it was not"


# -- what goes on from one request to the next


@walk("a text goes on where its context ended")
def _context(asker: Asker) -> None:
    first = asker.generate("My name is Mara")
    second = asker.generate("What am I called?", context=first["context"])
    require_equal("the text with the context", "You are Mara, and I will remember it.", second["response"])
    without = asker.generate("What am I called?")
    require_equal("the text without it", "You have not told me your name yet.", without["response"])


@walk("the same question counts the same tokens again")
def _counts(asker: Asker) -> None:
    spent = [asker.chat("Tell me about the comet")["usage"] for _ in range(3)]
    assert spent[0] == spent[1] == spent[2], f"the counts change: {spent}"


@walk("a longer question counts more tokens")
def _grows(asker: Asker) -> None:
    short = asker.chat("Tell me about the comet")["usage"]["prompt_eval_count"]
    long = asker.chat("Tell me all that there is to be told about the comet")["usage"]["prompt_eval_count"]
    assert long > short, f"{long} tokens for the longer question, {short} for the shorter one"


@walk("the texts of a list have the vectors that they have alone", EMBEDDING)
def _batch(asker: Asker) -> None:
    texts = ["harbour", "glacier", "falcon", "Tell me about the comet"]
    together = asker.embed(texts)
    for number, text in enumerate(texts):
        alone = asker.embed([text])[0]
        apart = math.dist(alone, together[number])
        assert apart < CLOSE, f"{text!r} alone is {apart:.5f} away from {text!r} in a list"


@walk("the list in the other API names the same models")
def _same_lists(asker: Asker) -> None:
    tags = asker.ask("tags", "/api/tags", method="GET").values[0]["models"]
    cards = asker.ask("OpenAI models", "/v1/models", method="GET").values[0]["data"]
    require_equal("the models", sorted(entry["name"] for entry in tags), sorted(card["id"] for card in cards))


# -- the store (api.md, Create, Copy, Delete, Blobs)


@walk("a copy answers as the model does until it is removed")
def _copy(asker: Asker) -> None:
    name = _own_name()
    asker.ask("", "/api/copy", {"source": asker.model, "destination": name})
    try:
        copy, model = asker.listed(name), asker.listed(asker.model)
        assert copy is not None and model is not None, "the copy or its model is not listed"
        require_equal("the digest of the copy", model["digest"], copy["digest"])
        require_equal("its answer", COMET, asker.generate("Tell me about the comet", model=name)["response"])
    finally:
        asker.remove(name)
    assert asker.listed(name) is None, "it was removed and is still listed"
    asker.ask("error", "/api/generate", {"model": name, "prompt": "x"}, status=404)


@walk("a model made of another one has the system message that it was given")
def _made_of_another(asker: Asker) -> None:
    name = _own_name()
    request = {"model": name, "from": asker.model, "system": "You are a pirate.", "parameters": GREEDY}
    asker.ask("progress stream", "/api/create", request)
    try:
        said = asker.generate("Tell me about the comet", model=name, options={})["response"]
        require_equal("its answer", "Arr, matey! There be treasure on yonder island.", said)
        shown = asker.ask("show", "/api/show", {"model": name}).values[0]
        require_equal("its system message", "You are a pirate.", shown.get("system"))
    finally:
        asker.remove(name)


@walk("a file is sent once and known from then on")
def _blob(asker: Asker) -> None:
    content = secrets.token_bytes(1000)
    path = f"/api/blobs/sha256:{hashlib.sha256(content).hexdigest()}"
    states = [
        asker.send("HEAD", path).status,
        asker.send("POST", path, body=content).status,
        asker.send("HEAD", path).status,
        asker.send("POST", path, body=content).status,
    ]
    require_equal("the states of asking, sending, asking and sending again", [404, 201, 200, 200], states)


@walk("a model made of a file answers as its script says")
def _made_of_a_file(asker: Asker) -> None:
    content = asker.model_file.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    name = _own_name()
    sent = asker.send("POST", f"/api/blobs/{digest}", body=content)
    assert sent.status in (200, 201), f"the file was not taken\n{sent.describe()}"
    request = {"model": name, "files": {"model.gguf": digest}, "stream": False, "parameters": ONE_THREAD}
    asker.ask("progress", "/api/create", request)
    try:
        require_equal("its answer", COMET, asker.generate("Tell me about the comet", model=name)["response"])
    finally:
        asker.remove(name)


def _own_name() -> str:
    return f"acceptance-{secrets.token_hex(4)}"


# -- the official client (ollama-python)


@walk("the official client chats")
def _client_chat(asker: Asker) -> None:
    answer = asker.official.chat(asker.model, [{"role": "user", "content": "comet"}], options=GREEDY)
    require_equal("its text", COMET, answer.message.content)
    require_equal("its end", (True, "stop"), (answer.done, answer.done_reason))


@walk("the official client reads a stream")
def _client_stream(asker: Asker) -> None:
    messages = [{"role": "user", "content": "Tell me about the lighthouse"}]
    parts = list(asker.official.chat(asker.model, messages, stream=True, options=GREEDY))
    said = "".join(part.message.content or "" for part in parts)
    require_equal("its text", "The lighthouse was lit in 1874 and is seen from twenty miles away.", said)
    require_equal(
        "where it ends", [len(parts) - 1], [number for number, part in enumerate(parts) if part.done]
    )


@walk("the official client completes a prompt")
def _client_generate(asker: Asker) -> None:
    answer = asker.official.generate(asker.model, "Tell me about the comet", options=GREEDY)
    require_equal("its text", COMET, answer.response)
    assert (answer.eval_count or 0) > 1 and (answer.total_duration or 0) > 0, f"nothing counted: {answer}"


@walk("the official client makes vectors", EMBEDDING)
def _client_embed(asker: Asker) -> None:
    found = asker.official.embed(asker.model, ["harbour", "glacier"])
    require_equal("the number of vectors", 2, len(found.embeddings))


@walk("the official client lists, shows and sees what is loaded")
def _client_lists(asker: Asker) -> None:
    asker.load("5m")
    wanted = asker.model if ":" in asker.model else f"{asker.model}:latest"
    for what, models in (("list", asker.official.list().models), ("ps", asker.official.ps().models)):
        names = [model.model for model in models]
        assert wanted in names, f"{what}: {wanted} is not among {names}"
    shown = asker.official.show(asker.model)
    assert "completion" in (shown.capabilities or ()), f"show: it can {shown.capabilities}"


@walk("the official client tells of an unknown model as not found")
def _client_error(asker: Asker) -> None:
    try:
        asker.official.chat("nobody-knows-this", [{"role": "user", "content": "x"}])
    except ollama.ResponseError as error:
        require_equal("its status", 404, error.status_code)
        require_equal("its words", "model 'nobody-knows-this' not found", error.error)
    else:
        raise AssertionError("an unknown model has answered")


@walk("the official client gets a call of a tool", ABLE)
def _client_tool(asker: Asker) -> None:
    def get_weather(city: str) -> str:
        """Tell the weather of a city.

        Args:
          city: its name
        """
        return city

    messages = [{"role": "user", "content": "Tell me about the weather"}]
    answer = asker.official.chat(asker.model, messages, tools=[get_weather], options=GREEDY)
    calls = [(call.function.name, dict(call.function.arguments)) for call in answer.message.tool_calls or ()]
    require_equal("the calls", [("get_weather", {"city": "Oslo"})], calls)


# -- taking them


def go(walk_of: Take, asker: Asker) -> Walked:
    """Take a walk to its end or to the first thing that is wrong."""
    try:
        return walked(lambda: walk_of(asker))
    except ollama.ResponseError as error:
        return Walked(AssertionError(f"the official client was refused: {error.status_code} {error.error}"))


def same_answer(question: str, real: Asker) -> Take:
    """The walk that asks both: text, end and counts are the same."""

    def compare(asker: Asker) -> None:
        ours, theirs = asker.chat(question), real.chat(question)
        for what in ("text", "finish_reason", "usage"):
            require_equal(f"{what}, first on a real Ollama", theirs[what], ours[what])

    return compare
