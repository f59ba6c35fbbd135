"""The text of a cause, from the log of a program, and its form that is equal for equal causes."""

from __future__ import annotations

import re

from support.results.safe_text import one_line

COMPARED_CHARACTERS = 500
PANIC = "panicked at"
# What differs from one failure to the next of the same cause. A number stays where it is the kind of failure
# (a status, an exit code, the line of a panic) or part of a word, a path or a version.
_KIND = (
    r"\b(?:status|code|signal|errno|HTTP)\W{0,2}\d+"
    r"|\bexpected [1-5]\d\d[\d, or]*, got [1-5]\d\d|\bgot [1-5]\d\d(?=:)"
)
_NUMBER = r"(?<![\w./-])(?<!\w:)-?\d+(?:\.\d+)?(?![\w/:-]|\.\d)"
_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*Z?"), "TIME"),
    (re.compile(r"(?<![\w./])/(?:home|root|usr|tmp|var|opt|private|Users)(?:/[\w.@+-]+)*/"), "…/"),
    (re.compile(r"\b[\da-f]{8}-[\da-f]{4}-[\da-f-]{22}\b|\b0x[\da-f]+\b"), "ID"),
    (re.compile(r"\b(?:chatcmpl|cmpl|resp|msg|call)[-_][\w-]+"), "ID"),
    (re.compile(r'(?<="id": ")[^"]*|(?<="id":")[^"]*|\b(?=[a-f]*\d)[\da-f]{8,}\b'), "ID"),
    (re.compile(r"\b(?:127\.0\.0\.1:|localhost:|port )\d+|(?<=\[::1\]:)\d+"), "PORT"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|seconds)\b"), "DURATION"),
    (re.compile(r"(?<=\bthread )'[^']*'(?: \(\d+\))?"), "N"),
    (re.compile(rf"((?i:{_KIND}))|{_NUMBER}"), r"\1"),
)


def comparable(text: str) -> str:
    """The first line, as `one_line` has it, without what differs by run: ports, ids, times, numbers."""
    return neutral(one_line(text, COMPARED_CHARACTERS))


def neutral(text: str) -> str:
    """The whole text without what differs from one failure to the next; a text of numbers only stays."""
    found = text
    for pattern, instead in _VOLATILE:
        found = pattern.sub(instead, found)
    return found if re.search(r"[^\W\d_]", found) else text


def panic_lines(log: str) -> list[str]:
    """The lines that begin a panic."""
    return [line for line in log.splitlines() if PANIC in line]


def panic_in(log: str) -> str:
    """`panicked at src/a.rs:1:2: no such layer` for the first panic of a log; Rust has two lines."""
    lines = log.splitlines()
    number = next((number for number, line in enumerate(lines) if PANIC in line), None)
    if number is None:
        return ""
    place = lines[number][lines[number].index(PANIC) :].strip()
    message = lines[number + 1].strip() if place.endswith(":") and number + 1 < len(lines) else ""
    return f"{place} {message}".strip()


def why_ended(log: str) -> str:
    """Why a program has ended, from its log: a panic, its last error, or its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return panic_in(log) or next(reversed(errors or lines), "it wrote nothing")
