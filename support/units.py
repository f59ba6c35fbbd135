"""Quantities as the features write them, and names for JSON. Pure functions: text in, base unit out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

# A JSON document or a part of one (RFC 8259): it is read member by member, so it is Any.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Json]
JsonMapping: TypeAlias = Mapping[str, Json]

SECONDS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0}
# Decimal prefixes, as in SI (NIST SP 330).
BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
DURATION = r"\d+(?:\.\d+)? (?:millisecond|second|minute)s?"
SIZE = r"\d+(?:\.\d+)? [KMG]B"


def seconds(text: str) -> float:
    """`"2 seconds"` gives 2.0, `"500 milliseconds"` 0.5."""
    number, unit = text.split()
    return float(number) * SECONDS[unit.removesuffix("s")]


def size(text: str) -> int:
    """`"1 GB"` gives 1 000 000 000."""
    number, unit = text.split()
    return int(float(number) * BYTES[unit])


QUOTED = r'"[^"]*"'
TEXTS = rf"{QUOTED}(?:(?:, | and ){QUOTED})*"


def texts(written: str) -> tuple[str, ...]:
    """`"usage", "run" and "serve"`, each in double quotes, gives the three texts."""
    return tuple(text[1:-1] for text in re.findall(QUOTED, written))


def listed_pattern(names: Iterable[str]) -> str:
    """The pattern of one of these names, or of several as a sentence lists them: `a, b and c`."""
    name = "|".join(map(re.escape, names))
    return rf"(?:{name})(?:(?:, | and )(?:{name}))*"


def listed(written: str) -> tuple[str, ...]:
    """`"mistral.rs, the gateway and a real Ollama"` gives the three names."""
    return tuple(re.split(", | and ", written))


def request_options(table: Iterable[Mapping[str, str]] | None) -> dict[str, object]:
    """A table of `option` and `value` as fields of a request: numbers, true, false, `[a, b]`, else text."""
    return {row["option"]: _value(row["value"]) for row in table or ()}


def repeated_keys(table: Iterable[Mapping[str, str]]) -> list[tuple[str, int]]:
    """A table of `key` and `times`."""
    return [(row["key"], int(row["times"])) for row in table]


def _value(text: str) -> object:
    if text.startswith("[") and text.endswith("]"):
        return [part.strip() for part in text[1:-1].split(",")]
    try:
        value: object = json.loads(text, parse_constant=lambda name: name)
    except ValueError:
        return text
    return value
