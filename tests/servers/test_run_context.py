"""The end of a run: everything is closed, whatever goes wrong."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import NotSupported
from support.models.roles import EMBEDDING, SCRIPTED
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.ollama_backends import OllamaBackends
from support.servers.pool import Pool, ServerPool
from support.settings import ResolvedSettings, Settings
from support.suite import RunContext
from support.world import World


def context(tmp_path: Path) -> RunContext:
    settings = Settings(acceptance_cache_dir=tmp_path / "cache")
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", "a test")
    return RunContext(ResolvedSettings(settings, {}), target)


def test_embeddings_of_a_url_are_made_with_the_named_model(tmp_path: Path) -> None:
    settings = Settings(acceptance_cache_dir=tmp_path / "cache", target_embedding_model="vectors")
    target = UrlTarget("http://127.0.0.1:1", ("chat", "vectors"), "a test")
    with closing(RunContext(ResolvedSettings(settings, {}), target)) as run:
        names = {
            model: run.endpoint("openai", model)[0].variables["model"] for model in (SCRIPTED, EMBEDDING)
        }
        World(run, tmp_path).require_model(("a server",), "the embedding model")
    assert names == {SCRIPTED: "chat", EMBEDDING: "vectors"}
    unnamed = ResolvedSettings(settings.model_copy(update={"target_embedding_model": None}), {})
    reason = "has its own models, not the embedding model"
    with closing(RunContext(unnamed, target)) as run, pytest.raises(NotSupported, match=reason):
        World(run, tmp_path).require_model(("a server",), "the embedding model")


class Resource:
    """`closed`: how often it was closed or stopped."""

    def __init__(self, error: Exception | None = None) -> None:
        self.server = SimpleNamespace(alive=True)
        self.closed = 0
        self._error = error

    def stop(self) -> None:
        self.closed += 1
        if self._error is not None:
            raise self._error


def test_servers_are_closed_although_an_earlier_close_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tempfile.gettempdir()
    closed: list[str] = []

    def fail(_: object) -> None:
        closed.append("Ollama backends")
        raise OSError("cannot be stopped")

    monkeypatch.setattr(ServerPool, "close", lambda _: closed.append("servers"))
    monkeypatch.setattr(OllamaBackends, "close", fail)
    monkeypatch.setattr(Pool, "close", lambda _: closed.append("pool"))
    run = context(tmp_path)
    _ = run.servers, run.ollama_backends, run.shared_servers
    with pytest.raises(OSError, match="cannot be stopped"):
        run.close()
    # The shared servers, used last, first; the processes that are no servers, there from the start, last.
    assert closed == ["pool", "Ollama backends", "servers", "pool"]
    assert not run.folder.exists()
    assert tempfile.tempdir == before


def _given(resource: Resource) -> Any:
    return resource


def test_all_shared_servers_are_stopped_although_one_cannot_be() -> None:
    shared: Pool[str, Any] = Pool()
    first, second, third = Resource(), Resource(OSError("no")), Resource()
    for use, resource in (("one", first), ("two", second), ("three", third)):
        shared.get(use, partial(_given, resource))
    with pytest.raises(OSError, match="no"):
        shared.close()
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)
