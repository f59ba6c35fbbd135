"""The HTTP interface of `mistralrs serve` 0.9, with the OpenAI-shaped errors of 0.9.3 and later."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from support.bundled.reference_server import response_shapes
from support.bundled.reference_server.engine import Chunk, Engine, EngineError, RequestRefused
from support.bundled.reference_server.json_fields import FieldError, JsonError, JsonObject, parse_json
from support.bundled.reference_server.metrics import Metrics, StreamLatency
from support.bundled.reference_server.options import ServerOptions
from support.bundled.reference_server.request_metrics import RequestMetricsMiddleware
from support.bundled.reference_server.schemas import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    InvalidRequest,
)
from support.bundled.reference_server.stream_bridge import Streams

NAME = "mistralrs-reference"
BODY_LIMIT = 50 * 1024 * 1024
# Of requests from web pages.
ALLOWED_HEADERS = (
    *("content-type", "authorization", "x-api-key", "x-request-id"),
    *("anthropic-version", "anthropic-beta"),
)
Body = TypeVar("Body", ChatRequest, CompletionRequest, EmbeddingRequest)


class ApiError(Exception):
    """A response other than 200; `kind` and `code` are the `type` and `code` of the OpenAI API."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = response_shapes.error(message, kind, code, param)


def create_app(
    engine: Engine, options: ServerOptions | None = None, streams: Streams | None = None
) -> ASGIApp:
    """The whole server as an ASGI application; `streams` when it shares the engine's slots."""
    options = options or ServerOptions()
    streams = streams or Streams(engine, Metrics(engine.max_seqs))
    metrics = streams.metrics
    api = _Api(engine, streams, options)
    app = Starlette(
        routes=[
            Route("/", api.health),
            Route("/health", api.health),
            Route("/metrics", api.metrics_page),
            Route("/api-doc/openapi.json", api.description),
            Route("/v1/models", api.models),
            Route("/v1/chat/completions", api.chat, methods=["POST"]),
            Route("/v1/completions", api.completions, methods=["POST"]),
            Route("/v1/embeddings", api.embeddings, methods=["POST"]),
        ],
        middleware=[
            Middleware(
                _CrossOrigin,
                allow_origins=["*"],
                allow_methods=["GET", "POST", "PUT", "DELETE"],
                allow_headers=ALLOWED_HEADERS,
                expose_headers=["x-request-id"],
            )
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _server_error},
    )
    app.router.redirect_slashes = False
    paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    return RequestMetricsMiddleware(app, metrics, paths, access_log=options.access_log)


class _CrossOrigin(CORSMiddleware):
    """A preflight request gets its headers, status 200 and no body, whatever it wants to send."""

    def preflight_response(self, request_headers: Headers) -> Response:
        allowed = super().preflight_response(request_headers).headers
        kept = {
            name: value for name, value in allowed.items() if name not in ("content-length", "content-type")
        }
        return Response(headers=kept)


class _Api:
    def __init__(self, engine: Engine, streams: Streams, options: ServerOptions) -> None:
        self._engine = engine
        self._metrics = streams.metrics
        self._options = options
        self._streams = streams
        self._created = int(time.time())

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("OK")

    async def metrics_page(self, _: Request) -> Response:
        if not self._options.metrics:
            return PlainTextResponse("metrics disabled", 503)
        return PlainTextResponse(self._metrics.render())

    async def description(self, request: Request) -> Response:
        """What mistral.rs has there, with the name of this server: which program and version answers."""
        info = {
            "title": NAME,
            "description": "Fast, flexible LLM inference.",
            "version": version("mistralrs"),
        }
        paths = {
            route.path: {
                method.lower(): {"operationId": route.name, "responses": {"200": {"description": "OK"}}}
                for method in sorted(route.methods - {"HEAD"})
            }
            for route in request.app.routes
            if isinstance(route, Route) and route.methods
        }
        return JSONResponse({"openapi": "3.1.0", "info": info, "paths": paths})

    async def models(self, _: Request) -> Response:
        card = {"object": "model", "created": self._created, "owned_by": "local"}
        real = {"id": self._engine.model_id, **card, "root": self._engine.model_id, "status": "loaded"}
        return JSONResponse({"object": "list", "data": [{"id": "default", **card}, real]})

    async def chat(self, request: Request) -> Response:
        body = await self._body(request, ChatRequest)
        return await self._respond(
            request, body, response_shapes.chat_chunk, response_shapes.ResponseAccumulator.chat
        )

    async def completions(self, request: Request) -> Response:
        body = await self._body(request, CompletionRequest)
        echo = body.prompt if body.echo else ""
        if echo and body.stream:
            raise ApiError(400, "The reference server has no `echo` with `stream`.", param="echo")
        return await self._respond(
            request, body, response_shapes.completion_chunk, lambda whole: whole.completion(echo)
        )

    async def embeddings(self, request: Request) -> Response:
        body = await self._body(request, EmbeddingRequest)
        try:
            inputs = body.inputs()
            vectors = await run_in_threadpool(self._engine.embed, inputs)
            tokens = await run_in_threadpool(self._engine.count_tokens, inputs)
        except InvalidRequest as error:
            raise ApiError(400, str(error), param=error.param) from error
        except RequestRefused as error:
            raise ApiError(400, str(error)) from error
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encode_embedding(vector, body.encoding_format),
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "data": data, "model": body.model, "usage": usage})

    async def _body(self, request: Request, kind: type[Body]) -> Body:
        """The request's body. Raises `ApiError` 400, 404, 413, 415 or 422."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
            raise ApiError(415, "Expected request with `Content-Type: application/json`")
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            # Read on without keeping: a client that is still sending would not get the response.
            if size <= BODY_LIMIT:
                parts.append(part)
        request.state.body_bytes = size
        if size > BODY_LIMIT:
            raise ApiError(413, "request body too large", code="request_too_large")
        raw = b"".join(parts)
        if self._options.request_log is not None:
            with self._options.request_log.open("a", encoding="utf-8") as log:
                log.write(f"Request at {datetime.now(UTC).isoformat()}: {raw.decode(errors='replace')}\n\n")
        try:
            body = kind(parse_json(raw))
        except JsonError as error:
            raise ApiError(400, f"Failed to parse the request body as JSON: {error}") from None
        except FieldError as error:
            raise _field_error(error) from None
        name = body.model
        request.state.model = name if name == "default" else "unknown"
        if name not in ("default", self._engine.model_id):
            raise ApiError(
                404,
                f"Requested model '{name}' is not available. Available models: {self._engine.model_id}. "
                "Use 'default' to use the default model.",
                code="model_not_found",
                param="model",
            )
        request.state.model = self._engine.model_id
        request.state.in_flight.set_model(self._engine.model_id)
        return body

    async def _respond(
        self,
        request: Request,
        body: ChatRequest | CompletionRequest,
        event: Callable[[Chunk], JsonObject],
        shape: Callable[[response_shapes.ResponseAccumulator], JsonObject],
    ) -> Response:
        try:
            call = body.call()
        except InvalidRequest as error:
            raise ApiError(400, str(error), param=error.param) from error
        chunks = self._streams.chunks(call)
        if body.stream:
            labels = (request.method, request.url.path, self._engine.model_id, "200")
            latency = StreamLatency(self._metrics, labels, request.state.started)
            return StreamingResponse(_events(chunks, event, latency), media_type="text/event-stream")

        async def whole() -> Response:
            answer = response_shapes.ResponseAccumulator()
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        answer.add(chunk)
            except RequestRefused as error:
                return _error_response(ApiError(400, str(error)))
            except EngineError as error:
                return _error_response(ApiError(500, str(error), kind="server_error"))
            return JSONResponse(shape(answer))

        return await _cancel_on_disconnect(request, whole)


async def _events(
    chunks: AsyncGenerator[Chunk], event: Callable[[Chunk], JsonObject], latency: StreamLatency
) -> AsyncGenerator[str]:
    """Server-sent events; an error in the stream is an event too, since the status has been sent."""
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                latency.observe()
                yield f"data: {_json(event(chunk))}\n\n"
        except EngineError as error:
            yield f"data: {_json(response_shapes.error(str(error), 'server_error'))}\n\n"
    yield "data: [DONE]\n\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _cancel_on_disconnect(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
    """The response; the work is cancelled when the client disconnects."""
    response = Response(status_code=499)
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        response = await work()
        group.cancel_scope.cancel()
    return response


def _field_error(error: FieldError) -> ApiError:
    place = f"{error.field}: " if error.field else ""
    message = f"missing field `{error.field}`" if error.missing else f"{place}{error}"
    return ApiError(
        422, f"Failed to deserialize the JSON body into the target type: {message}", param=error.field
    )


def _encode_embedding(vector: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _error_response(error: ApiError) -> Response:
    return JSONResponse(error.body, error.status)


def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _error_response(error)


def _http_error(_: Request, error: Exception) -> Response:
    """An unknown route or method has no body."""
    assert isinstance(error, HTTPException)
    return Response(status_code=error.status_code, headers=error.headers)


def _server_error(_: Request, error: Exception) -> Response:
    return JSONResponse(response_shapes.error(f"{type(error).__name__}: {error}", "server_error"), 500)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals keep their default: like the binary, the server dies by SIGTERM or SIGINT at once."""
        yield


def run_servers(*bindings: tuple[socket.socket, ASGIApp]) -> None:
    """Serve each application on its socket, which listens already, until a signal ends the process."""

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            for listener, app in bindings:
                config = uvicorn.Config(
                    app, log_config=None, access_log=False, server_header=False, lifespan="off"
                )
                group.start_soon(_Server(config).serve, [listener])

    anyio.run(serve)
