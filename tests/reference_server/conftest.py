"""A fake engine for the fast tests; a model and real servers for those marked `engine`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from support.models.files import ModelFiles
from tests.reference_server.stand_ins import FakeEngine, Server


@pytest.fixture(autouse=True)
def _own_interrupt_handler() -> Iterator[None]:
    """The command gives Ctrl-C its default; pytest needs its own back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="session")
def model_arguments(model: ModelFiles) -> tuple[str, ...]:
    return ("-m", str(model.directory), "--format", "gguf", "-f", str(model.file))


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, model_arguments: tuple[str, ...]
) -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them after the module."""
    servers: list[Server] = []

    def begin(*arguments: str) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("server") / "log", *model_arguments, *arguments))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    return start()
