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

from support.conformance.api import NormalizedAnswer
from support.conformance.oracles.ollama import OLLAMA, normalize, unix_seconds
from support.conformance.response_parser import ParsedResponse
from support.conformance.sequence import SequenceResult, require_equal, require_response, run_sequence
from support.errors import NotSupported
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.ollama_backends import EMBEDDING, SCRIPTED, TOOLS, UNLOADABLE
from support.waiting import wait_until

# Ollama's own words are that a model may be listed for a moment after it was told to go.
UNLOAD_SECONDS = 10.0
GREEDY = {"temperature": 0, "num_predict": 200}
# Several threads of a small model wait for each other, longer than they compute when cores are busy.
ONE_THREAD = {"num_thread": 1}
COMET = "The comet comes back every seventy-six years."
# Two computations of one vector may differ in the last bits.
VECTOR_TOLERANCE = 1e-4


class OllamaClient:
    """A client of one server that knows the suite's models there, and checks each answer's contract."""

    def __init__(
        self,
        client: ApiClient,
        model: str,
        model_file: Path,
        unsupported_reason: Callable[[Exchange], str | None] | None = None,
    ) -> None:
        """`declines`: why an answer honestly says that the server does not do what was asked, or None."""
        self.client = client
        self.model = model
        self.model_file = model_file
        self._unsupported_reason = unsupported_reason

    def call(
        self,
        contract: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> ParsedResponse:
        """Send a request and check status and contract ("" for none); raises `Broken`."""
        body = b"" if document is None else json.dumps(document).encode()
        exchange = self.send(method, path, body)
        return require_response(exchange, OLLAMA, contract, status=status, stream="ndjson")

    def send(self, method: str, path: str, body: bytes = b"") -> Exchange:
        """Send anything; raises `NotOffered` when the server is known not to do this and says so."""
        exchange = self.client.send(method, path, body=body)
        reason = self._unsupported_reason(exchange) if self._unsupported_reason else None
        if reason is not None:
            raise NotSupported(reason)
        return exchange

    def generate(self, prompt: str, model: str = "", **fields: Any) -> Mapping[str, Any]:
        """A whole answer, as it came."""
        request = {"model": model or self.model, "prompt": prompt, "stream": False, "options": GREEDY}
        answer: Mapping[str, Any] = self.call("generate", "/api/generate", {**request, **fields}).values[0]
        return answer

    def chat(self, question: str, **fields: Any) -> NormalizedAnswer:
        """The view of a whole answer."""
        messages = [{"role": "user", "content": question}]
        request = {"model": self.model, "messages": messages, "stream": False, "options": GREEDY, **fields}
        return normalize(self.call("chat", "/api/chat", request))

    def load(self, keep_alive: Any) -> None:
        """Load the model, to be kept so long."""
        self.call("generate load", "/api/generate", {"model": self.model, "keep_alive": keep_alive})

    def loaded_entry(self) -> Mapping[str, Any] | None:
        """The model's entry among the loaded ones."""
        return _entry_named(self.call("ps", "/api/ps", method="GET").values[0]["models"], self.model)

    def model_entry(self, name: str) -> Mapping[str, Any] | None:
        """The entry of a model in the list."""
        return _entry_named(self.call("tags", "/api/tags", method="GET").values[0]["models"], name)

    def delete(self, name: str) -> None:
        """Remove a model that is there."""
        self.call("", "/api/delete", {"model": name}, method="DELETE")

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of texts."""
        found = self.call("embed", "/api/embed", {"model": self.model, "input": list(texts)})
        vectors: list[list[float]] = found.values[0]["embeddings"]
        return vectors

    @property
    def official_client(self) -> ollama.Client:
        """Ollama's own Python client on this server; no proxy of the environment comes between."""
        return ollama.Client(host=self.client.base_url, trust_env=False, timeout=30.0)


Steps = Callable[[OllamaClient], None]


@dataclass(frozen=True)
class RequestSequence:
    """What is done, and the role of the model that it is done with (`support.servers.ollama_backends`)."""

    steps: Steps
    role: str = SCRIPTED


SEQUENCES: dict[str, RequestSequence] = {}


def sequence(title: str, role: str = SCRIPTED) -> Callable[[Steps], Steps]:
    """Registers a walk under the title that a feature gives it."""

    def register(function: Steps) -> Steps:
        assert title not in SEQUENCES, f"two walks are called {title!r}"
        SEQUENCES[title] = RequestSequence(function, role)
        return function

    return register


def _entry_named(entries: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    wanted = name if ":" in name else f"{name}:latest"
    return next((entry for entry in entries if entry["name"] == wanted), None)


def _wait_until_unloaded(client: OllamaClient) -> None:
    wait_until(
        f"the model {client.model} no longer loaded",
        lambda: client.loaded_entry() is None,
        timeout=UNLOAD_SECONDS,
        seen=client.loaded_entry,
    )


# -- loading (api.md, Load a model, Unload a model, List Running Models)


@sequence("a model that answers is listed as loaded")
def _loaded_after_answer(client: OllamaClient) -> None:
    client.generate("Say it briefly")
    entry = client.loaded_entry()
    assert entry is not None, f"{client.model} has answered and is not among the loaded models"
    listed = client.model_entry(client.model)
    assert listed is not None, f"{client.model} is loaded and not in the list of models"
    require_equal("its digest among the loaded models", listed["digest"], entry["digest"])


@sequence("a model that is told to go leaves, and comes back when asked", UNLOADABLE)
def _unload_and_reload(client: OllamaClient) -> None:
    client.load("5m")
    client.load(0)
    _wait_until_unloaded(client)
    require_equal("the answer afterwards", COMET, client.generate("Tell me about the comet")["response"])
    assert client.loaded_entry() is not None, "it has answered and is not loaded"


@sequence("a model leaves when its time is over", UNLOADABLE)
def _keep_alive_expires(client: OllamaClient) -> None:
    client.load(0)
    _wait_until_unloaded(client)
    client.generate("Say it briefly", keep_alive="500ms")
    _wait_until_unloaded(client)


@sequence("each request keeps the model longer", UNLOADABLE)
def _keep_alive_extended(client: OllamaClient) -> None:
    moments = []
    for _ in range(2):
        client.generate("Say it briefly", keep_alive="5m")
        entry = client.loaded_entry()
        assert entry is not None, "it has answered and is not loaded"
        moments.append(unix_seconds(entry["expires_at"]))
    assert moments[1] > moments[0], f"the end of its time did not move: {moments}"


@sequence("a model that is to stay has no end", UNLOADABLE)
def _keep_alive_forever(client: OllamaClient) -> None:
    client.load(-1)
    entry = client.loaded_entry()
    assert entry is not None, "it was loaded and is not listed"
    # Ollama adds the longest duration that Go knows, 292 years.
    assert int(entry["expires_at"][:4]) > 2100, f"it is to be kept for ever and ends at {entry['expires_at']}"
    client.load("5m")


@sequence("a model that has to be loaded first takes longer to load", UNLOADABLE)
def _load_duration(client: OllamaClient) -> None:
    client.load("5m")
    client.load(0)
    _wait_until_unloaded(client)
    cold = client.generate("Say it briefly").get("load_duration") or 0
    warm = min(client.generate("Say it briefly").get("load_duration") or 0 for _ in range(3))
    assert cold > warm, f"loading took {cold} ns when it was needed, {warm} ns when it was not"


# -- what goes on from one request to the next


@sequence("a text goes on where its context ended")
def _context_continued(client: OllamaClient) -> None:
    first = client.generate("My name is Mara")
    second = client.generate("What am I called?", context=first["context"])
    require_equal("the text with the context", "You are Mara, and I will remember it.", second["response"])
    without = client.generate("What am I called?")
    require_equal("the text without it", "You have not told me your name yet.", without["response"])


@sequence("the same question counts the same tokens again")
def _token_counts_stable(client: OllamaClient) -> None:
    spent = [client.chat("Tell me about the comet")["usage"] for _ in range(3)]
    assert spent[0] == spent[1] == spent[2], f"the counts change: {spent}"


@sequence("a longer question counts more tokens")
def _longer_prompt_more_tokens(client: OllamaClient) -> None:
    short = client.chat("Tell me about the comet")["usage"]["prompt_eval_count"]
    long = client.chat("Tell me all that there is to be told about the comet")["usage"]["prompt_eval_count"]
    assert long > short, f"{long} tokens for the longer question, {short} for the shorter one"


@sequence("the texts of a list have the vectors that they have alone", EMBEDDING)
def _batch_equals_single(client: OllamaClient) -> None:
    texts = ["harbour", "glacier", "falcon", "Tell me about the comet"]
    together = client.embed(texts)
    for number, text in enumerate(texts):
        alone = client.embed([text])[0]
        apart = math.dist(alone, together[number])
        assert apart < VECTOR_TOLERANCE, f"{text!r} alone is {apart:.5f} away from {text!r} in a list"


@sequence("the list in the other API names the same models")
def _model_lists_equal(client: OllamaClient) -> None:
    tags = client.call("tags", "/api/tags", method="GET").values[0]["models"]
    cards = client.call("OpenAI models", "/v1/models", method="GET").values[0]["data"]
    require_equal("the models", sorted(entry["name"] for entry in tags), sorted(card["id"] for card in cards))


# -- the store (api.md, Create, Copy, Delete, Blobs)


@sequence("a copy answers as the model does until it is removed")
def _copy(client: OllamaClient) -> None:
    name = _unique_name()
    client.call("", "/api/copy", {"source": client.model, "destination": name})
    try:
        copy, model = client.model_entry(name), client.model_entry(client.model)
        assert copy is not None and model is not None, "the copy or its model is not listed"
        require_equal("the digest of the copy", model["digest"], copy["digest"])
        require_equal("its answer", COMET, client.generate("Tell me about the comet", model=name)["response"])
    finally:
        client.delete(name)
    assert client.model_entry(name) is None, "it was removed and is still listed"
    client.call("error", "/api/generate", {"model": name, "prompt": "x"}, status=404)


@sequence("a model made of another one has the system message that it was given")
def _create_from_model(client: OllamaClient) -> None:
    name = _unique_name()
    request = {"model": name, "from": client.model, "system": "You are a pirate.", "parameters": GREEDY}
    client.call("progress stream", "/api/create", request)
    try:
        said = client.generate("Tell me about the comet", model=name, options={})["response"]
        require_equal("its answer", "Arr, matey! There be treasure on yonder island.", said)
        shown = client.call("show", "/api/show", {"model": name}).values[0]
        require_equal("its system message", "You are a pirate.", shown.get("system"))
    finally:
        client.delete(name)


@sequence("a file is sent once and known from then on")
def _upload_blob(client: OllamaClient) -> None:
    content = secrets.token_bytes(1000)
    path = f"/api/blobs/sha256:{hashlib.sha256(content).hexdigest()}"
    states = [
        client.send("HEAD", path).status,
        client.send("POST", path, body=content).status,
        client.send("HEAD", path).status,
        client.send("POST", path, body=content).status,
    ]
    require_equal("the states of asking, sending, asking and sending again", [404, 201, 200, 200], states)


@sequence("a model made of a file answers as its script says")
def _create_from_file(client: OllamaClient) -> None:
    content = client.model_file.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    name = _unique_name()
    sent = client.send("POST", f"/api/blobs/{digest}", body=content)
    assert sent.status in (200, 201), f"the file was not taken\n{sent.describe()}"
    request = {"model": name, "files": {"model.gguf": digest}, "stream": False, "parameters": ONE_THREAD}
    client.call("progress", "/api/create", request)
    try:
        require_equal("its answer", COMET, client.generate("Tell me about the comet", model=name)["response"])
    finally:
        client.delete(name)


def _unique_name() -> str:
    return f"acceptance-{secrets.token_hex(4)}"


# -- the official client (ollama-python)


@sequence("the official client chats")
def _client_chat(client: OllamaClient) -> None:
    answer = client.official_client.chat(client.model, [{"role": "user", "content": "comet"}], options=GREEDY)
    require_equal("its text", COMET, answer.message.content)
    require_equal("its end", (True, "stop"), (answer.done, answer.done_reason))


@sequence("the official client reads a stream")
def _client_stream(client: OllamaClient) -> None:
    messages = [{"role": "user", "content": "Tell me about the lighthouse"}]
    parts = list(client.official_client.chat(client.model, messages, stream=True, options=GREEDY))
    said = "".join(part.message.content or "" for part in parts)
    require_equal("its text", "The lighthouse was lit in 1874 and is seen from twenty miles away.", said)
    require_equal(
        "where it ends", [len(parts) - 1], [number for number, part in enumerate(parts) if part.done]
    )


@sequence("the official client completes a prompt")
def _client_generate(client: OllamaClient) -> None:
    answer = client.official_client.generate(client.model, "Tell me about the comet", options=GREEDY)
    require_equal("its text", COMET, answer.response)
    assert (answer.eval_count or 0) > 1 and (answer.total_duration or 0) > 0, f"nothing counted: {answer}"


@sequence("the official client makes vectors", EMBEDDING)
def _client_embed(client: OllamaClient) -> None:
    found = client.official_client.embed(client.model, ["harbour", "glacier"])
    require_equal("the number of vectors", 2, len(found.embeddings))


@sequence("the official client lists, shows and sees what is loaded")
def _client_lists(client: OllamaClient) -> None:
    client.load("5m")
    wanted = client.model if ":" in client.model else f"{client.model}:latest"
    for what, models in (
        ("list", client.official_client.list().models),
        ("ps", client.official_client.ps().models),
    ):
        names = [model.model for model in models]
        assert wanted in names, f"{what}: {wanted} is not among {names}"
    shown = client.official_client.show(client.model)
    assert "completion" in (shown.capabilities or ()), f"show: it can {shown.capabilities}"


@sequence("the official client tells of an unknown model as not found")
def _client_error(client: OllamaClient) -> None:
    try:
        client.official_client.chat("nobody-knows-this", [{"role": "user", "content": "x"}])
    except ollama.ResponseError as error:
        require_equal("its status", 404, error.status_code)
        require_equal("its words", "model 'nobody-knows-this' not found", error.error)
    else:
        raise AssertionError("an unknown model has answered")


@sequence("the official client gets a call of a tool", TOOLS)
def _client_tool(client: OllamaClient) -> None:
    def get_weather(city: str) -> str:
        """Tell the weather of a city.

        Args:
          city: its name
        """
        return city

    messages = [{"role": "user", "content": "Tell me about the weather"}]
    answer = client.official_client.chat(client.model, messages, tools=[get_weather], options=GREEDY)
    calls = [(call.function.name, dict(call.function.arguments)) for call in answer.message.tool_calls or ()]
    require_equal("the calls", [("get_weather", {"city": "Oslo"})], calls)


# -- taking them


def run_ollama_sequence(steps: Steps, client: OllamaClient) -> SequenceResult:
    """Take a walk to its end or to the first thing that is wrong."""
    try:
        return run_sequence(lambda: steps(client))
    except ollama.ResponseError as error:
        return SequenceResult(
            AssertionError(f"the official client was refused: {error.status_code} {error.error}")
        )


def same_answer(question: str, reference: OllamaClient) -> Steps:
    """The walk that asks both: text, end and counts are the same."""

    def compare(asker: OllamaClient) -> None:
        ours, theirs = asker.chat(question), reference.chat(question)
        for what in ("text", "finish_reason", "usage"):
            require_equal(f"{what}, first on a real Ollama", theirs[what], ours[what])

    return compare
