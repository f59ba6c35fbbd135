"""Sequences of the Ollama API: loading and unloading, state across requests, the model store, its client.

Ollama's own package is imported where it is used: the ids of the sequences are needed at every start.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from support.conformance.api import NormalizedAnswer
from support.conformance.sequence import CheckedClient, Steps, require_equal, sequence
from support.errors import CheckFailed
from support.http.body_limit import ACCEPTED_ENCODINGS, limit_body
from support.http.client import RequestFailed, tls_context
from support.models.gguf_details import read_details
from support.models.script import COMET_ANSWER
from support.servers.ollama_backends import LATEST
from support.units import JsonMapping
from support.waiting import wait_until

if TYPE_CHECKING:
    import ollama

# Ollama documents that a model may be listed for a moment after it was unloaded.
UNLOAD_SECONDS = 10.0
GREEDY = {"temperature": 0, "num_predict": 200}
# Several threads of a small model wait for each other, longer than they compute when cores are busy.
ONE_THREAD = {"num_thread": 1}
# Two computations of one vector may differ in the last bits.
VECTOR_TOLERANCE = 1e-4
FILE_SIZE_SLACK = 1.05
# 2.25M: three digits.
PARAMETER_SIZE_SLACK = 5e-3


class OllamaClient(CheckedClient):
    @property
    def model_file(self) -> Path:
        """The GGUF file of the scripted model."""
        if self.server.model_file is None:
            raise CheckFailed("this server has no file of the scripted model")
        return self.server.model_file()

    def generate(self, prompt: str, model: str = "", **fields: object) -> JsonMapping:
        """A non-streamed answer."""
        request = {"model": model or self.model, "prompt": prompt, "stream": False, "options": GREEDY}
        answer: JsonMapping = self.call("generate", "/api/generate", {**request, **fields}).values[0]
        return answer

    def require_comet_answer(self, model: str = "") -> None:
        """The scripted answer of a model; raises AssertionError for another one."""
        answer = self.generate("Tell me about the comet", model)["response"]
        require_equal(f"the answer of {model or self.model}", COMET_ANSWER, answer)

    def chat(self, question: str, **fields: object) -> NormalizedAnswer:
        """A non-streamed answer, normalized."""
        messages = [{"role": "user", "content": question}]
        request = {"model": self.model, "messages": messages, "stream": False, "options": GREEDY, **fields}
        return self.api.normalize(self.call("chat", "/api/chat", request))

    def load(self, keep_alive: object, model: str = "") -> None:
        """Load a model, or unload it with a keep_alive of 0."""
        request = {"model": model or self.model, "keep_alive": keep_alive}
        self.call("generate load", "/api/generate", request)

    def loaded_entry(self, model: str = "") -> JsonMapping | None:
        """A model's entry among the loaded ones."""
        loaded = self.call("ps", "/api/ps", method="GET").values[0]["models"]
        return _entry_named(loaded, model or self.model)

    def require_loaded(self, model: str = "") -> JsonMapping:
        """The same; raises AssertionError when the model is not loaded."""
        entry = self.loaded_entry(model)
        if entry is None:
            raise CheckFailed(f"{model or self.model} has been used and is not among the loaded models")
        return entry

    def discard(self, name: str) -> None:
        """Unload and delete a model that a check made.

        Unloaded first: Ollama would list the file that it shares with another model under its name.
        """
        if self.model_entry(name) is not None:
            self.load(0, name)
            _wait_until_unloaded(self, name)
        self.delete(name)

    def model_entry(self, name: str) -> JsonMapping | None:
        return _entry_named(self.call("tags", "/api/tags", method="GET").values[0]["models"], name)

    def delete(self, name: str) -> None:
        self.call("", "/api/delete", {"model": name}, method="DELETE")

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        found = self.call("embed", "/api/embed", {"model": self.model, "input": list(texts)})
        vectors: list[list[float]] = found.values[0]["embeddings"]
        return vectors

    @property
    def official_client(self) -> ollama.Client:
        """Ollama's own Python client on this server, without the proxies of the environment."""
        import ollama

        url = self.client.base_url
        return ollama.Client(
            host=url,
            headers=ACCEPTED_ENCODINGS,
            trust_env=False,
            timeout=30.0,
            verify=tls_context(url),
            event_hooks={"response": [limit_body]},
        )


CLIENT = OllamaClient


def client_sequence(name: str) -> Callable[[Steps], Steps]:
    """A sequence with the official client; its errors are failures of the server."""

    def register(steps: Steps) -> Steps:
        def run(client: OllamaClient) -> None:
            import httpx
            import ollama

            try:
                steps(client)
            except ollama.ResponseError as error:
                message = f"the official client raised an error: {error.status_code} {error.error}"
                raise CheckFailed(message) from error
            except (ConnectionError, httpx.HTTPError) as error:
                raise RequestFailed(f"the official client got no response: {error}") from error

        return sequence(name)(run)

    return register


def _entry_named(entries: Sequence[JsonMapping], name: str) -> JsonMapping | None:
    return next((entry for entry in entries if entry["name"] == _full_name(name)), None)


def _full_name(name: str) -> str:
    return name if ":" in name else name + LATEST


def _wait_until_unloaded(client: OllamaClient, model: str = "") -> None:
    def loaded() -> JsonMapping | None:
        return client.loaded_entry(model)

    wait_until(
        f"the model {model or client.model} no longer loaded",
        lambda: loaded() is None,
        timeout=UNLOAD_SECONDS,
        seen=loaded,
    )


# -- loading (api.md, Load a model, Unload a model, List Running Models)


@sequence("ollama.lifecycle.loaded.listed")
def _loaded_after_answer(client: OllamaClient) -> None:
    client.generate("Say it briefly")
    entry = client.require_loaded()
    listed = client.model_entry(client.model)
    if listed is None:
        raise CheckFailed(f"{client.model} is loaded and not in the list of models")
    require_equal("its digest among the loaded models", listed["digest"], entry["digest"])


@sequence("ollama.lifecycle.unload_reload")
def _unload_and_reload(client: OllamaClient) -> None:
    client.load("5m")
    client.load(0)
    _wait_until_unloaded(client)
    client.require_comet_answer()
    client.require_loaded()


@sequence("ollama.lifecycle.keep_alive.expires")
def _keep_alive_expires(client: OllamaClient) -> None:
    client.load(0)
    _wait_until_unloaded(client)
    client.generate("Say it briefly", keep_alive="500ms")
    _wait_until_unloaded(client)


@sequence("ollama.lifecycle.keep_alive.extended")
def _keep_alive_extended(client: OllamaClient) -> None:
    from support.conformance.oracles.ollama import unix_seconds

    moments = []
    for _ in range(2):
        client.generate("Say it briefly", keep_alive="5m")
        moments.append(unix_seconds(client.require_loaded()["expires_at"]))
    if moments[1] <= moments[0]:
        raise CheckFailed(f"the end of its time did not move: {moments}")


@sequence("ollama.lifecycle.keep_alive.indefinite")
def _keep_alive_forever(client: OllamaClient) -> None:
    client.load(-1)
    end = client.require_loaded()["expires_at"]
    # Ollama adds the longest duration that Go knows, 292 years.
    if int(end[:4]) <= 2100:
        raise CheckFailed(f"it is to be kept for ever and ends at {end}")
    client.load("5m")


@sequence("ollama.lifecycle.load_duration.cold")
def _load_duration(client: OllamaClient) -> None:
    client.load("5m")
    client.load(0)
    _wait_until_unloaded(client)
    cold = client.generate("Say it briefly").get("load_duration") or 0
    warm = min(client.generate("Say it briefly").get("load_duration") or 0 for _ in range(3))
    if cold <= warm:
        raise CheckFailed(f"loading took {cold} ns when it was needed, {warm} ns when it was not")


@sequence("ollama.lifecycle.same_file.listed")
def _copy_listed(client: OllamaClient) -> None:
    name = _unique_name()
    client.call("", "/api/copy", {"source": client.model, "destination": name})
    try:
        for model in (client.model, name):
            client.load("5m", model)
            client.require_loaded(model)
    finally:
        client.discard(name)


# -- what goes on from one request to the next


@sequence("ollama.state.context.continued")
def _context_continued(client: OllamaClient) -> None:
    first = client.generate("My name is Mara")
    if "context" not in first:
        raise CheckFailed("the first response has no context")
    second = client.generate("What am I called?", context=first["context"])
    require_equal("the text with the context", "You are Mara, and I will remember it.", second["response"])
    without = client.generate("What am I called?")
    require_equal("the text without it", "You have not told me your name yet.", without["response"])


@sequence("ollama.state.usage.same")
def _token_counts_stable(client: OllamaClient) -> None:
    spent = [client.chat("Tell me about the comet")["usage"] for _ in range(3)]
    if not (spent[0] == spent[1] == spent[2]):
        raise CheckFailed(f"the counts change: {spent}")


@sequence("ollama.state.usage.longer_prompt")
def _longer_prompt_more_tokens(client: OllamaClient) -> None:
    short = client.chat("Tell me about the comet")["usage"]["prompt_eval_count"]
    long = client.chat("Tell me all that there is to be told about the comet")["usage"]["prompt_eval_count"]
    if long <= short:
        raise CheckFailed(f"{long} tokens for the longer question, {short} for the shorter one")


@sequence("ollama.state.embed.batch")
def _batch_equals_single(client: OllamaClient) -> None:
    texts = ["harbour", "glacier", "falcon", "Tell me about the comet"]
    together = client.embed(texts)
    require_equal("the number of vectors", len(texts), len(together))
    for number, text in enumerate(texts):
        alone = client.embed([text])
        require_equal("the sizes of the vectors", [len(together[number])], list(map(len, alone)))
        apart = math.dist(alone[0], together[number])
        if not (apart < VECTOR_TOLERANCE):
            raise CheckFailed(f"{text!r} alone is {apart:.5f} away from {text!r} in a list")


@sequence("ollama.state.v1_models.same_list")
def _model_lists_equal(client: OllamaClient) -> None:
    tags = client.call("tags", "/api/tags", method="GET").values[0]["models"]
    cards = client.call("OpenAI models", "/v1/models", method="GET").values[0]["data"]
    require_equal("the models", sorted(entry["name"] for entry in tags), sorted(card["id"] for card in cards))


# -- the model file (the GGUF specification)


@sequence("ollama.tags.details.model_file")
def _listed_details(client: OllamaClient) -> None:
    entry = client.model_entry(client.model)
    if entry is None:
        raise CheckFailed(f"{client.model} is not in the list of models")
    _require_details(client, entry["details"])
    size = client.model_file.stat().st_size
    # Ollama counts its own small files as well: template, parameters, licence.
    if not (size <= entry["size"] <= size * FILE_SIZE_SLACK):
        raise CheckFailed(f"expected the size of the file, {size} bytes, got {entry['size']}")


@sequence("ollama.ps.details.model_file")
def _loaded_details(client: OllamaClient) -> None:
    client.load("5m")
    entry = client.require_loaded()
    _require_details(client, entry["details"])
    longest = read_details(client.model_file).info["llama.context_length"]
    if entry["context_length"] > longest:
        raise CheckFailed(f"expected a context of at most {longest} tokens, got {entry['context_length']}")


@sequence("ollama.show.details.model_file")
def _shown_details(client: OllamaClient) -> None:
    shown = client.call("show", "/api/show", {"model": client.model}).values[0]
    _require_details(client, shown["details"])
    file, info = read_details(client.model_file), shown["model_info"]
    require_equal("general.parameter_count", file.parameters, info.get("general.parameter_count"))
    for key, value in file.info.items():
        shown_value = info.get(key)
        is_number = isinstance(shown_value, int | float)
        if not (is_number and math.isclose(value, shown_value, rel_tol=1e-6)):
            raise CheckFailed(f"{key} of model_info: expected {value!r}, got {info.get(key)!r}")


def _require_details(client: OllamaClient, details: JsonMapping) -> None:
    file = read_details(client.model_file)
    require_equal("the format", "gguf", details["format"])
    require_equal("the family", file.architecture, details["family"])
    require_equal("the families", [file.architecture], details["families"])
    require_equal("the quantization_level", file.quantization, details["quantization_level"])
    shown = details["parameter_size"]
    number = float(shown.rstrip("KMBT")) * 1000 ** " KMBT".index(shown.lstrip("0123456789.") or " ")
    if not math.isclose(number, file.parameters, rel_tol=PARAMETER_SIZE_SLACK):
        raise CheckFailed(f"expected the parameter_size of {file.parameters} parameters, got {shown!r}")


# -- the store (api.md, Create, Copy, Delete, Blobs)


@sequence("ollama.store.copy.until_deleted")
def _copy(client: OllamaClient) -> None:
    name = _unique_name()
    client.call("", "/api/copy", {"source": client.model, "destination": name})
    try:
        copy, model = client.model_entry(name), client.model_entry(client.model)
        if not (copy is not None and model is not None):
            raise CheckFailed("the copy or its model is not listed")
        require_equal("the digest of the copy", model["digest"], copy["digest"])
        client.require_comet_answer(name)
    finally:
        client.discard(name)
    if client.model_entry(name) is not None:
        raise CheckFailed("it was removed and is still listed")
    client.call("error", "/api/generate", {"model": name, "prompt": "x"}, status=404)


@sequence("ollama.store.create.system_message")
def _create_from_model(client: OllamaClient) -> None:
    name = _unique_name()
    request = {"model": name, "from": client.model, "system": "You are a pirate.", "parameters": GREEDY}
    client.call("progress stream", "/api/create", request)
    try:
        text = client.generate("Tell me about the comet", model=name, options={})["response"]
        require_equal("its answer", "Arr, matey! There be treasure on yonder island.", text)
        shown = client.call("show", "/api/show", {"model": name}).values[0]
        require_equal("its system message", "You are a pirate.", shown.get("system"))
    finally:
        client.discard(name)


@sequence("ollama.store.blobs.uploaded")
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


@sequence("ollama.store.create.gguf_file")
def _create_from_file(client: OllamaClient) -> None:
    content = client.model_file.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    name = _unique_name()
    sent = client.send("POST", f"/api/blobs/{digest}", body=content)
    if sent.status not in (200, 201):
        raise CheckFailed(f"the file was not taken\n{sent.describe()}")
    request = {"model": name, "files": {"model.gguf": digest}, "stream": False, "parameters": ONE_THREAD}
    client.call("progress", "/api/create", request)
    try:
        client.require_comet_answer(name)
    finally:
        client.discard(name)


def _unique_name() -> str:
    return f"acceptance-{secrets.token_hex(4)}"


# -- the official client (ollama-python)


@client_sequence("ollama.client.chat.answer")
def _client_chat(client: OllamaClient) -> None:
    answer = client.official_client.chat(client.model, [{"role": "user", "content": "comet"}], options=GREEDY)
    require_equal("its text", COMET_ANSWER, answer.message.content)
    require_equal("its end", (True, "stop"), (answer.done, answer.done_reason))


@client_sequence("ollama.client.chat.stream")
def _client_stream(client: OllamaClient) -> None:
    messages = [{"role": "user", "content": "Tell me about the lighthouse"}]
    parts = list(client.official_client.chat(client.model, messages, stream=True, options=GREEDY))
    text = "".join(part.message.content or "" for part in parts)
    require_equal("its text", "The lighthouse was lit in 1874 and is seen from twenty miles away.", text)
    require_equal(
        "where it ends", [len(parts) - 1], [number for number, part in enumerate(parts) if part.done]
    )


@client_sequence("ollama.client.generate.answer")
def _client_generate(client: OllamaClient) -> None:
    answer = client.official_client.generate(client.model, "Tell me about the comet", options=GREEDY)
    require_equal("its text", COMET_ANSWER, answer.response)
    if not ((answer.eval_count or 0) > 1 and (answer.total_duration or 0) > 0):
        raise CheckFailed(f"nothing counted: {answer}")


@client_sequence("ollama.client.embed.array")
def _client_embed(client: OllamaClient) -> None:
    found = client.official_client.embed(client.model, ["harbour", "glacier"])
    require_equal("the number of vectors", 2, len(found.embeddings))


@client_sequence("ollama.client.models.list_ps_show")
def _client_lists(client: OllamaClient) -> None:
    client.load("5m")
    wanted = _full_name(client.model)
    for what, models in (
        ("list", client.official_client.list().models),
        ("ps", client.official_client.ps().models),
    ):
        names = [model.model for model in models]
        if wanted not in names:
            raise CheckFailed(f"{what}: {wanted} is not among {names}")
    shown = client.official_client.show(client.model)
    if "completion" not in (shown.capabilities or ()):
        raise CheckFailed(f"show: it can {shown.capabilities}")


@client_sequence("ollama.client.errors.unknown_model")
def _client_error(client: OllamaClient) -> None:
    import ollama

    try:
        client.official_client.chat("nobody-knows-this", [{"role": "user", "content": "x"}])
    except ollama.ResponseError as error:
        require_equal("its status", 404, error.status_code)
        require_equal("its words", "model 'nobody-knows-this' not found", error.error)
    else:
        raise CheckFailed("an unknown model has answered")


@client_sequence("ollama.client.tools.call")
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


# -- the same question on two servers


def require_same_answer(question: str, client: OllamaClient, reference: OllamaClient) -> None:
    """Text, finish reason and token counts are the same on both servers; raises AssertionError."""
    actual, expected = client.chat(question), reference.chat(question)
    for what in ("text", "finish_reason", "usage"):
        require_equal(f"{what}, compared with a real Ollama", expected[what], actual[what])
