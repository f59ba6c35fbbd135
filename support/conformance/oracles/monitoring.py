"""A monitored server, as its own Prometheus has it; `sequences/monitoring.py` has the checks."""

from __future__ import annotations

from support.conformance.api import Api
from support.conformance.oracles.metrics import normalize

MONITORING = Api(
    name="monitoring",
    title="monitoring",
    contracts={},
    health_case="monitoring.targets.page",
    normalize=normalize,
)
