"""/v1/*: handed to the target and back, byte by byte, as it comes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from support.bundled.ollama_gateway import openai_routes
from support.bundled.ollama_gateway.openai_routes import ModelNameRewriter, ProxiedRequest
from support.bundled.ollama_gateway.upstream import Upstream

# RFC 9110 7.6.1; the length is the body's framing here, and set anew.
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)


async def pass_through(
    request: web.Request, upstream: Upstream, proxied: ProxiedRequest | None = None
) -> web.StreamResponse:
    """The target's answer. Raises `ApiError` when there is none; a stream that breaks is broken here too.

    `proxied`, when given, is sent instead of the body: the model name is put back into the answer, and errors
    have OpenAI's form, unless the request is of another API.
    """
    # With a key of the gateway's own, the client's is a filler.
    left_out = ["host", "expect"] + ["authorization"] * ("authorization" in upstream.session.headers)
    if proxied is not None:
        # Model names are replaced in the answer: it has to come uncompressed.
        left_out += ["content-length", "content-type", "accept-encoding"]
    headers = _forwarded_headers(request.headers.items(), *left_out)
    url = URL(upstream.url + request.rel_url.raw_path_qs, encoded=True)
    sent: dict[str, Any] = {"headers": headers, "allow_redirects": False}
    if proxied is not None:
        # Ollama takes any content type for JSON.
        headers.append(("content-type", "application/json"))
        called: AbstractAsyncContextManager[aiohttp.ClientResponse] = upstream.stream_response(
            request.method, url, data=proxied.body, **sent
        )
    else:
        body = request.content.iter_any() if request.can_read_body else None
        called = upstream.session.request(request.method, url, data=body, **sent)
    with upstream.translate_errors():
        async with called as response:
            if proxied is not None and response.status >= 400:
                return _error_response(response, await upstream.read_all(response), proxied)
            answer = web.StreamResponse(status=response.status, reason=response.reason)
            renamed = (
                ModelNameRewriter(proxied) if proxied is not None and proxied.model is not None else None
            )
            answer.headers.extend(
                _forwarded_headers(response.headers.items(), *["content-length"] * bool(renamed))
            )
            await answer.prepare(request)
            try:
                with upstream.body_of(response) as parts:
                    while part := await parts.read():
                        if data := renamed.feed(part) if renamed else part:
                            await answer.write(data)
            except aiohttp.ClientError:
                # The status has been sent: only an aborted connection shows the error.
                if request.transport is not None:
                    request.transport.abort()
                return answer
    await answer.write_eof(renamed.end() if renamed else b"")
    return answer


def _error_response(response: aiohttp.ClientResponse, raw: bytes, proxied: ProxiedRequest) -> web.Response:
    """An error of another API in its own form. Raises `ApiError` for OpenAI's."""
    if not proxied.is_other_api:
        raise openai_routes.translate_error(response.status, raw, proxied)
    text = openai_routes.strip_paths(raw.decode("utf-8", "replace"), proxied)
    return web.Response(
        status=response.status,
        body=text.encode(),
        headers=_forwarded_headers(response.headers.items(), "content-length"),
    )


def _forwarded_headers(headers: Iterable[tuple[str, str]], *excluded: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP.union(excluded)]
