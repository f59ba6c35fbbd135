"""The vocabulary of the tiny models: byte-level BPE, markers and pieces of answers as single tokens.

The base is 3000 tokens, shipped as a list of merges (`data/merges.txt`, made by `tools/train_merges.py`), so
a prompt has the same number of tokens on every machine. The pre-tokenizer is qwen2's, which every engine
knows by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Split

from support.errors import CheckFailed
from support.models.script import Row, Script, ScriptError

BASE_SIZE = 3000
MERGES_FILE = Path(__file__).with_name("data") / "merges.txt"

PRE_TOKENIZER = "qwen2"
"""Its name in a GGUF file (`tokenizer.ggml.pre`); QWEN2_PATTERN is what the engines take it to mean."""
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIALS = (PAD, TURN_START, TURN_END)

MINIMUM_SIZE = 3200
"""Tokens before the three specials, at least: `mistralrs bench` sends token ids up to 3047."""

SHORTEST_PIECE = 6
"""Characters. Shorter ones would too often be words of the vocabulary."""

_TAG = re.compile(r"</?tool_call>")
"""Models that call tools have these as one token each, and engines look for them in the latest one."""

# Ollama looks a whole pre-token up in the vocabulary before it merges: a piece that is one word could be met
# in a prompt there, and only there, and the counts of tokens would differ.
_ONE_WORD = re.compile(r"[^\r\n\w]?[^\W\d_]+|\s+|\d| ?[^\s\w]+")

_BYTES_TO_SYMBOLS = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
_SYMBOLS_TO_BYTES = decoders.ByteLevel()


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, merges by rank, ids of keywords and answers.

    tokens: byte-level strings, all different; the last three are SPECIALS.
    merges: pairs "left right", best first.
    keywords: for each row of the script the ids of its forms (`word`, ` word`, `Word`, ` Word`).
    answer_ids: for each row of the script, then for the default, the ids that spell the answer.
    """

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    keywords: tuple[tuple[int, ...], ...] = ()
    answer_ids: tuple[tuple[int, ...], ...] = ()

    @property
    def end(self) -> int:
        """Id of the token that ends a turn."""
        return len(self.tokens) - 1

    @property
    def pad(self) -> int:
        """Id of the token that ends a text."""
        return len(self.tokens) - len(SPECIALS)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The vocabulary as the `tokenizers` library runs it, and saves it (`to_str`) as `tokenizer.json`."""
        merges = [(left, right) for left, _, right in (merge.partition(" ") for merge in self.merges)]
        tokenizer = Tokenizer(BPE({token: number for number, token in enumerate(self.tokens)}, merges))
        split = Split(Regex(QWEN2_PATTERN), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, _BYTES_TO_SYMBOLS])
        tokenizer.decoder = _SYMBOLS_TO_BYTES
        tokenizer.add_special_tokens(list(SPECIALS))
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; specials in it are recognised, none are added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def text(self, token: int) -> str:
        """The text of one token; bytes that are no whole character become U+FFFD."""
        text: str = _SYMBOLS_TO_BYTES.decode([self.tokens[token]])
        return text


def base_vocabulary() -> Vocabulary:
    """The vocabulary without a script, for random models."""
    return _Builder().finish((), ())


def words_vocabulary(words: Sequence[str]) -> Vocabulary:
    """The base and words that occur only in answers, each one a token, from the id BASE_SIZE on."""
    builder = _Builder()
    return builder.finish((), [(builder.add_word(word),) for word in words])


def script_vocabulary(script: Script) -> Vocabulary:
    """The vocabulary of a script: its keywords are single tokens, its answers are cut into pieces.

    Raises ScriptError when a keyword does not become one token, or two answers are the same text.
    """
    builder = _Builder()
    markers = [builder.add_keyword(row.keyword) for row in script.rows]
    # Short answers choose first: a longer one can cut its pieces around them, not the other way round.
    rows = (*script.rows, script.default_row)
    cut = {row: builder.add_answer(row) for row in sorted(rows, key=lambda row: len(row.answer))}
    vocabulary = builder.finish(markers, [cut[row] for row in rows])
    for row, ids in zip(script.rows, vocabulary.keywords, strict=True):
        for form, token in zip(keyword_forms(row.keyword), ids, strict=True):
            if vocabulary.encode(form) != [token]:
                raise ScriptError(
                    f"marker {row.keyword!r}: {form!r} is not one token of the vocabulary: "
                    "choose another word"
                )
    return vocabulary


def keyword_forms(keyword: str) -> tuple[str, ...]:
    """How it may be written: at the start of a text or after a blank, with or without a capital."""
    return keyword, f" {keyword}", keyword.capitalize(), f" {keyword.capitalize()}"


class _Builder:
    """Collects tokens in the order of their ids."""

    def __init__(self) -> None:
        self._merges = MERGES_FILE.read_text(encoding="utf-8").splitlines()
        self._ranks = {merge: rank for rank, merge in enumerate(self._merges)}
        self._ids: dict[str, int] = {}
        for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()):
            self._token(symbol)
        for merge in self._merges:
            self._token(merge.replace(" ", ""))
        self._answer_ids: set[int] = set()

    def add_word(self, word: str) -> int:
        if not self._is_free(word):
            raise CheckFailed(f"{word!r} is a token already, or may be met in a prompt")
        return self._token(_symbols(word))

    def add_keyword(self, keyword: str) -> tuple[int, ...]:
        return tuple(self._word(form) for form in keyword_forms(keyword))

    def add_answer(self, row: Row) -> tuple[int, ...]:
        """Each piece as long as it takes to be unlike all other tokens: every one has then one successor."""
        text, pieces, start = row.answer, [], 0
        within = {place for tag in _TAG.finditer(text) for place in range(tag.start() + 1, tag.end())}
        while start < len(text):
            end = min(start + SHORTEST_PIECE, len(text))
            while end < len(text) and (
                end in within or text[start:end] in pieces or not self._is_free(text[start:end])
            ):
                end += 1
            if len(text) - end < SHORTEST_PIECE // 2:
                end = len(text)
            pieces.append(text[start:end])
            start = end
        # A rest that is taken joins the piece before it; a short answer may be a word of the base.
        while pieces[-1] in pieces[:-1] or not self._is_usable(pieces[-1]):
            if len(pieces) == 1:
                who = f"marker {row.keyword!r}" if row.keyword else "the default"
                raise ScriptError(f"{who}: another row has the same answer, {text!r}: make them differ")
            rest = pieces.pop()
            pieces[-1] += rest
        ids = tuple(self._token(_symbols(piece)) for piece in pieces)
        self._answer_ids.update(ids)
        return ids

    def finish(
        self, keywords: Iterable[tuple[int, ...]], answer_ids: Iterable[tuple[int, ...]]
    ) -> Vocabulary:
        filler = 0
        # Rows of weights in multiples of 64 suit every matrix kernel.
        while len(self._ids) < MINIMUM_SIZE or (len(self._ids) + len(SPECIALS)) % 64:
            self._token(f"[filler{filler}]")
            filler += 1
        for special in SPECIALS:
            self._token(special)
        return Vocabulary(tuple(self._ids), tuple(self._merges), tuple(keywords), tuple(answer_ids))

    def _token(self, token: str) -> int:
        return self._ids.setdefault(token, len(self._ids))

    def _is_free(self, piece: str) -> bool:
        return _symbols(piece) not in self._ids and not _ONE_WORD.fullmatch(piece)

    def _is_usable(self, piece: str) -> bool:
        token = self._ids.get(_symbols(piece))
        return token is None or (token not in self._answer_ids and bool(piece.strip()))

    def _word(self, word: str) -> int:
        """Merges at the end of the list join what the base makes of a word, from left to right."""
        parts = self._split(_symbols(word))
        while len(parts) > 1:
            merge = f"{parts[0]} {parts[1]}"
            self._ranks[merge] = len(self._merges)
            self._merges.append(merge)
            parts[:2] = [parts[0] + parts[1]]
            self._token(parts[0])
        return self._token(parts[0])

    def _split(self, word: str) -> list[str]:
        parts = list(word)
        while True:
            ranked = [
                (rank, place)
                for place, pair in enumerate(pairwise(parts))
                if (rank := self._ranks.get(" ".join(pair))) is not None
            ]
            if not ranked:
                return parts
            _, place = min(ranked)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]


def _symbols(text: str) -> str:
    """The characters that stand for the bytes of a text in a byte-level vocabulary (GPT-2's table)."""
    return "".join(part for part, _ in _BYTES_TO_SYMBOLS.pre_tokenize_str(text))
