"""One line of Prometheus' text exposition format: a sample, or what is stated about a metric.

Strict: each line is read to its end, as Prometheus reads it. The official Python parser ignores what stands
behind a timestamp, two labels of one name, and escapes that do not exist.
Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (Text format details)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]
# Go's ParseFloat, without what Prometheus rejects: hexadecimal numbers, and `_` between digits.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SAMPLE = re.compile(
    rf"(?P<name>{_METRIC.pattern})(?:[ \t]*\{{(?P<labels>(?:[^\"}}]|{_QUOTED})*)\}})?(?P<values>.*)"
)
_LABEL = re.compile(
    r'[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"(?P<value>(?:[^"\\]|\\.)*)"[ \t]*(?:,|$)'
)
_META = re.compile(r"#[ \t]+(?P<kind>HELP|TYPE)(?=[ \t]|$)[ \t]*(?P<metric>[^ \t]*)[ \t]*(?P<text>.*)")
_ESCAPE = re.compile(r"\\(.?)")
_UNESCAPED = {"n": "\n", "\\": "\\", '"': '"'}
# No more digits than its greatest number has: Python's `int` rejects some thousands of them.
_TIMESTAMP = re.compile(r"-?\d{1,19}", re.ASCII)
# Milliseconds in a signed integer.
_MAX_TIMESTAMP = 2**63 - 1


class MalformedLine(Exception):
    """A line that Prometheus rejects, with the reason."""


@dataclass(frozen=True)
class Sample:
    """One line: a name with labels (sorted by name, without empty ones), its value. `line`: its number."""

    name: str
    labels: Labels
    value: float
    line: int

    def __str__(self) -> str:
        return f"{self.name}{shown(self.labels)}"


@dataclass(frozen=True)
class Stated:
    """A line about a metric. `kind`: `HELP` or `TYPE`."""

    kind: str
    metric: str
    text: str
    line: int


def shown(labels: Labels) -> str:
    """`{path="/v1",status="200"}`, or nothing."""
    inside = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def read_line(line: str, number: int) -> Sample | Stated | None:
    """None for a comment and an empty line. Raises `MalformedLine`."""
    if "\N{REPLACEMENT CHARACTER}" in line:
        raise MalformedLine("is not UTF-8")
    text = line.strip(" \t")
    if not text:
        return None
    return _read_comment(text, number) if text.startswith("#") else _read_sample(text, number)


def _read_comment(text: str, number: int) -> Stated | None:
    found = _META.fullmatch(text)
    if found is None:
        return None
    if not _METRIC.fullmatch(found["metric"]):
        raise MalformedLine(f"has no name of a metric behind {found['kind']}")
    if found["kind"] == "TYPE" and not re.fullmatch(r"\S+", found["text"]):
        raise MalformedLine("states no type" if not found["text"] else "states more than a type")
    if found["kind"] == "HELP":
        _unescaped(found["text"], "n\\")
    return Stated(found["kind"], found["metric"], found["text"], number)


def _read_sample(text: str, number: int) -> Sample:
    found = _SAMPLE.fullmatch(text)
    if found is None:
        raise MalformedLine("is no sample")
    labels = _read_labels(found["labels"] or "")
    name, values = found["name"], re.split(r"[ \t]+", found["values"].strip(" \t"))
    if found["labels"] is None and found["values"][:1] not in (" ", "\t"):
        raise MalformedLine("is no sample")
    value = _read_value(values[0])
    if len(values) > 2:
        raise MalformedLine(f"has {' '.join(values[2:])!r} behind its timestamp")
    if len(values) == 2 and not (_TIMESTAMP.fullmatch(values[1]) and abs(int(values[1])) <= _MAX_TIMESTAMP):
        raise MalformedLine(f"has the timestamp {values[1]!r}, which is no integer of milliseconds")
    return Sample(name, labels, value, number)


def _read_value(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) or _NO_NUMBER.fullmatch(text) else math.nan
    if math.isnan(value) and text.lower() != "nan":
        raise MalformedLine(f"is no sample: {text[:40]!r} is no number")
    if math.isinf(value) and not _NO_NUMBER.fullmatch(text):
        raise MalformedLine("is no sample: its value is beyond every number")
    return value


def _read_labels(text: str) -> Labels:
    labels: dict[str, str] = {}
    position = 0
    while text[position:].strip(" \t"):
        found = _LABEL.match(text, position)
        if found is None:
            raise MalformedLine(
                f'is no sample: its labels are not NAME="VALUE" from {text[position:][:40]!r} on'
            )
        name = found["name"]
        if name in labels:
            raise MalformedLine(f"has the label {name} twice")
        if name == "__name__":
            raise MalformedLine("has the label __name__, which is the name of the metric")
        labels[name] = _unescaped(found["value"], 'n\\"')
        position = found.end()
    # A label that is empty is none.
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _unescaped(text: str, known: str) -> str:
    """`known`: what may stand behind a backslash."""

    def character(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise MalformedLine(f"has the escape {found[0]}, which the format does not have")
        return _UNESCAPED[found[1]]

    return _ESCAPE.sub(character, text)
