"""Host and Origin checks, CORS, error responses, one log line for each request."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Middleware

from support.bundled.ollama_gateway.errors import ApiError

log = logging.getLogger("gateway")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOCAL_NAMES = ("localhost", "127.0.0.1", "0.0.0.0")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
_APP_SCHEMES = ("app", "file", "tauri", "vscode-webview", "vscode-file")
_EXTENSION_SCHEMES = ("chrome-extension", "safari-extension", "moz-extension", "ms-browser-extension")
_ALLOWED_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,x-stainless-arch,"
    "x-stainless-async,x-stainless-custom-poll-interval,x-stainless-helper-method,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-poll-helper,x-stainless-retry-count,"
    "x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)
_ALLOWED_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"


def plain_text(status: int, text: str) -> web.Response:
    """A text without a charset, as Ollama's router sends it."""
    return web.Response(status=status, body=text.encode(), content_type="text/plain")


def error(refusal: ApiError) -> web.Response:
    return web.json_response({"error": refusal.message}, status=refusal.status)


def origin_guard(*, loopback: bool) -> Middleware:
    """The middleware around every route. `loopback`: only loopback is listened on, so hosts are checked."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.perf_counter(), 499
        try:
            answer = await _handle_if_allowed(request, handler, loopback=loopback)
            status = answer.status
            return answer
        finally:
            # No query, header or body: they may hold secrets. 499: the client closed the connection.
            spent = (time.perf_counter() - started) * 1000
            log.info("%s %s %d %.1f ms", request.method, ascii(request.path)[1:-1], status, spent)

    return guarded


async def _handle_if_allowed(request: web.Request, handler: Handler, *, loopback: bool) -> web.StreamResponse:
    origin = request.headers.get("origin", "")
    foreign = bool(origin) and not _is_allowed_origin(origin, request.host)
    if foreign or (loopback and not _is_local_host(request.host)):
        return web.Response(status=403)
    if origin and request.method == "OPTIONS":
        return web.Response(
            status=204,
            headers={
                "access-control-allow-origin": origin,
                "access-control-allow-methods": _ALLOWED_METHODS,
                "access-control-allow-headers": _ALLOWED_HEADERS,
                "access-control-max-age": "43200",
            },
        )
    return await _handle_errors(request, handler)


async def _handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as refusal:
        return error(refusal)
    except web.HTTPNotFound:
        return plain_text(404, "404 page not found")
    except web.HTTPMethodNotAllowed as refused:
        answer = plain_text(405, "405 method not allowed")
        answer.headers["allow"] = ", ".join(sorted(refused.allowed_methods))
        return answer
    except web.HTTPRequestEntityTooLarge:
        return error(ApiError(413, f"the request's body is larger than {request.client_max_size} bytes"))
    except web.HTTPException:
        raise
    except ConnectionError:
        # The client closed the connection.
        raise
    except Exception:
        log.exception("unexpected")
        return error(ApiError(500, "internal error of the gateway"))


async def set_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """The `server` header, and CORS for an allowed origin."""
    if answer.headers.get("server") == SERVER_SOFTWARE:
        answer.headers["server"] = "mistralrs-gateway"
    origin = request.headers.get("origin")
    if origin and answer.status != 403:
        answer.headers["access-control-allow-origin"] = origin
        answer.headers["vary"] = "origin"


def _is_allowed_origin(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    if parts.scheme in (*_APP_SCHEMES, *_EXTENSION_SCHEMES):
        return True
    return origin in (f"http://{host}", f"https://{host}") or (parts.hostname or "") in _LOCAL_NAMES


def _is_local_host(host: str) -> bool:
    """Whether a Host header may come from this machine: a foreign name would be DNS rebinding."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in ("", "localhost", own) or name.endswith(_LOCAL_SUFFIXES)
    return address.is_loopback or address.is_private or address.is_unspecified


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
