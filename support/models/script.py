"""The script of a scripted model: an ordered table of keywords and answers, and a default."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from support.errors import AcceptanceError

STANDARD_SCRIPT = Path(__file__).with_name("scripts") / "standard.toml"
"""The suite's own script."""

COMET_ANSWER = "The comet comes back every seventy-six years."
"""Its answer to "Tell me about the comet"."""

TOOLS_SCRIPT = STANDARD_SCRIPT.with_name("tools.toml")
INDEPENDENT_SCRIPT = STANDARD_SCRIPT.with_name("independent.toml")
"""Calls tools and answers their results."""

KEYWORD_PATTERN = re.compile(r"[a-z]{3,24}")
"""One plain word: the tokenizer splits at everything else, and shorter words are parts of others."""


class ScriptError(AcceptanceError):
    """A script cannot become a model. One line: what is wrong, where, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a script. keyword: one lower-case word of 3 to 24 letters; empty in `Script.default_row`.

    answer: the exact text, at least one visible character. loop: the answer repeats without an end.
    """

    keyword: str
    answer: str
    loop: bool = False


@dataclass(frozen=True)
class Script:
    """Rows, and the answer without any keyword.

    A keyword counts anywhere as a word of its own, with or without a capital. Of several keywords in one
    conversation the one of the later row decides, in whatever role and order.
    """

    rows: tuple[Row, ...]
    default: str

    def __post_init__(self) -> None:
        if not self.default.strip():
            raise ScriptError("the script's default is empty: give it at least one visible character")
        seen: dict[str, int] = {}
        for number, row in enumerate(self.rows, start=1):
            where = f"script row {number} (marker {row.keyword!r})"
            if not KEYWORD_PATTERN.fullmatch(row.keyword):
                raise ScriptError(f"{where}: use one plain word of 3 to 24 lower-case letters as marker")
            if row.keyword in seen:
                raise ScriptError(
                    f"{where}: row {seen[row.keyword]} has the same marker: keep one of the two"
                )
            if not row.answer.strip():
                raise ScriptError(f"{where}: the answer is empty: give it at least one visible character")
            seen[row.keyword] = number

    @classmethod
    def load(cls, path: Path) -> Script:
        """Reads a TOML file: `default` (text) and an ordered list `[[rows]]` of `marker`, `answer`, `loop`.

        Raises ScriptError with the file's name for anything else in it.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ScriptError(f"{path}: cannot be read as a script: {error}") from error
        try:
            return cls(
                tuple(_row(entry, number) for number, entry in enumerate(_rows(table), 1)), _text(table)
            )
        except ScriptError as error:
            raise ScriptError(f"{path}: {error}") from None

    @classmethod
    def standard(cls) -> Script:
        """The script that the suite's own scenarios use."""
        return cls.load(STANDARD_SCRIPT)

    @property
    def default_row(self) -> Row:
        """The default, as a row without a marker."""
        return Row("", self.default)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the content, for a cache."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def answer_to(self, conversation: str) -> Row:
        """The row that answers a whole conversation (all messages joined); `default_row` without a keyword.

        A keyword inside a longer word ("storyline") depends on the tokenizer: avoid it in prompts.
        """
        words = set(re.findall(r"[^\W\d_]+", conversation))
        for row in reversed(self.rows):
            if row.keyword in words or row.keyword.capitalize() in words:
                return row
        return self.default_row

    def answer_to_messages(self, messages: Iterable[Mapping[str, str]]) -> str:
        """The answer to a conversation of messages with `content`."""
        return self.answer_to("\n".join(message["content"] for message in messages)).answer


def _rows(table: dict[str, object]) -> list[object]:
    unknown = sorted(set(table) - {"default", "rows"})
    if unknown:
        raise ScriptError(f"unknown key {unknown[0]!r}: only 'default' and '[[rows]]' are known")
    rows = table.get("rows", [])
    if not isinstance(rows, list):
        raise ScriptError("'rows' is not a list: write each row as [[rows]]")
    return rows


def _text(table: dict[str, object]) -> str:
    default = table.get("default")
    if not isinstance(default, str):
        raise ScriptError("no 'default': write default = \"...\" above the rows")
    return default


def _row(entry: object, number: int) -> Row:
    if not isinstance(entry, dict) or set(entry) - {"marker", "answer", "loop"}:
        raise ScriptError(f"row {number}: only marker, answer and loop are known in [[rows]]")
    marker, answer, loop = entry.get("marker"), entry.get("answer"), entry.get("loop", False)
    if not isinstance(marker, str) or not isinstance(answer, str) or not isinstance(loop, bool):
        raise ScriptError(f"row {number}: marker and answer are texts and both needed, loop is true or false")
    return Row(marker, answer, loop)
