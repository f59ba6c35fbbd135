"""Ids that pytest finds again, as mutmut needs them: one with a backslash is another one in a second run."""

from __future__ import annotations

import re

LONGEST = 40


def plain_id(value: object) -> str:
    """Its words and digits, shortened: `b data a` for `b"data: a"`."""
    return re.sub(r"\\\w|\W+", " ", repr(value), flags=re.ASCII).strip()[:LONGEST]
