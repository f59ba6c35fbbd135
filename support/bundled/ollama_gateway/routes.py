"""The routes of the Ollama API."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from support.bundled.ollama_gateway import openai_routes, request_translator
from support.bundled.ollama_gateway.answer_text import Markup
from support.bundled.ollama_gateway.errors import API_LEVEL, UNSUPPORTED_ROUTES, ApiError, not_supported
from support.bundled.ollama_gateway.gguf_metadata import GgufMetadata, details
from support.bundled.ollama_gateway.json_types import JsonMapping, JsonObject
from support.bundled.ollama_gateway.middleware import origin_guard, plain_text, set_headers
from support.bundled.ollama_gateway.model_registry import KeepAlive, Model, Models, digest_of, is_name
from support.bundled.ollama_gateway.ollama_requests import (
    AnswerRequest,
    ChatRequest,
    EmbeddingRequest,
    EmbedRequest,
    GenerateRequest,
    ShowRequest,
    read,
)
from support.bundled.ollama_gateway.proxy import pass_through
from support.bundled.ollama_gateway.response_writer import AnswerChunk, ResponseWriter, to_line
from support.bundled.ollama_gateway.stream_events import SseDecoder
from support.bundled.ollama_gateway.stream_translator import StreamTranslator
from support.bundled.ollama_gateway.upstream import Upstream

BODY_LIMIT = 64 * 1024 * 1024
IDLE_TIMEOUT_SECONDS = 300.0
_JSON = {"content-type": "application/json; charset=utf-8"}
_LINES = {"content-type": "application/x-ndjson"}


def create_app(
    target: str,
    files: Mapping[str, Path] | None = None,
    api_key: str | None = None,
    *,
    loopback: bool = True,
    idle_timeout: float = IDLE_TIMEOUT_SECONDS,
    body_limit: int = BODY_LIMIT,
) -> web.Application:
    """The whole gateway.

    `files`: Ollama name -> GGUF file; `idle_timeout` in seconds, `body_limit` in bytes.
    """
    api = _Api(Upstream(target, api_key, idle_timeout), files or {})
    app = web.Application(middlewares=[origin_guard(loopback=loopback)], client_max_size=body_limit)
    app.on_response_prepare.append(set_headers)
    app.on_startup.append(api.start)
    app.on_cleanup.append(api.close)
    app.add_routes(
        [
            web.get("/", api.root),
            web.get("/api/version", api.version),
            web.get("/api/tags", api.tags),
            web.get("/api/ps", api.ps, allow_head=False),
            web.post("/api/show", api.show),
            web.post("/api/generate", api.generate),
            web.post("/api/chat", api.chat),
            web.post("/api/embed", api.embed),
            web.post("/api/embeddings", api.embeddings),
            web.get("/v1/models", api.cards),
            web.get("/v1/models/{name:.+}", api.card),
            *(web.post(path, api.openai_inference) for path in openai_routes.OPENAI_ROUTES),
            *(web.post(path, api.other_api) for path in openai_routes.OTHER_API_ROUTES),
            web.route("*", "/v1/{rest:.*}", api.passthrough),
            *(
                web.route(method, path, _unsupported_handler(what))
                for method, path, what in UNSUPPORTED_ROUTES
            ),
        ]
    )
    return app


async def listen(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Start listening. Raises OSError when the address cannot be bound."""
    # A closed connection cancels its handler, and that the target's generation.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return runner


def _unsupported_handler(feature: str) -> Any:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise not_supported(feature)

    return refuse


class _Api:
    def __init__(self, upstream: Upstream, files: Mapping[str, Path]) -> None:
        self._upstream = upstream
        self._models = Models(upstream, files)
        self._keep_alive = KeepAlive(upstream, self._models)

    async def start(self, _: web.Application) -> None:
        self._models.start()

    async def close(self, _: web.Application) -> None:
        self._keep_alive.close()
        await self._upstream.close()

    async def root(self, _: web.Request) -> web.StreamResponse:
        answer = plain_text(200, "Ollama is running")
        answer.charset = "utf-8"
        return answer

    async def version(self, _: web.Request) -> web.StreamResponse:
        return _json({"version": API_LEVEL})

    async def cards(self, _: web.Request) -> web.StreamResponse:
        try:
            cards = [openai_routes.card(model) for model in await self._models.all()]
        except ApiError as refusal:
            return openai_routes.error(refusal)
        return _json({"object": "list", "data": cards})

    async def card(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        try:
            return _json(openai_routes.card(await self._require_model(name), name))
        except ApiError as refusal:
            return openai_routes.error(refusal)

    async def openai_inference(self, request: web.Request) -> web.StreamResponse:
        try:
            params = await openai_routes.prepare(request.path, await request.read(), self._models)
            return await pass_through(request, self._upstream, params)
        except ApiError as refusal:
            return openai_routes.error(refusal)

    async def other_api(self, request: web.Request) -> web.StreamResponse:
        params = await openai_routes.prepare_other_api(await request.read(), self._models)
        return await pass_through(request, self._upstream, params)

    async def passthrough(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/v1/models/"):
            self._models.invalidate()
        return await pass_through(request, self._upstream)

    async def tags(self, _: web.Request) -> web.StreamResponse:
        entries = []
        for model in await self._models.all():
            metadata = await self._models.metadata(model)
            entries.append({**_entry(model, metadata), "modified_at": _modified(model, metadata)})
        return _json({"models": entries})

    async def ps(self, _: web.Request) -> web.StreamResponse:
        loaded = []
        for model in await self._models.all():
            if model.card.loaded:
                metadata = await self._models.metadata(model)
                status = {
                    "expires_at": _date(self._keep_alive.expires(model)),
                    # mistral.rs does not report the part in GPU memory.
                    "size_vram": 0,
                    "context_length": metadata.context_length if metadata else 0,
                }
                loaded.append({**_entry(model, metadata), **status})
        loaded.sort(key=lambda entry: str(entry["expires_at"]), reverse=True)
        return _json({"models": loaded})

    async def show(self, request: web.Request) -> web.StreamResponse:
        params = read(ShowRequest, await request.read())
        name = params.model or params.name
        if not name:
            raise ApiError(400, "model is required")
        model = await self._require_model(name)
        metadata = await self._models.metadata(model)
        template = metadata.template if metadata else ""
        answer = {
            "modelfile": _modelfile(model, metadata),
            "template": template,
            "details": metadata.details if metadata else details(),
            "model_info": metadata.model_info(verbose=params.verbose) if metadata else {},
            "capabilities": metadata.capabilities if metadata else ["completion"],
            "modified_at": _modified(model, metadata),
        }
        return _json({name: value for name, value in answer.items() if value != ""})

    async def generate(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        params = read(GenerateRequest, await request.read())
        _check_logprobs(params)
        model = await self._require_model(params.model)
        writer = ResponseWriter(params.model, is_chat=False)
        if not params.prompt and params.keep_alive == 0:
            await self._keep_alive.unload(model)
            return _done_response(writer, "unload")
        request_translator.check_supported(params)
        markup = await self._markup(params, model)
        if params.suffix:
            raise ApiError(400, f"{model.full_name} does not support insert")
        earlier = request_translator.decode_context(params.context)
        conversation = request_translator.prompt_of(params, earlier)
        kind = self._models.is_mistralrs
        body = (
            request_translator.raw(params, model.card.id, is_mistralrs=kind)
            if params.raw
            else request_translator.chat(params, model.card.id, conversation, is_mistralrs=kind)
        )
        async with self._keep_alive.in_use(model, params.keep_alive):
            if not params.prompt:
                return _done_response(writer, "load")
            translator = _new_translator(started, params, body, markup, None if params.raw else conversation)
            path = request_translator.COMPLETIONS_PATH if params.raw else request_translator.CHAT_PATH
            return await _send(request, self._stream(translator, path, body), writer, stream=params.stream)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        params = read(ChatRequest, await request.read())
        _check_logprobs(params)
        model = await self._models.find(params.model) if params.model else None
        if model is None:
            # An invalid name is a missing one here, and an unknown one in /api/generate.
            raise _not_found(params.model) if is_name(params.model) else ApiError(400, "model is required")
        writer = ResponseWriter(params.model, is_chat=True)
        if not params.messages and params.keep_alive == 0:
            await self._keep_alive.unload(model)
            return _done_response(writer, "unload")
        markup = await self._markup(params, model)
        conversation = request_translator.conversation_of(params.messages)
        body = request_translator.chat(
            params, model.card.id, conversation, is_mistralrs=self._models.is_mistralrs
        )
        async with self._keep_alive.in_use(model, params.keep_alive):
            if not params.messages:
                return _done_response(writer, "load")
            translator = _new_translator(started, params, body, markup)
            return await _send(
                request,
                self._stream(translator, request_translator.CHAT_PATH, body),
                writer,
                stream=params.stream,
            )

    async def embed(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        params = read(EmbedRequest, await request.read())
        inputs = params.inputs()
        model = await self._require_embedding_model(params.model)
        async with self._keep_alive.in_use(model, params.keep_alive):
            loaded = time.perf_counter_ns()
            if not inputs:
                return _json({"model": params.model, "embeddings": []})
            vectors, tokens = await self._embed(model, inputs, truncate=params.truncate is not False)
        embeddings = [_normalise(_normalise(vector)[: params.dimensions or None]) for vector in vectors]
        answer = {
            "model": params.model,
            "embeddings": embeddings,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": loaded - started,
        }
        return _json(answer | ({"prompt_eval_count": tokens} if tokens else {}))

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        params = read(EmbeddingRequest, await request.read())
        if not params.model:
            raise ApiError(400, "model is required")
        model = await self._require_embedding_model(params.model)
        async with self._keep_alive.in_use(model, params.keep_alive):
            vectors = (await self._embed(model, [params.prompt], truncate=True))[0] if params.prompt else [[]]
        return _json({"embedding": vectors[0]})

    async def _embed(
        self, model: Model, inputs: Sequence[str], *, truncate: bool
    ) -> tuple[list[list[float]], int]:
        """The vectors in the order of the inputs, and the tokens of the inputs. Raises `ApiError`.

        `truncate`: inputs that are too long are truncated.
        """
        body: JsonObject = {"model": model.card.id, "input": list(inputs), "encoding_format": "float"}
        if truncate:
            body["truncate_sequence"] = True
        try:
            answer = await self._upstream.post("/v1/embeddings", body)
        except ApiError as refusal:
            if refusal.status in (404, 405) or "incompatible for this model" in refusal.message:
                raise ApiError(501, f"the target makes no embeddings with '{model.name}'") from None
            if "sequence length" in refusal.message.lower():
                # llm/server.go, Embedding
                raise ApiError(400, "the input length exceeds the context length") from None
            raise
        try:
            entries = sorted(answer["data"], key=lambda entry: entry["index"])
            vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
            tokens = int(answer["usage"]["prompt_tokens"])
        except (KeyError, TypeError, ValueError):
            raise ApiError(502, "the target's embeddings cannot be read") from None
        if len(vectors) != len(inputs):
            raise ApiError(502, f"the target made {len(vectors)} embeddings of {len(inputs)} inputs")
        return vectors, tokens

    async def _stream(
        self, translator: StreamTranslator, path: str, body: JsonMapping
    ) -> AsyncGenerator[Sequence[AnswerChunk]]:
        """The answer's parts as they come. Raises `ApiError`; closing it ends the target's generation."""
        framing = SseDecoder()
        async with self._upstream.events(path, body) as events:
            while not translator.ended_early and (read := await events.read()):
                if parts := translator.translate(framing.feed(read)):
                    yield parts
        if not translator.usage:
            translator.usage = await self._count_prompt_tokens(path, body)
        yield translator.end()

    async def _count_prompt_tokens(self, path: str, body: JsonMapping) -> JsonObject:
        """The prompt tokens of an answer without `usage`, from a second request with `max_tokens` 1."""
        left_out = ("stream", "stream_options", "grammar", "response_format")
        short = {name: value for name, value in body.items() if name not in left_out}
        with contextlib.suppress(ApiError):
            usage = (await self._upstream.post(path, {**short, "max_tokens": 1})).get("usage") or {}
            return {"prompt_tokens": usage.get("prompt_tokens")}
        return {}

    async def _markup(self, request: AnswerRequest, model: Model) -> Markup:
        """The parser for thinking and tool-call markup.

        Raises `ApiError` for thinking or tools that the model's template does not support.
        """
        tools = getattr(request, "tools", ())
        metadata = await self._models.metadata(model)
        if metadata is None or metadata.problem:
            # Nobody knows what the template supports.
            return Markup(thinks=bool(request.think), calls=bool(tools))
        if request.think and "thinking" not in metadata.capabilities:
            if isinstance(request.think, str) and isinstance(request, GenerateRequest):
                raise ApiError(400, f'think value "{request.think}" is not supported for this model')
            raise ApiError(400, f"{json.dumps(request.model)} does not support thinking")
        if tools and "tools" not in metadata.capabilities:
            raise ApiError(400, f"{model.full_name} does not support tools")
        # A model that supports thinking thinks unless `think` is false.
        return Markup(
            thinks=request.think is not False and "thinking" in metadata.capabilities, calls=bool(tools)
        )

    async def _require_model(self, name: str) -> Model:
        model = await self._models.find(name) if name else None
        if model is None:
            raise _not_found(name)
        return model

    async def _require_embedding_model(self, name: str) -> Model:
        model = await self._models.find(name) if name else None
        if model is None:
            raise ApiError(404, f'model "{name}" not found, try pulling it first')
        return model


def _not_found(name: str) -> ApiError:
    return ApiError(404, f"model '{name}' not found")


def _check_logprobs(request: AnswerRequest) -> None:
    if not 0 <= request.top_logprobs <= 20:
        raise ApiError(400, "top_logprobs must be between 0 and 20")


def _new_translator(
    started: int,
    request: AnswerRequest,
    body: JsonMapping,
    markup: Markup,
    history: request_translator.Conversation | None = None,
) -> StreamTranslator:
    return StreamTranslator(
        started,
        time.perf_counter_ns(),
        body.get("stop", ()),
        markup,
        is_json=request_translator.has_format(request.format),
        alternatives=request.top_logprobs > 0,
        history=history,
    )


async def _send(
    request: web.Request,
    chunks: AsyncGenerator[Sequence[AnswerChunk]],
    writer: ResponseWriter,
    *,
    stream: bool | None,
) -> web.StreamResponse:
    """The answer, line by line as it comes, or whole. `ApiError` for a failure before the first line."""
    async with aclosing(chunks):
        if stream is False:
            return _json(writer.merge([part async for parts in chunks for part in parts]))
        first = await anext(chunks)
        answer = web.StreamResponse(headers=_LINES)
        await answer.prepare(request)
        await answer.write(writer.lines(first))
        try:
            async for parts in chunks:
                await answer.write(writer.lines(parts))
        except ApiError as refusal:
            # The status has been sent: an error is the last line.
            await answer.write(to_line({"error": refusal.message}).encode())
        await answer.write_eof()
        return answer


def _done_response(writer: ResponseWriter, reason: str) -> web.Response:
    """An answer with a `done_reason` only."""
    return _json(writer.line(AnswerChunk(end={"done_reason": reason})))


def _json(value: JsonMapping) -> web.Response:
    return web.Response(body=json.dumps(value, separators=(",", ":")).encode(), headers=_JSON)


def _entry(model: Model, metadata: GgufMetadata | None) -> JsonObject:
    return {
        "name": model.name,
        "model": model.name,
        "size": metadata.size if metadata else 0,
        "digest": digest_of(model, metadata),
        "details": metadata.details if metadata else details(),
    }


def _modelfile(model: Model, metadata: GgufMetadata | None) -> str:
    problem = f"# {metadata.problem}\n" if metadata and metadata.problem else ""
    return f"# The model is the target's own; this names it.\n{problem}FROM {model.name}\n"


def _modified(model: Model, metadata: GgufMetadata | None) -> str:
    return _date(metadata.modified if metadata else datetime.fromtimestamp(model.card.created, UTC))


def _date(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _normalise(vector: Sequence[float]) -> list[float]:
    """The vector with length 1. Raises `ApiError` for one that is not finite."""
    if not all(map(math.isfinite, vector)):
        raise ApiError(400, "embedding contains NaN or Inf values")
    length = max(math.hypot(*vector), 1e-12)
    return [number / length for number in vector]
