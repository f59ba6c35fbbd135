"""Sequences of the Ollama API: failures are reported, and a comparison notices every difference."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import httpx
import ollama
import pytest

from support.bundled.ollama_gateway import errors
from support.conformance.case_table import cases_of
from support.conformance.missing_routes import MissingRoutes, optional_routes, unsupported_reason
from support.conformance.sequence import STEPS
from support.conformance.sequences.ollama import OllamaClient, client_sequence, require_same_answer
from support.errors import NotSupported
from support.http.client import RequestFailed
from support.http.exchange import Exchange
from support.models.store import ModelStore
from support.servers.endpoints import Endpoint
from support.settings import default_cache
from tests.conformance import samples

GATEWAY = "mistralrs-gateway"
CASES = ("ollama.generate.answer.exact", "ollama.generate.prompt.template", "ollama.generate.options.unknown")
CLIENT_SEQUENCE = "ollama.client.chat.answer"
COPYING = "ollama.store.copy.until_deleted"
UNLOADING = "ollama.lifecycle.keep_alive.expires"


class Refusing:
    """A client that gets the same response to every request."""

    base_url = "http://127.0.0.1:1"

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = status, body

    def send(self, method: str, path: str, *, body: bytes = b"", headers: object = None) -> Exchange:
        status, said = self._answer
        return Exchange(method, self.base_url + path, {}, body, status, {}, said, 0.01)


class Toy:
    """A client with a given answer to every question."""

    def __init__(self, **view: Any) -> None:
        usage = {"prompt_eval_count": 5, "eval_count": 2}
        self.view = {"text": "Yes.", "finish_reason": "stop", "usage": usage, **view}

    def chat(self, question: str) -> dict[str, Any]:
        return self.view


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (ollama.ResponseError("no such model", 404), AssertionError, "404 no such model"),
        (ConnectionError("refused"), RequestFailed, "no response: refused"),
        (httpx.ReadTimeout("too late"), RequestFailed, "no response: too late"),
        (ZeroDivisionError("by zero"), ZeroDivisionError, "by zero"),
    ],
)
def test_only_errors_of_the_server_are_failures(
    error: Exception, raised: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(STEPS, CLIENT_SEQUENCE)

    @client_sequence(CLIENT_SEQUENCE)
    def failing(client: Any) -> None:
        raise error

    with pytest.raises(raised, match=message):
        STEPS[CLIENT_SEQUENCE](Toy())


@pytest.mark.parametrize(
    "other",
    [
        {"text": "No."},
        {"finish_reason": "length"},
        {"usage": {"prompt_eval_count": 6, "eval_count": 2}},
        {"usage": {"prompt_eval_count": 5, "eval_count": 3}},
    ],
    ids=repr,
)
def test_a_comparison_notices_every_difference(other: dict[str, Any]) -> None:
    real: Any = Toy()
    ours: Any = Toy(**other)
    require_same_answer("x", real, real)
    with pytest.raises(AssertionError, match=next(iter(other))):
        require_same_answer("x", ours, real)


def rejecting(reason: Any, feature: str = "copying a model") -> OllamaClient:
    """A client of a server that rejects every request as unsupported."""
    error = json.dumps({"error": f"{feature} is not supported by this gateway"}).encode()
    client: Any = Refusing(501, error)
    server = Endpoint("toy", "ollama", client.base_url, {"model": "tiny"}, unsupported_reason=reason)
    return OllamaClient(client, server)


def listed(*, unloads: bool) -> Any:
    return partial(unsupported_reason, GATEWAY, unloads=unloads)


def test_what_a_server_is_listed_to_lack_is_unsupported() -> None:
    copying, unloading = (STEPS[name] for name in (COPYING, UNLOADING))
    with pytest.raises(NotSupported, match="copying a model"):
        copying(rejecting(listed(unloads=True)))
    with pytest.raises(NotSupported, match="unloading a model"):
        unloading(rejecting(listed(unloads=False), "unloading a model"))
    # A request that unloads nothing is not excused by the message.
    chat = partial(OllamaClient.generate, prompt="x")
    for steps, client in (
        (chat, rejecting(listed(unloads=False), "unloading a model")),
        (copying, rejecting(None)),
        (copying, rejecting(listed(unloads=True), "anything at all")),
        (unloading, rejecting(listed(unloads=True), "unloading a model")),
    ):
        with pytest.raises(AssertionError, match="expected 200"):
            steps(client)


def test_the_gateway_rejects_what_the_suite_lists_and_nothing_else() -> None:
    """The gateway's own list (a product under test) against the suite's."""
    routes = {(route.method, route.path, route.feature) for route in optional_routes(GATEWAY) if route.path}
    assert routes == set(errors.UNSUPPORTED_ROUTES)
    features = [route for route in optional_routes(GATEWAY) if not route.path]
    assert [route.feature for route in features] == [errors.UNLOADING]
    for route in optional_routes(GATEWAY):
        assert route.message == errors.not_supported(route.feature).message


def test_a_rejected_feature_is_no_missing_route() -> None:
    routes = MissingRoutes()
    healthy, feature, other = (cases_of("ollama")[name] for name in CASES)
    routes.mark_served("gateway", healthy)
    routes.mark_missing("gateway", feature)
    assert routes.reason_for_case("gateway", other) is None
    routes.mark_missing("elsewhere", feature)
    assert "has no POST /api/generate" in str(routes.reason_for_case("elsewhere", other))


class DetailsClient(OllamaClient):
    """A client of a server with these details of its model, in each of its responses."""

    def __init__(self, size: int = 1, context_length: int = 4096, **details: Any) -> None:
        file = ModelStore(default_cache() / "models").scripted().path
        listed = {
            **samples.OLLAMA_DETAILS,
            **details,
        }
        names = {"name": "tiny:latest", "model": "tiny:latest", "digest": "0" * 64}
        past = {"modified_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"}
        sizes = {"size": file.stat().st_size * size, "size_vram": 0, "context_length": context_length}
        self._entry = {**names, **past, **sizes, "details": listed}
        server = Endpoint("toy", "ollama", "http://127.0.0.1:1", {"model": "tiny"}, model_file=lambda: file)
        super().__init__(cast(Any, SimpleNamespace()), server)

    def load(self, keep_alive: object, model: str = "") -> None:
        pass

    def loaded_entry(self, model: str = "") -> Any:
        return self._entry

    def model_entry(self, name: str) -> Any:
        return self._entry


@pytest.mark.parametrize(
    ("wrong", "failure"),
    [
        ({}, None),
        ({"parameter_size": "2.2M"}, "parameter_size of 2245376 parameters, got '2.2M'"),
        ({"parameter_size": "2245K"}, None),
        ({"parameter_size": "7B"}, "got '7B'"),
        ({"parameter_size": "2.25B"}, "got '2.25B'"),
        ({"family": "qwen2", "families": ["qwen2"]}, "the family"),
        ({"families": ["llama", "clip"]}, "the families"),
        ({"quantization_level": "Q4_K_M"}, "the quantization_level"),
        ({"format": "safetensors"}, "the format"),
        ({"size": 2}, "expected the size of the file"),
        ({"context_length": 131072}, "at most 4096 tokens"),
    ],
)
def test_details_are_those_of_the_model_file(wrong: dict[str, Any], failure: str | None) -> None:
    client = DetailsClient(**wrong)
    found = []
    for name in ("ollama.tags.details.model_file", "ollama.ps.details.model_file"):
        try:
            STEPS[name](client)
        except AssertionError as error:
            found.append(str(error))
    assert bool(found) is (failure is not None)
    assert failure is None or any(failure in text for text in found)


class CopyingClient(OllamaClient):
    """A client of a server in memory that copies, loads and lists models, each or one of a file."""

    def __init__(self, *, one_of_a_file: bool) -> None:
        self._one_of_a_file = one_of_a_file
        self.stored, self.loaded = {"tiny"}, set[str]()
        server = Endpoint("toy", "ollama", "http://127.0.0.1:1", {"model": "tiny"})
        super().__init__(cast(Any, SimpleNamespace()), server)

    def call(self, shape: str, path: str, request: Any = None, **_options: Any) -> Any:  # type: ignore[override]
        if path == "/api/copy":
            self.stored.add(request["destination"])
        elif path == "/api/delete":
            self.stored.remove(request["model"])
        elif path == "/api/generate" and request["keep_alive"] == 0:
            self.loaded.discard(request["model"])
        elif path == "/api/generate" and not (self._one_of_a_file and self.loaded):
            self.loaded.add(request["model"])
        names = self.loaded if path == "/api/ps" else self.stored
        return SimpleNamespace(values=[{"models": [{"name": f"{name}:latest"} for name in names]}])


@pytest.mark.parametrize("one_of_a_file", [False, True])
def test_a_copy_in_use_has_to_be_listed(*, one_of_a_file: bool) -> None:
    client = CopyingClient(one_of_a_file=one_of_a_file)
    expected = pytest.raises(AssertionError, match="is not among the loaded models")
    with expected if one_of_a_file else nullcontext():
        STEPS["ollama.lifecycle.same_file.listed"](client)
    assert client.stored == client.loaded == {"tiny"}
