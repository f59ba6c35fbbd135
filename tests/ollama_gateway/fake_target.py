"""A target that does what a test wants: small, in this process, able to tell what it saw."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from aiohttp import web

from tests.timeouts import PATIENCE

T = TypeVar("T")
END = b"data: [DONE]\n\n"


class LoopThread:
    """An event loop of its own, in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


def event(text: str = "", finish: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    """One event in mistral.rs' form."""
    choice = {"index": 0, "finish_reason": finish, "delta": {"role": "assistant", "content": text, **delta}}
    return sse({"object": "chat.completion.chunk", "choices": [choice], "usage": usage})


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def answer(*words: str, finish: str = "stop", prompt_tokens: int = 5) -> list[bytes]:
    """A complete stream that says these words."""
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(words) + 1, "total_tokens": 0}
    return [*(event(word) for word in words), event("", finish, usage), END]


class FakeTarget:
    """An OpenAI-compatible server.

    What it streams is `stream`, where an event object is waited for; with `echoes` the words it was asked.
    """

    def __init__(self, thread: LoopThread) -> None:
        self.stream: Sequence[bytes | threading.Event | BaseException] = answer("Hello", " world")
        self.cards: list[dict[str, Any]] = [
            {"id": "default", "object": "model", "created": 1},
            {"id": "/somewhere/scripted", "object": "model", "created": 1_700_000_000, "status": "loaded"},
        ]
        self.echoes = False
        self.refusal: tuple[int, bytes] | None = None
        self.can_unload = True
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.told: list[tuple[str, str]] = []
        self.sent = 0
        self.left = threading.Event()
        self._thread = thread
        self._runner = thread.run(self._start())
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/models/{what}", self._status),
                web.post("/v1/chat/completions", self._answer),
                web.post("/v1/completions", self._answer),
                web.post("/v1/embeddings", self._embeddings),
                web.post("/v1/responses", self._answer),
                web.post("/v1/messages", self._answer),
                web.route("*", "/v1/echo{rest:.*}", self._echo),
            ]
        )
        runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    def close(self) -> None:
        self._thread.run(self._runner.cleanup())

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.cards})

    async def _status(self, request: web.Request) -> web.Response:
        what, name = request.match_info["what"], (await request.json())["model_id"]
        if not self.can_unload:
            raise web.HTTPNotFound
        self.told.append((what, name))
        status = {"unload": "unloaded", "reload": "loaded"}[what]
        for card in self.cards:
            if card["id"] == name:
                card["status"] = status
        return web.json_response({"model_id": name, "status": status})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.refusal:
            return web.Response(status=self.refusal[0], body=self.refusal[1])
        if not body.get("stream"):
            return web.json_response({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for part in self._parts(body):
                await response.write(part)
                self.sent += len(part)
        except asyncio.CancelledError:
            self.left.set()
            raise
        except ConnectionError:
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _parts(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        if self.echoes:
            for part in answer(*(f"{word} " for word in body["messages"][-1]["content"].split())):
                yield part
                await asyncio.sleep(0.001)
            return
        for item in self.stream:
            if isinstance(item, threading.Event):
                while not item.is_set():
                    await asyncio.sleep(0.005)
            elif isinstance(item, bytes):
                yield item
            else:
                raise item

    async def _embeddings(self, request: web.Request) -> web.Response:
        inputs = (await request.json())["input"]
        if self.refusal:
            return web.Response(status=self.refusal[0], body=self.refusal[1])
        data = [{"index": n, "embedding": [3.0, 4.0 * (n + 1), 12.0]} for n, _ in enumerate(inputs)]
        usage = {"prompt_tokens": 2 * len(inputs), "total_tokens": 2 * len(inputs)}
        return web.json_response({"object": "list", "data": list(reversed(data)), "usage": usage})

    async def _echo(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = f"{request.method} {request.rel_url.raw_path_qs}\n".encode() + await request.read()
        return web.Response(
            status=418, body=body, headers={"x-request-id": "seven", "content-encoding": "none"}
        )
