"""A gateway in this process in front of a fake target; real ones for the tests marked `engine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from support.bundled.ollama_gateway.routes import create_app, listen
from support.models.files import ModelFiles
from tests.ollama_gateway.fake_target import FakeTarget, LoopThread
from tests.timeouts import PATIENCE


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def target(loop_thread: LoopThread) -> Iterator[FakeTarget]:
    target = FakeTarget(loop_thread)
    yield target
    target.close()


@pytest.fixture
def gateway(loop_thread: LoopThread, target: FakeTarget) -> Iterator[Callable[..., httpx.Client]]:
    """Starts a gateway in front of the fake target, with what `create_app` takes; gives a client of it."""
    runners: list[web.AppRunner] = []
    clients: list[httpx.Client] = []

    def begin(files: dict[str, Path] | None = None, key: str | None = None, **more: Any) -> httpx.Client:
        app = create_app(more.pop("url", target.url), files, key, **more)
        runner = loop_thread.run(listen(app, "127.0.0.1", 0))
        runners.append(runner)
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout=PATIENCE))
        return clients[-1]

    yield begin
    for client in clients:
        client.close()
    for runner in runners:
        loop_thread.run(runner.cleanup())


@pytest.fixture
def client(gateway: Callable[..., httpx.Client]) -> httpx.Client:
    return gateway()


@pytest.fixture(scope="session")
def gguf(model: ModelFiles) -> Path:
    return model.path
