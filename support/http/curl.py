"""A body as a command of the shell that writes it: short where many megabytes are all the same."""

from __future__ import annotations

import base64
import gzip
import re
import shlex
import zlib

from support.results.redaction import redact_data

# Longer ones are not for a script, which somebody reads, and mails.
LONGEST_ENCODED = 400_000
LONGEST_PACKED = 5_000_000
# What is said as `yes` says it. A hyphen first would be an option; quotes are left to those around it.
_REPEATED = re.compile(rb"((?!-)[ !#-&(-~]{1,32}?)\1{255}")
# As much smaller is what repeats itself: only there a search for what it repeats is worth its seconds.
_WORTH_A_SEARCH = 100


def shell_pipeline(data: bytes) -> str | None:
    """A pipeline of POSIX tools that writes exactly these bytes; None when it would be too long to read."""
    if len(data) > _WORTH_A_SEARCH * len(zlib.compress(data, 1)):
        told = _repeated_pipeline(data)
        if told is not None:
            return told
    if len(data) > LONGEST_PACKED:
        return None
    # Nobody finds a secret in what is packed: it goes before.
    data = redact_data(data)
    packed = gzip.compress(data, mtime=0)
    if len(packed) < len(data) // 2:
        return _within_bounds(packed, " | gunzip")
    return _within_bounds(data, "")


def _within_bounds(data: bytes, more: str) -> str | None:
    text = base64.b64encode(data).decode()
    return f"echo {text} | base64 -d{more}" if len(text) <= LONGEST_ENCODED else None


def _repeated_pipeline(data: bytes) -> str | None:
    """Its parts one after the other, the repeated ones by `yes`; None when a part between them is long."""
    parts, end = [], 0
    while found := _REPEATED.search(data, end):
        before, end = end, _repetition_end(found[1], data, found.end())
        parts += [_printf_command(data[before : found.start()]), _yes_command(found[1], end - found.start())]
    parts.append(_printf_command(data[end:]))
    if any(part is None for part in parts):
        return None
    return f"{{ {'; '.join(part for part in parts if part)}; }}"


def _repetition_end(unit: bytes, data: bytes, end: int) -> int:
    """Where the repetition ends that is known to go on until `end`."""
    # By the block: the search takes a second for ten million of them, one by one.
    for block in (unit * 65_536, unit):
        while data.startswith(block, end):
            end += len(block)
    return end


def _printf_command(data: bytes) -> str | None:
    if len(data) > LONGEST_ENCODED // 100:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else f"printf %s {shlex.quote(text)}" if text else ""


def _yes_command(unit: bytes, size: int) -> str:
    return f"yes {shlex.quote(unit.decode())} | tr -d '\\n' | head -c {size}"
