"""Recorded requests: when each was sent, and how long its prompt and its answer were.

A trace is a file of JSON lines, as Mooncake, aiperf and guidellm have them:

    {"timestamp": 1500, "input_length": 320, "output_length": 64}

with milliseconds from the start of the trace and lengths in tokens. Other fields, such as `hash_ids`, are
ignored: no prompt shares its head with another one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import SettingsError

_FIELDS = ("timestamp", "input_length", "output_length")


@dataclass(frozen=True)
class TracedRequest:
    """`at_ms`: milliseconds after the first request of the trace; lengths in tokens."""

    at_ms: float
    input_length: int
    output_length: int


def read_trace(file: Path) -> tuple[TracedRequest, ...]:
    """In the order of their times. Raises `SettingsError` with file and line for what is no trace."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the trace {file} cannot be read: {error}") from None
    found = [_request(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise SettingsError(f"the trace {file} has no request")
    ordered = sorted(found, key=lambda each: each.at_ms)
    begin = ordered[0].at_ms
    return tuple(TracedRequest(each.at_ms - begin, each.input_length, each.output_length) for each in ordered)


def _request(line: str, where: str) -> TracedRequest:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise SettingsError(f"{where}: no JSON ({error})") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{where}: no object with {', '.join(_FIELDS)}")
    at, prompt, answer = (_number(document, name, where) for name in _FIELDS)
    for name, value in (("input_length", prompt), ("output_length", answer)):
        if value < 1 or value != int(value):
            raise SettingsError(f"{where}: {name} has to be a whole number of tokens above 0, not {value:g}")
    return TracedRequest(at, int(prompt), int(answer))


def _number(document: dict[str, Any], name: str, where: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise SettingsError(f"{where}: {name} has to be a number, 0 or above, not {value!r}")
    return float(value)
