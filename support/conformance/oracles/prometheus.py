"""A Prometheus of the user, which is only read; `sequences/prometheus.py` has the checks."""

from __future__ import annotations

from support.conformance.api import Api
from support.conformance.oracles.metrics import normalize

PROMETHEUS = Api(
    name="prometheus",
    title="Prometheus",
    contracts={},
    health_case="prometheus.server.version",
    normalize=normalize,
)
