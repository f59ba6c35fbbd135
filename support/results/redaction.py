"""Secrets, removed from whatever is printed or written: terminal, records, reports, evidence.

`set_redactor` is called once, when the settings are read. Without it the patterns below still hold.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO, cast

from support.results.standard_streams import discard_stream, open_closed_streams

REDACTED = "(redacted)"
# A shorter one would be found in every other word: such a secret protects nothing anyway.
MIN_SECRET_LENGTH = 4
# Of the key, pieces of so many characters and more are removed as well: a server may return its beginning,
# or send it in two parts.
MIN_PREFIX_LENGTH = 8
MIN_PIECE_LENGTH = 12
_SEED_LENGTH = MIN_PIECE_LENGTH // 2
# A terminal breaks long lines; the next one may be indented.
_LINE_BREAK = re.compile(r"\r?\n[ \t]*")
# A piece of the key that could be part of another text.
_WORD = re.compile(r"[A-Z]?[a-z_.-]*|[A-Z_.-]*")
_SECRET_NAME = re.compile(r"(?i)(?:token|key|secret|password|passwd)$")
_AUTHORIZATION = (
    r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|token)\s+)?)"
    r"(?!\$TOKEN|\(redacted|__ALLURE|(?:bearer|basic|digest|token)\b)[^\s\"',;}]+"
)
_OTHER_HEADER = (
    r"(?i)(\b(?:(?:x-)?api-key|(?:set-)?cookie)[\"']?\s*:\s*[\"']?)"
    r"(?!\$TOKEN|\(redacted|__ALLURE)[^\s\"'<][^\r\n\"'<]*"
)
_JSON_KEY = r"(?i)([\"']api_key\\?[\"']\s*:\s*\\?[\"'])(?!\$TOKEN|\(redacted|__ALLURE)[^\"'\\\s]+"
# What is secret wherever it stands: a header, a password in an address. `$TOKEN` and Allure's own mask stand
# there instead of one. A pattern is tried only where the lower-case text has one of its words.
_PATTERNS = (
    (("authorization",), re.compile(_AUTHORIZATION), rf"\1{REDACTED}"),
    (("bearer",), re.compile(r"(?i)(bearer\s+)[\w.~+/=-]{16,}"), rf"\1{REDACTED}"),
    (("api-key", "cookie"), re.compile(_OTHER_HEADER), rf"\1{REDACTED}"),
    (("api_key",), re.compile(_JSON_KEY), rf"\1{REDACTED}"),
    (("@",), re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?!\(redacted\)@)[^\s/@\"'<>]+@"), rf"\1{REDACTED}@"),
)


class _KeyPieces:
    """Parts of the key: its beginning, and longer ones; none that could be words of another text."""

    def __init__(self, key: str) -> None:
        self._key = key
        least = next(
            (size for size in range(MIN_PREFIX_LENGTH, len(key) + 1) if not _WORD.fullmatch(key[:size])),
            max(len(key) // 2, MIN_PREFIX_LENGTH),
        )
        longer = (key[at : at + MIN_PIECE_LENGTH] for at in range(1, len(key) - MIN_PIECE_LENGTH + 1))
        # Piece -> its place in the key.
        self._places = {piece: at for at, piece in enumerate(longer, 1) if not _WORD.fullmatch(piece)}
        if not _WORD.fullmatch(key) or len(key) >= 2 * MIN_PREFIX_LENGTH:
            self._places[key[:least]] = 0
        # Each piece contains one of these whole: most texts have none.
        self._seeds = {
            seed: [piece for piece in self._places if seed in piece]
            for at in range(0, len(key) - _SEED_LENGTH + 1, _SEED_LENGTH)
            for seed in [key[at : at + _SEED_LENGTH]]
        }

    def removed_from(self, text: str) -> str:
        # Most runs have no key, and every text that is printed or written comes here.
        if not self._seeds:
            return text
        joined = "".join(text.split())
        pieces = {piece: None for seed, found in self._seeds.items() if seed in joined for piece in found}
        if not pieces:
            return text
        between = f"(?:{_LINE_BREAK.pattern})?"
        pattern = re.compile("|".join(between.join(map(re.escape, piece)) for piece in pieces))
        kept, end = [], 0
        while found := pattern.search(text, end):
            kept.append(text[end : found.start()])
            end = self._end(text, found)
        return REDACTED.join([*kept, text[end:]])

    def _end(self, text: str, found: re.Match[str]) -> int:
        """Where the text ceases to be the key."""
        piece, end = _LINE_BREAK.sub("", found[0]), found.end()
        for letter in self._key[self._places[piece] + len(piece) :]:
            broken = _LINE_BREAK.match(text, end)
            place = broken.end() if broken else end
            if not text.startswith(letter, place):
                break
            end = place + 1
        return end


class Redactor:
    """Replaces known secrets as they are, URL-encoded, JSON-escaped and in base64, and secret headers.

    Of `key` also its pieces, and what a terminal has broken into lines.
    """

    def __init__(self, secrets: Iterable[str] = (), key: str | None = None) -> None:
        # Without the line feed of the file that a secret is from, and with it.
        spellings = {spelling for secret in secrets for spelling in (secret, secret.strip())}
        found = {form for text in spellings if len(text) >= MIN_SECRET_LENGTH for form in _forms(text)}
        self._forms = sorted(found, key=len, reverse=True)
        self._pieces = _KeyPieces((key or "").strip())

    def text(self, text: str) -> str:
        """The text with `(redacted)` for each secret. Twice does no more than once."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, REDACTED)
        text = self._pieces.removed_from(text)
        lower = text.lower()
        for words, pattern, instead in _PATTERNS:
            if any(word in lower for word in words):
                text = pattern.sub(instead, text)
        return text

    def data(self, data: bytes) -> bytes:
        """The same for bytes of any encoding that keeps ASCII."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def redactor_for(
    key: str | None,
    addresses: Iterable[str | None] = (),
    environ: Mapping[str, str] | None = None,
    tokens: Iterable[str | None] = (),
) -> Redactor:
    """Knows the key, passwords and secret query values of the addresses, and secret environment variables.

    `tokens`: those of other programs than the target.
    """
    secrets = [*filter(None, (key, *tokens))]
    for address in filter(None, addresses):
        parts = urllib.parse.urlsplit(address)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        for spelling in {password, urllib.parse.unquote(password)} - {""}:
            # The second one is what Basic authentication encodes.
            secrets += [spelling, f"{urllib.parse.unquote(user)}:{spelling}"]
        secrets += [value for name, value in urllib.parse.parse_qsl(parts.query) if _SECRET_NAME.search(name)]
    variables = os.environ if environ is None else environ
    secrets += [
        value
        for name, value in variables.items()
        if _SECRET_NAME.search(name) and len(value) >= 2 * MIN_SECRET_LENGTH
    ]
    return Redactor(secrets, key)


_active_redactor = Redactor()


def set_redactor(redactor: Redactor) -> None:
    """From now on, in this process."""
    global _active_redactor
    _active_redactor = redactor


def redact(text: str) -> str:
    return _active_redactor.text(text)


def redact_data(data: bytes) -> bytes:
    return _active_redactor.data(data)


def redact_tree(value: object) -> object:
    """Each text in lists and dictionaries."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return value


def redact_output() -> None:
    """From now on, what is printed goes through the redactor, texts of libraries included.

    Standard streams that are closed are opened, to be empty.
    """
    open_closed_streams()
    if not isinstance(sys.stdout, RedactedStream):
        sys.stdout = cast(TextIO, RedactedStream(sys.stdout))
    if not isinstance(sys.stderr, RedactedStream):
        sys.stderr = cast(TextIO, RedactedStream(sys.stderr))


class RedactedStream:
    """A text stream that redacts what is written; everything else is the stream's own.

    One that can no longer be written (a reader that has ended, a full disk) is dropped, without an error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(redact(text))
        except OSError as error:
            discard_stream(self._stream, error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            discard_stream(self._stream, error)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for quoted in (urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield urllib.parse.quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for text in (secret, f"Bearer {secret}"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(text.encode()).decode().rstrip("=")
