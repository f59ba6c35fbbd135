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
    """Begin to answer. Raises OSError when the address cannot be had."""
    # A client that leaves cancels its handler, and that the target's work.
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

    async def version(self, request: web.Request) -> web.StreamResponse:
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
            asked = await openai_routes.prepare(request.path, await request.read(), self._models)
            return await pass_through(request, self._upstream, asked)
        except ApiError as refusal:
            return openai_routes.error(refusal)

    async def other_api(self, request: web.Request) -> web.StreamResponse:
        asked = await openai_routes.prepare_other_api(await request.read(), self._models)
        return await pass_through(request, self._upstream, asked)

    async def passthrough(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/v1/models/"):
            self._models.invalidate()
        return await pass_through(request, self._upstream)

    async def tags(self, request: web.Request) -> web.StreamResponse:
        entries = []
        for model in await self._models.all():
            facts = await self._models.metadata(model)
            entries.append({**_entry(model, facts), "modified_at": _modified(model, facts)})
        return _json({"models": entries})

    async def ps(self, request: web.Request) -> web.StreamResponse:
        loaded = []
        for model in await self._models.all():
            if model.card.loaded:
                facts = await self._models.metadata(model)
                told = {
                    "expires_at": _date(self._keep_alive.expires(model)),
                    # mistral.rs does not tell what of a model lies in the memory of a GPU.
                    "size_vram": 0,
                    "context_length": facts.context_length if facts else 0,
                }
                loaded.append({**_entry(model, facts), **told})
        loaded.sort(key=lambda entry: str(entry["expires_at"]), reverse=True)
        return _json({"models": loaded})

    async def show(self, request: web.Request) -> web.StreamResponse:
        asked = read(ShowRequest, await request.read())
        name = asked.model or asked.name
        if not name:
            raise ApiError(400, "model is required")
        model = await self._require_model(name)
        facts = await self._models.metadata(model)
        template = facts.template if facts else ""
        answer = {
            "modelfile": f"# The model is the target's own; this names it.\nFROM {model.name}\n",
            "template": template,
            "details": facts.details if facts else details(),
            "model_info": facts.model_info(verbose=asked.verbose) if facts else {},
            "capabilities": facts.capabilities if facts else ["completion"],
            "modified_at": _modified(model, facts),
        }
        return _json({name: value for name, value in answer.items() if value != ""})

    async def generate(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        asked = read(GenerateRequest, await request.read())
        _check_logprobs(asked)
        model = await self._require_model(asked.model)
        shape = ResponseWriter(asked.model, is_chat=False)
        if not asked.prompt and asked.keep_alive == 0:
            await self._keep_alive.unload(model)
            return _done_response(shape, "unload")
        request_translator.check_supported(asked)
        markup = await self._markup(asked, model)
        if asked.suffix:
            raise ApiError(400, f"{model.full_name} does not support insert")
        earlier = request_translator.decode_context(asked.context)
        conversation = request_translator.prompt_of(asked, earlier)
        kind = self._models.is_mistralrs
        body = (
            request_translator.raw(asked, model.card.id, is_mistralrs=kind)
            if asked.raw
            else request_translator.chat(asked, model.card.id, conversation, is_mistralrs=kind)
        )
        async with self._keep_alive.in_use(model, asked.keep_alive):
            if not asked.prompt:
                return _done_response(shape, "load")
            telling = _new_translator(started, asked, body, markup, None if asked.raw else conversation)
            path = request_translator.COMPLETIONS_PATH if asked.raw else request_translator.CHAT_PATH
            return await _send(request, self._stream(telling, path, body), shape, asked.stream)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        asked = read(ChatRequest, await request.read())
        _check_logprobs(asked)
        model = await self._models.find(asked.model) if asked.model else None
        if model is None:
            # A name that cannot be one is a missing name here, and an unknown one in generate.
            raise _not_found(asked.model) if is_name(asked.model) else ApiError(400, "model is required")
        shape = ResponseWriter(asked.model, is_chat=True)
        if not asked.messages and asked.keep_alive == 0:
            await self._keep_alive.unload(model)
            return _done_response(shape, "unload")
        markup = await self._markup(asked, model)
        conversation = request_translator.conversation_of(asked.messages)
        body = request_translator.chat(
            asked, model.card.id, conversation, is_mistralrs=self._models.is_mistralrs
        )
        async with self._keep_alive.in_use(model, asked.keep_alive):
            if not asked.messages:
                return _done_response(shape, "load")
            telling = _new_translator(started, asked, body, markup)
            return await _send(
                request, self._stream(telling, request_translator.CHAT_PATH, body), shape, asked.stream
            )

    async def embed(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        asked = read(EmbedRequest, await request.read())
        inputs = asked.inputs()
        model = await self._require_embedding_model(asked.model)
        async with self._keep_alive.in_use(model, asked.keep_alive):
            loaded = time.perf_counter_ns()
            if not inputs:
                return _json({"model": asked.model, "embeddings": []})
            vectors, tokens = await self._embed(model, inputs, truncate=asked.truncate is not False)
        embeddings = [_normalise(_normalise(vector)[: asked.dimensions or None]) for vector in vectors]
        answer = {
            "model": asked.model,
            "embeddings": embeddings,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": loaded - started,
        }
        return _json(answer | ({"prompt_eval_count": tokens} if tokens else {}))

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        asked = read(EmbeddingRequest, await request.read())
        if not asked.model:
            raise ApiError(400, "model is required")
        model = await self._require_embedding_model(asked.model)
        async with self._keep_alive.in_use(model, asked.keep_alive):
            vectors = (await self._embed(model, [asked.prompt], truncate=True))[0] if asked.prompt else [[]]
        return _json({"embedding": vectors[0]})

    async def _embed(
        self, model: Model, inputs: Sequence[str], *, truncate: bool
    ) -> tuple[list[list[float]], int]:
        """The vectors in the order of the inputs, and the tokens of the inputs. Raises `Refusal`.

        `cut`: what is too long is shortened without a word.
        """
        body: dict[str, Any] = {"model": model.card.id, "input": list(inputs), "encoding_format": "float"}
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
        self, translator: StreamTranslator, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Sequence[AnswerChunk]]:
        """The answer's parts as they come. Raises `Refusal`; leaving it ends the target's work."""
        framing = SseDecoder()
        async with self._upstream.events(path, body) as events:
            while not translator.ended_early and (read := await events.read()):
                if parts := translator.translate(framing.feed(read)):
                    yield parts
        if not translator.usage:
            translator.usage = await self._count_prompt_tokens(path, body)
        yield translator.end()

    async def _count_prompt_tokens(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The tokens of a prompt whose answer came without figures: asked for again, one token long."""
        left_out = ("stream", "stream_options", "grammar", "response_format")
        short = {name: value for name, value in body.items() if name not in left_out}
        with contextlib.suppress(ApiError):
            usage = (await self._upstream.post(path, {**short, "max_tokens": 1})).get("usage") or {}
            return {"prompt_tokens": usage.get("prompt_tokens")}
        return {}

    async def _markup(self, request: AnswerRequest, model: Model) -> Markup:
        """What is to be taken out of the answer.

        Raises `Refusal` for what the model's template, where it is known, has no place for.
        """
        tools = getattr(request, "tools", ())
        facts = await self._models.metadata(model)
        if facts is None:
            return Markup(thinks=bool(request.think), calls=bool(tools))
        if request.think and "thinking" not in facts.capabilities:
            if isinstance(request.think, str) and isinstance(request, GenerateRequest):
                raise ApiError(400, f'think value "{request.think}" is not supported for this model')
            raise ApiError(400, f"{json.dumps(request.model)} does not support thinking")
        if tools and "tools" not in facts.capabilities:
            raise ApiError(400, f"{model.full_name} does not support tools")
        # A model that can think does, unless it is told not to.
        return Markup(
            thinks=request.think is not False and "thinking" in facts.capabilities, calls=bool(tools)
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
    body: Mapping[str, Any],
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
    stream: bool | None,
) -> web.StreamResponse:
    """The answer, line by line as it comes, or whole. `Refusal` for a failure before the first line."""
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
            # The status is out: an error is a line of its own, and the last.
            await answer.write(to_line({"error": refusal.message}).encode())
        await answer.write_eof()
        return answer


def _done_response(writer: ResponseWriter, reason: str) -> web.Response:
    """An answer that is only an end."""
    return _json(writer.line(AnswerChunk(end={"done_reason": reason})))


def _json(value: Mapping[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(value, separators=(",", ":")).encode(), headers=_JSON)


def _entry(model: Model, metadata: GgufMetadata | None) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "size": metadata.size if metadata else 0,
        "digest": digest_of(model, metadata),
        "details": metadata.details if metadata else details(),
    }


def _modified(model: Model, metadata: GgufMetadata | None) -> str:
    return _date(metadata.modified if metadata else datetime.fromtimestamp(model.card.created, UTC))


def _date(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _normalise(vector: Sequence[float]) -> list[float]:
    """The vector with length 1. Raises `Refusal` for one that is not finite."""
    if not all(map(math.isfinite, vector)):
        raise ApiError(400, "embedding contains NaN or Inf values")
    length = max(math.hypot(*vector), 1e-12)
    return [number / length for number in vector]
