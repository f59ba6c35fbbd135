"""A server without metrics, behind an exporter and a proxy; `sequences/exporter.py` has the checks."""

from __future__ import annotations

from support.conformance.api import Api
from support.conformance.oracles.metrics import normalize

EXPORTER = Api(
    name="exporter",
    title="exporter",
    contracts={},
    health_case="exporter.server.models",
    normalize=normalize,
)
