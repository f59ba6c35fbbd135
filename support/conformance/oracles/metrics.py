"""The page of metrics at /metrics: no JSON, so it has no contract; `sequences/metrics.py` has its checks."""

from __future__ import annotations

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.response_parser import ParsedResponse


def normalize(parsed: ParsedResponse) -> NormalizedAnswer:  # noqa: ARG001 - as of every API
    """Nothing of it is compared between two answers."""
    return {}


METRICS = Api(
    name="metrics", title="metrics", contracts={}, health_case="metrics.page.get", normalize=normalize
)
