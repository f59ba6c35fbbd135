"""Prometheus metrics under the names of mistral.rs 0.9."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]
_REQUEST = ("method", "path", "model")
_RESPONSE = (*_REQUEST, "status")
# The buckets of mistral.rs (mistralrs-server-core/src/metrics.rs): those of time are vLLM's.
_DURATIONS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200)
_BODY_BYTES = (*(2**power for power in (7, 9, 10, 12, 14, 16, 18, 20, 22, 24)), 52_428_800, 104_857_600)
_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
)
_INTER_TOKEN = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80),
)


class Metrics:
    """One registry for each server: nothing is shared between two in one process."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: how many sequences may run at once."""
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("http_requests", "HTTP requests answered", _RESPONSE, registry=registry)
        self.duration = _histogram(
            registry, "http_request_duration_seconds", "HTTP request time", _RESPONSE, _DURATIONS
        )
        self.body_bytes = _histogram(
            registry, "http_request_body_bytes", "HTTP request bodies", _REQUEST, _BODY_BYTES
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "HTTP requests under way", _REQUEST, registry=registry
        )
        self.first_token = _histogram(
            registry,
            "mistralrs_time_to_first_token_seconds",
            "From request to first token of a stream",
            _RESPONSE,
            _FIRST_TOKEN,
        )
        self.inter_token = _histogram(
            registry,
            "mistralrs_inter_token_latency_seconds",
            "Between two tokens of a stream",
            _RESPONSE,
            _INTER_TOKEN,
        )
        self.tokens = Counter("mistralrs_tokens_processed", "Prompt and answer tokens", registry=registry)
        self.running = Gauge("mistralrs_sequences_running", "Sequences under way", registry=registry)
        self.waiting = Gauge(
            "mistralrs_sequences_waiting", "Sequences that wait for a slot", registry=registry
        )
        self.completed = Counter(
            "mistralrs_sequences_completed", "Sequences ended", ("reason",), registry=registry
        )
        Gauge("mistralrs_sequences_capacity", "Slots", registry=registry).set(capacity)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)


class StreamLatency:
    """The token times of one stream. `labels`: method, path, model, status; `started`: of its request."""

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str, str], started: float) -> None:
        self._first = metrics.first_token.labels(*labels)
        self._next = metrics.inter_token
        self._labels = labels
        self._last = started
        self._seen = False

    def observe(self) -> None:
        """A chunk is sent."""
        now = time.monotonic()
        # Like all series, that of inter-token latency begins with its first event.
        measure = self._next.labels(*self._labels) if self._seen else self._first
        measure.observe(now - self._last)
        self._last, self._seen = now, True


def _histogram(
    registry: CollectorRegistry, name: str, what: str, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> Histogram:
    return Histogram(name, what, labels, buckets=buckets, registry=registry)
