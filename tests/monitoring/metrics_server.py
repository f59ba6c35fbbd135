"""The reference server's HTTP part with a fake engine, on a port; its metrics page is changed on the way."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from support.bundled.reference_server.engine import Call, Chunk
from support.bundled.reference_server.http import create_app
from support.bundled.reference_server.options import ServerOptions
from support.waiting import wait_until
from tests.reference_server.stand_ins import FakeEngine
from tests.timeouts import PATIENCE

# The text of the page, and the paths that were requested before -> the text that is sent.
Change = Callable[[str, Sequence[str]], str]


class SlowEngine(FakeEngine):
    """Answers `Go on forever` when so many are open and a page has shown it; other questions at once."""

    max_seqs = 8

    def __init__(self, together: int) -> None:
        super().__init__()
        self.all_open, self.shown = threading.Event(), threading.Event()
        self._together = threading.Barrier(together, self.all_open.set)

    def stream(self, call: Call) -> Generator[Chunk]:
        chunks = super().stream(call)
        yield next(chunks)
        if "Go on forever" in str(call.prompt):
            self._together.wait(PATIENCE)
            self.shown.wait(PATIENCE)
        yield from chunks


@contextmanager
def served(change: Change, engine: SlowEngine) -> Iterator[str]:
    """The URL of a server whose page of metrics is changed so."""
    app: Any = create_app(engine, ServerOptions(access_log=False))
    paths: list[str] = []

    async def changed(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/metrics":
            paths.append(scope["path"])
            await app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        all_open = engine.all_open.is_set()

        async def send_changed(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body = change(message["body"].decode(), paths).encode()
            length = [(b"content-length", str(len(body)).encode())]
            others = [pair for pair in start["headers"] if pair[0] != b"content-length"]
            await send({**start, "headers": others + length})
            await send({**message, "body": body})
            if all_open:
                engine.shown.set()

        await app(scope, receive, send_changed)

    server = uvicorn.Server(uvicorn.Config(changed, log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until("the server listens", lambda: server.started, timeout=PATIENCE)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def times(factor: float, start: str) -> Change:
    """The values of the samples whose lines begin so are multiplied."""

    def change(text: str, _paths: Sequence[str]) -> str:
        pattern = rf"^({start}(?:\{{.*\}})?) (\S+)$"
        return re.sub(pattern, lambda m: f"{m[1]} {float(m[2]) * factor}", text, flags=re.MULTILINE)

    return change


def unchanged(text: str, _paths: Sequence[str]) -> str:
    return text
