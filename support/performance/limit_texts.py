"""Limits of latencies as text: `ttft p95 < 500ms, tpot p95 < 30ms`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.errors import SettingsError
from support.performance.limits import Threshold
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, WHOLE

NAMES: Mapping[str, str] = {
    "ttft": FIRST_TOKEN,
    "itl": PER_TOKEN,
    # Without the first token, it is the same value of a request.
    "tpot": PER_TOKEN,
    "e2e": WHOLE,
}
_NUMBER = r"(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)"
_LIMIT = re.compile(rf"(?P<name>[a-z0-9]+)(?:\s+p(?P<level>\d+(?:\.\d+)?))?\s*<=?\s*{_NUMBER}", re.IGNORECASE)
_UNITS = {"ms": 1.0, "s": 1000.0}


def parse_percentiles(text: str) -> tuple[Threshold, ...]:
    """Limits of percentiles. Raises `SettingsError` for another text."""
    return tuple(_threshold(part, text, "ttft p95 < 500ms, tpot p95 < 30ms") for part in text.split(","))


def parse_limits(text: str) -> dict[str, float]:
    """Limits of each single request, in milliseconds by metric. Raises `SettingsError` for another text."""
    example = "ttft < 500ms, tpot < 30ms"
    found = [_threshold(part, text, example, levels=False) for part in text.split(",")]
    return {threshold.metric: threshold.limit for threshold in found}


def _threshold(part: str, text: str, example: str, *, levels: bool = True) -> Threshold:
    found = _LIMIT.fullmatch(part.strip())
    if found is None or (found["level"] is not None) is not levels:
        raise SettingsError(f"{text!r} is no list of limits; write them as {example!r}")
    name, level = found["name"].lower(), float(found["level"] or 0)
    if name not in NAMES:
        raise SettingsError(f"{text!r} has no latency {name!r}; choose {', '.join(NAMES)}")
    if levels and not 0 < level < 100:
        raise SettingsError(f"{text!r}: a percentile is between 0 and 100, not {level:g}")
    return Threshold(NAMES[name], level / 100, float(found["limit"]) * _UNITS[found["unit"].lower()])
