"""A request id, HTTP metrics and access log lines for every request."""

from __future__ import annotations

import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from support.bundled.reference_server import logs
from support.bundled.reference_server.json_fields import JsonObject
from support.bundled.reference_server.metrics import Metrics

# Neither counted nor logged: a scrape must not change the metrics.
_EXCLUDED_PATHS = frozenset({"/", "/health", "/metrics"})


class RequestInFlight:
    """One request in the gauge, without a model until its body is read."""

    def __init__(self, metrics: Metrics, method: str, route: str) -> None:
        self._gauge = metrics.in_flight
        self._labels = (method, route)
        self._model = "none"

    def __enter__(self) -> RequestInFlight:
        self._gauge.labels(*self._labels, self._model).inc()
        return self

    def set_model(self, model: str) -> None:
        """It has the model that its other metrics have."""
        self._gauge.labels(*self._labels, self._model).dec()
        self._gauge.labels(*self._labels, model).inc()
        self._model = model

    def __exit__(self, *_: object) -> None:
        self._gauge.labels(*self._labels, self._model).dec()


class RequestMetricsMiddleware:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str], *, access_log: bool) -> None:
        """`paths`: the routes there are; any other path is counted as `<unmatched>`."""
        self._app = app
        self._metrics = metrics
        self._paths = paths
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get("x-request-id") or f"req_{uuid.uuid4().hex}"
        path, method, started = scope["path"], scope["method"], time.monotonic()
        state: JsonObject = scope.setdefault("state", {})
        state["started"], status = started, 500

        async def identified(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        if path in _EXCLUDED_PATHS or method == "OPTIONS":
            await self._app(scope, receive, identified)
            return
        route = path if path in self._paths else "<unmatched>"
        self._log(f"request started: request_id={request_id} method={method} route={route} path={path}")
        with RequestInFlight(self._metrics, method, route) as state["in_flight"]:
            try:
                await self._app(scope, receive, identified)
            finally:
                seconds = time.monotonic() - started
                labels = (method, route, state.get("model", "none"), str(status))
                self._metrics.requests.labels(*labels).inc()
                self._metrics.duration.labels(*labels).observe(seconds)
                if "body_bytes" in state:
                    self._metrics.body_bytes.labels(*labels[:3]).observe(state["body_bytes"])
                self._log(
                    f"request completed: request_id={request_id} method={method} route={route} path={path} "
                    f"model={labels[2]} status={status} duration_ms={seconds * 1000:.0f}"
                )

    def _log(self, text: str) -> None:
        if self._access_log:
            logs.log(logs.ACCESS, text)
