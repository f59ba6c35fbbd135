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
from support.bundled.ollama_gateway.errors import API_LEVEL, NEVER, Refusal, not_supported
from support.bundled.ollama_gateway.gguf_metadata import Facts, details
from support.bundled.ollama_gateway.middleware import guard, mark, plain
from support.bundled.ollama_gateway.model_registry import Model, Models, Residency, digest_of, is_name
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
from support.bundled.ollama_gateway.reasoning_parser import Markup
from support.bundled.ollama_gateway.stream_translator import Part, Shape, Telling, written
from support.bundled.ollama_gateway.upstream import Framing, Upstream

BODY_LIMIT = 64 * 1024 * 1024
SILENCE_SECONDS = 300.0
_JSON = {"content-type": "application/json; charset=utf-8"}
_LINES = {"content-type": "application/x-ndjson"}


def create_app(
    target: str,
    files: Mapping[str, Path] | None = None,
    api_key: str | None = None,
    *,
    loopback: bool = True,
    silence: float = SILENCE_SECONDS,
    body_limit: int = BODY_LIMIT,
) -> web.Application:
    """The whole gateway. `files`: Ollama name -> GGUF file; `silence` in seconds, `body_limit` in bytes."""
    api = _Api(Upstream(target, api_key, silence), files or {})
    app = web.Application(middlewares=[guard(loopback=loopback)], client_max_size=body_limit)
    app.on_response_prepare.append(mark)
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
            *(web.post(path, api.asked) for path in openai_routes.ASKING),
            *(web.post(path, api.foreign) for path in openai_routes.FOREIGN),
            web.route("*", "/v1/{rest:.*}", api.openai),
            *(web.route(method, path, _refusing(what)) for method, path, what in NEVER),
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


def _refusing(what: str) -> Any:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise not_supported(what)

    return refuse


class _Api:
    def __init__(self, upstream: Upstream, files: Mapping[str, Path]) -> None:
        self._upstream = upstream
        self._models = Models(upstream, files)
        self._residency = Residency(upstream, self._models)

    async def start(self, _: web.Application) -> None:
        self._models.start()

    async def close(self, _: web.Application) -> None:
        self._residency.close()
        await self._upstream.close()

    async def root(self, _: web.Request) -> web.StreamResponse:
        answer = plain(200, "Ollama is running")
        answer.charset = "utf-8"
        return answer

    async def version(self, request: web.Request) -> web.StreamResponse:
        return _json({"version": API_LEVEL})

    async def cards(self, _: web.Request) -> web.StreamResponse:
        try:
            cards = [openai_routes.card(model) for model in await self._models.all()]
        except Refusal as refusal:
            return openai_routes.error(refusal)
        return _json({"object": "list", "data": cards})

    async def card(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        try:
            return _json(openai_routes.card(await self._found(name), name))
        except Refusal as refusal:
            return openai_routes.error(refusal)

    async def asked(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = await openai_routes.asked_of(request.path, await request.read(), self._models)
            return await pass_through(request, self._upstream, asked)
        except Refusal as refusal:
            return openai_routes.error(refusal)

    async def foreign(self, request: web.Request) -> web.StreamResponse:
        asked = await openai_routes.foreign_asked_of(await request.read(), self._models)
        return await pass_through(request, self._upstream, asked)

    async def openai(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/v1/models/"):
            self._models.forget()
        return await pass_through(request, self._upstream)

    async def tags(self, request: web.Request) -> web.StreamResponse:
        entries = []
        for model in await self._models.all():
            facts = await self._models.facts(model)
            entries.append({**_entry(model, facts), "modified_at": _modified(model, facts)})
        return _json({"models": entries})

    async def ps(self, request: web.Request) -> web.StreamResponse:
        loaded = []
        for model in await self._models.all():
            if model.card.loaded:
                facts = await self._models.facts(model)
                told = {
                    "expires_at": _date(self._residency.expires(model)),
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
            raise Refusal(400, "model is required")
        model = await self._found(name)
        facts = await self._models.facts(model)
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
        model = await self._found(asked.model)
        shape = Shape(asked.model, is_chat=False)
        if not asked.prompt and asked.keep_alive == 0:
            await self._residency.unload(model)
            return _ended(shape, "unload")
        request_translator.refuse_what_a_gateway_cannot(asked)
        markup = await self._markup(asked, model)
        if asked.suffix:
            raise Refusal(400, f"{model.full_name} does not support insert")
        earlier = request_translator.recalled(asked.context)
        conversation = request_translator.prompt_of(asked, earlier)
        kind = self._models.is_mistralrs
        body = (
            request_translator.raw(asked, model.card.id, is_mistralrs=kind)
            if asked.raw
            else request_translator.chat(asked, model.card.id, conversation, is_mistralrs=kind)
        )
        async with self._residency.using(model, asked.keep_alive):
            if not asked.prompt:
                return _ended(shape, "load")
            telling = _telling(started, asked, body, markup, None if asked.raw else conversation)
            path = request_translator.RAW if asked.raw else request_translator.CHAT
            return await _sent(request, self._told(telling, path, body), shape, asked.stream)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        asked = read(ChatRequest, await request.read())
        _check_logprobs(asked)
        model = await self._models.find(asked.model) if asked.model else None
        if model is None:
            # A name that cannot be one is a missing name here, and an unknown one in generate.
            raise _not_found(asked.model) if is_name(asked.model) else Refusal(400, "model is required")
        shape = Shape(asked.model, is_chat=True)
        if not asked.messages and asked.keep_alive == 0:
            await self._residency.unload(model)
            return _ended(shape, "unload")
        markup = await self._markup(asked, model)
        conversation = request_translator.conversation_of(asked.messages)
        body = request_translator.chat(
            asked, model.card.id, conversation, is_mistralrs=self._models.is_mistralrs
        )
        async with self._residency.using(model, asked.keep_alive):
            if not asked.messages:
                return _ended(shape, "load")
            telling = _telling(started, asked, body, markup)
            return await _sent(
                request, self._told(telling, request_translator.CHAT, body), shape, asked.stream
            )

    async def embed(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter_ns()
        asked = read(EmbedRequest, await request.read())
        inputs = asked.inputs()
        model = await self._found_for_embedding(asked.model)
        async with self._residency.using(model, asked.keep_alive):
            loaded = time.perf_counter_ns()
            if not inputs:
                return _json({"model": asked.model, "embeddings": []})
            vectors, tokens = await self._embedded(model, inputs, cut=asked.truncate is not False)
        embeddings = [_normalised(_normalised(vector)[: asked.dimensions or None]) for vector in vectors]
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
            raise Refusal(400, "model is required")
        model = await self._found_for_embedding(asked.model)
        async with self._residency.using(model, asked.keep_alive):
            vectors = (await self._embedded(model, [asked.prompt], cut=True))[0] if asked.prompt else [[]]
        return _json({"embedding": vectors[0]})

    async def _embedded(
        self, model: Model, inputs: Sequence[str], *, cut: bool
    ) -> tuple[list[list[float]], int]:
        """The vectors in the order of the inputs, and the tokens of the inputs. Raises `Refusal`.

        `cut`: what is too long is shortened without a word.
        """
        body: dict[str, Any] = {"model": model.card.id, "input": list(inputs), "encoding_format": "float"}
        if cut:
            body["truncate_sequence"] = True
        try:
            answer = await self._upstream.post("/v1/embeddings", body)
        except Refusal as refusal:
            if refusal.status in (404, 405) or "incompatible for this model" in refusal.words:
                raise Refusal(501, f"the target makes no embeddings with '{model.name}'") from None
            if "sequence length" in refusal.words.lower():
                # llm/server.go, Embedding
                raise Refusal(400, "the input length exceeds the context length") from None
            raise
        try:
            entries = sorted(answer["data"], key=lambda entry: entry["index"])
            vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
            tokens = int(answer["usage"]["prompt_tokens"])
        except (KeyError, TypeError, ValueError):
            raise Refusal(502, "the target's embeddings cannot be read") from None
        if len(vectors) != len(inputs):
            raise Refusal(502, f"the target made {len(vectors)} embeddings of {len(inputs)} inputs")
        return vectors, tokens

    async def _told(
        self, telling: Telling, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Sequence[Part]]:
        """The answer's parts as they come. Raises `Refusal`; leaving it ends the target's work."""
        framing = Framing()
        async with self._upstream.events(path, body) as events:
            while not telling.ended_early and (read := await events.read()):
                if parts := telling.parts(framing.feed(read)):
                    yield parts
        if not telling.usage:
            telling.usage = await self._counted(path, body)
        yield telling.end()

    async def _counted(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The tokens of a prompt whose answer came without figures: asked for again, one token long."""
        left_out = ("stream", "stream_options", "grammar", "response_format")
        short = {name: value for name, value in body.items() if name not in left_out}
        with contextlib.suppress(Refusal):
            usage = (await self._upstream.post(path, {**short, "max_tokens": 1})).get("usage") or {}
            return {"prompt_tokens": usage.get("prompt_tokens")}
        return {}

    async def _markup(self, asked: AnswerRequest, model: Model) -> Markup:
        """What is to be taken out of the answer.

        Raises `Refusal` for what the model's template, where it is known, has no place for.
        """
        tools = getattr(asked, "tools", ())
        facts = await self._models.facts(model)
        if facts is None:
            return Markup(thinks=bool(asked.think), calls=bool(tools))
        if asked.think and "thinking" not in facts.capabilities:
            if isinstance(asked.think, str) and isinstance(asked, GenerateRequest):
                raise Refusal(400, f'think value "{asked.think}" is not supported for this model')
            raise Refusal(400, f"{json.dumps(asked.model)} does not support thinking")
        if tools and "tools" not in facts.capabilities:
            raise Refusal(400, f"{model.full_name} does not support tools")
        # A model that can think does, unless it is told not to.
        return Markup(thinks=asked.think is not False and "thinking" in facts.capabilities, calls=bool(tools))

    async def _found(self, name: str) -> Model:
        model = await self._models.find(name) if name else None
        if model is None:
            raise _not_found(name)
        return model

    async def _found_for_embedding(self, name: str) -> Model:
        model = await self._models.find(name) if name else None
        if model is None:
            raise Refusal(404, f'model "{name}" not found, try pulling it first')
        return model


def _not_found(name: str) -> Refusal:
    return Refusal(404, f"model '{name}' not found")


def _check_logprobs(asked: AnswerRequest) -> None:
    if not 0 <= asked.top_logprobs <= 20:
        raise Refusal(400, "top_logprobs must be between 0 and 20")


def _telling(
    started: int,
    asked: AnswerRequest,
    body: Mapping[str, Any],
    markup: Markup,
    remembers: request_translator.Conversation | None = None,
) -> Telling:
    return Telling(
        started,
        time.perf_counter_ns(),
        body.get("stop", ()),
        markup,
        is_json=request_translator.wants_format(asked.format),
        alternatives=asked.top_logprobs > 0,
        remembers=remembers,
    )


async def _sent(
    request: web.Request, told: AsyncGenerator[Sequence[Part]], shape: Shape, stream: bool | None
) -> web.StreamResponse:
    """The answer, line by line as it comes, or whole. `Refusal` for a failure before the first line."""
    async with aclosing(told):
        if stream is False:
            return _json(shape.whole([part async for parts in told for part in parts]))
        first = await anext(told)
        answer = web.StreamResponse(headers=_LINES)
        await answer.prepare(request)
        await answer.write(shape.lines(first))
        try:
            async for parts in told:
                await answer.write(shape.lines(parts))
        except Refusal as refusal:
            # The status is out: an error is a line of its own, and the last.
            await answer.write(written({"error": refusal.words}).encode())
        await answer.write_eof()
        return answer


def _ended(shape: Shape, reason: str) -> web.Response:
    """An answer that is only an end."""
    return _json(shape.line(Part(end={"done_reason": reason})))


def _json(value: Mapping[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(value, separators=(",", ":")).encode(), headers=_JSON)


def _entry(model: Model, facts: Facts | None) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "size": facts.size if facts else 0,
        "digest": digest_of(model, facts),
        "details": facts.details if facts else details(),
    }


def _modified(model: Model, facts: Facts | None) -> str:
    return _date(facts.modified if facts else datetime.fromtimestamp(model.card.created, UTC))


def _date(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _normalised(vector: Sequence[float]) -> list[float]:
    """The vector with length 1. Raises `Refusal` for one that is not finite."""
    if not all(map(math.isfinite, vector)):
        raise Refusal(400, "embedding contains NaN or Inf values")
    length = max(math.hypot(*vector), 1e-12)
    return [number / length for number in vector]
