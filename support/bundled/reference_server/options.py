"""Options of the HTTP server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the command line can switch: metrics, the access log, a file for the request bodies."""

    metrics: bool = True
    access_log: bool = True
    request_log: Path | None = None
