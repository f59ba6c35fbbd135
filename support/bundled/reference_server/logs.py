"""Log lines in the format of Rust's `tracing`, which the engine itself writes to the same standard output.

The engine's package starts its own subscriber, so only the lines of the command around it are written here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

SERVER = "mistralrs_server_core::mistralrs_for_server_builder"
SERVE = "mistralrs::commands::serve"
RUN = "mistralrs::commands::run"
ACCESS = "mistralrs_server_core::metrics"

_DEFAULT_FILTER = "warn,mistralrs=info"
_LEVELS = ("off", "error", "warn", "info", "debug", "trace")
_COLOURS = {"ERROR": 31, "WARN": 33, "INFO": 32}


def set_verbosity(verbose: int) -> None:
    """`-v` shows debug lines, `-vv` trace lines; `RUST_LOG`, when set, replaces both."""
    if verbose:
        level = "debug" if verbose == 1 else "trace"
        os.environ.setdefault("RUST_LOG", f"warn,mistralrs={level}")


def enabled(level: str, target: str) -> bool:
    """Whether `RUST_LOG` (or the default filter) lets a line of this level and target through."""
    allowed, best = "off", -1
    for directive in (os.environ.get("RUST_LOG") or _DEFAULT_FILTER).lower().split(","):
        prefix, _, named = directive.strip().rpartition("=")
        if named in _LEVELS and target.startswith(prefix) and len(prefix) > best:
            allowed, best = named, len(prefix)
    return _LEVELS.index(level.lower()) <= _LEVELS.index(allowed)


def log(target: str, text: str, level: str = "INFO") -> None:
    """One line on standard output, in colour unless `NO_COLOR` is set (like the engine, also into a file)."""
    if not enabled(level, target):
        return
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if os.environ.get("NO_COLOR"):
        line = f"{stamp} {level:>5} {target}: {text}"
    else:
        colour = f"\x1b[{_COLOURS[level]}m"
        line = f"\x1b[2m{stamp}\x1b[0m {colour}{level:>5}\x1b[0m \x1b[2m{target}\x1b[0m\x1b[2m:\x1b[0m {text}"
    print(line, flush=True)
