"""Servers on loopback that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.http.tiny_server import Reply, TinyServer


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], TinyServer]]:
    with ExitStack() as servers:

        def begin(answer: Reply) -> TinyServer:
            server = TinyServer(answer)
            servers.callback(server.close)
            return server

        yield begin
