"""Text from outside, made safe and short for a terminal or a page."""

from __future__ import annotations

import re

from support.results.redaction import redact

# A longer text is shown around its first difference, with so many characters on each side.
SHOWN_WHOLE, AROUND = 200, 40
# C0 and C1 controls (an escape sequence starts with one), the bidirectional overrides that make a line read
# as something else (Unicode TR 36, section 2.4), invisible marks, lone surrogates (no encoder takes them),
# and the two non-characters that XML 1.0 has no place for.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text without secrets, control characters shown (`\\x1b`), line feeds and tabs kept, CR LF as LF."""
    return _UNSAFE.sub(_escaped, redact(text).replace("\r\n", "\n"))


def one_line(text: str, width: int = 160) -> str:
    """The first line that is not blank, at most `width` characters; with the next one behind a colon."""
    first, *others = [line.strip() for line in visible(text).splitlines() if line.strip()] or [""]
    return shortened(f"{first} {others[0]}" if first.endswith(":") and others else first, width)


def shortened(text: str, width: int) -> str:
    """At most `width` characters of the text."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def first_lines(text: str, most: int) -> str:
    """At most so many lines: the first ones, and how many there are more."""
    lines = text.rstrip().split("\n")
    if len(lines) <= most:
        return text
    return "\n".join([*lines[: most - 1], f"... ({counted(len(lines) - most + 1, 'more line')})"])


def indented(text: str, by: str = "       ") -> str:
    """Each line of the text, made visible, behind `by`."""
    return "\n".join(by + line if line else "" for line in visible(text).rstrip().split("\n"))


def as_markdown(text: str) -> str:
    """Text that the Markdown of GitHub shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~&$])", r"\\\1", " ".join(visible(text).split()))


def seconds(value: float) -> str:
    """`0.12s`, `75.3s`: fixed width up to 999 s."""
    return f"{value:.2f}s" if value < 10 else f"{value:.1f}s"


def counted(number: int, noun: str) -> str:
    """`1 scenario`, `2 scenarios`: the number with the noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def left_out(unselected: int, out_of_scope: int) -> str:
    """The scenarios that a whole run has and another one has not, by selection and by scope."""
    parts = [counted(unselected, "scenario")] if unselected else []
    parts += [f"{counted(out_of_scope, 'scenario')} out of scope"] if out_of_scope else []
    return " and ".join(parts)


def difference(what: str, expected: str, got: str) -> str:
    """`expected <what> 'a', got 'b'`; of long texts the place where they part, with what stands around it.

    Positions count characters and lines from 1. To be called with two texts that differ.
    """
    if max(len(expected), len(got)) <= SHOWN_WHOLE:
        return f"expected {what} {expected!r}, got {got!r}"
    pairs = zip(expected, got, strict=False)
    at = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(expected), len(got)))
    line = expected.count("\n", 0, at) + 1
    return (
        f"expected {what}: it differs at character {at + 1} (line {line}); "
        f"{len(expected)} characters expected, {len(got)} came\n"
        f"  expected: {_around(expected, at)}\n  got:      {_around(got, at)}"
    )


def _around(text: str, at: int) -> str:
    start, end = max(0, at - AROUND), at + AROUND
    shown = repr(text[start:end])
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
