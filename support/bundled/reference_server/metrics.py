"""Prometheus metrics under the names of mistral.rs 0.9."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]
_HTTP_LABELS = ("method", "path", "model")
_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One registry for each server: nothing is shared between two in one process."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: how many sequences may run at once."""
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "HTTP requests answered", (*_HTTP_LABELS, "status"), registry=registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds", "HTTP request time", (*_HTTP_LABELS, "status"), registry=registry
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "HTTP requests under way", _HTTP_LABELS, registry=registry
        )
        self.first_token = Histogram(
            "mistralrs_time_to_first_token_seconds",
            "From request to first token",
            ("model",),
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.inter_token = Histogram(
            "mistralrs_inter_token_latency_seconds",
            "Between two tokens",
            ("model",),
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.tokens = Counter(
            "mistralrs_tokens_processed", "Prompt and answer tokens", ("model",), registry=registry
        )
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
