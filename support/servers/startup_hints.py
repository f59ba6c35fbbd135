"""What to do about start-up failures that have been seen before (the table is `startup_hints.toml`)."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("startup_hints.toml")
_INFORMATION = re.compile(r"^\S+Z +(INFO|DEBUG|TRACE) ")


@cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["remedy"]
    return tuple((re.compile(row["pattern"], re.IGNORECASE), row["advice"]) for row in rows)


def hint_for(log: str) -> str | None:
    """The first known remedy for what a log says, or None. Lines of plain information do not count."""
    words = "\n".join(line for line in log.splitlines() if not _INFORMATION.search(line))
    return next((advice for pattern, advice in _table() if pattern.search(words)), None)
