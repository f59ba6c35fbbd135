"""Secrets, taken out of whatever leaves: terminal, records, reports, evidence.

`use` is called once, when the settings are read; from then on `redact` and `redact_data` know what is secret.
Without settings the patterns below still hold.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

REDACTED = "(redacted)"
# A shorter one would be found in every other word: such a secret protects nothing anyway.
MIN_SECRET_LENGTH = 4
MIN_NAME_LENGTH = 6
_SECRET_VARIABLE = re.compile(r"(?:TOKEN|API_?KEY|SECRET|PASSWORD|PASSWD)$")
# What looks like a secret wherever it stands: a header, a password or a key in an address, a variable, tokens
# of Hugging Face and OpenAI. `$TOKEN` and Allure's own mask are what stands there instead of one.
_PATTERNS = (
    (
        re.compile(
            r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|token)\s+)?)"
            r"(?!\$TOKEN|\(redacted|__ALLURE|(?:bearer|basic|digest|token)\b)[^\s\"',;}]+"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{16,}"), rf"\1{REDACTED}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?!\(redacted\)@)[^\s/@\"'<>]+@"), rf"\1{REDACTED}@"),
    (
        re.compile(
            r"(?i)(\b(?:(?:x-)?api-key|(?:set-)?cookie)[\"']?\s*:\s*[\"']?)"
            r"(?!\$TOKEN|\(redacted|__ALLURE)[^\s\"'<][^\r\n\"'<]*"
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"(?i)([?&](?:api[_-]?key|key|(?:access_|auth_)?token|password|secret|signature)=)"
            r"(?!\(redacted)[^\s&#\"'<>]+"
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"\b([A-Z0-9_]*(?:TOKEN|API_?KEY|SECRET|PASSWORD|PASSWD)=[\"']?)(?!\(redacted)[^\s$\"']{8,}"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}"), REDACTED),
)

# A sequence that starts with ESC (ECMA-48, 5.4), or the end of a line of the screen.
_IN_BETWEEN = r"(?:\x1b\[[0-?]*[ -/]*[@-~]|\r?\n)*"


class Redactor:
    """Replaces known secrets, however they are written, and what looks like one.

    `whole` are replaced wherever they are found; `words` (a user's name, say) only where they stand alone.
    """

    def __init__(self, whole: Iterable[str] = (), words: Iterable[str] = ()) -> None:
        whole = list(whole)
        anywhere = {form for secret in whole if len(secret) >= MIN_SECRET_LENGTH for form in _forms(secret)}
        alone = {form for word in words if len(word) >= MIN_NAME_LENGTH for form in _spellings(word)}
        parts = [re.escape(form) for form in sorted(anywhere, key=len, reverse=True)]
        parts += [rf"(?<!\w){re.escape(form)}(?!\w)" for form in sorted(alone, key=len, reverse=True)]
        self._known = re.compile("|".join(parts)) if parts else None
        self._whole = sorted(
            (secret for secret in whole if len(secret) >= MIN_SECRET_LENGTH), key=len, reverse=True
        )

    def text(self, text: str) -> str:
        """The text with `(redacted)` for each secret. Twice does no more than once."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text

    def terminal(self, text: str) -> str:
        """The same for what went over a terminal: colours and the end of a line may stand in a secret."""
        for secret in self._whole:
            text = re.sub(_IN_BETWEEN.join(map(re.escape, secret)), REDACTED, text)
        return self.text(text)

    def data(self, data: bytes) -> bytes:
        """The same for bytes of any encoding that keeps ASCII."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def redactor_for(
    key: str | None, url: str | None, environ: Mapping[str, str] | None = None, *others: str | None
) -> Redactor:
    """What keeps a token, the user, password and query values of addresses, and secret variables."""
    whole = [key] if key else []
    words: list[str] = []
    for address in filter(None, (url, *others)):
        parts = urllib.parse.urlsplit(address)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        for spelt in {password, urllib.parse.unquote(password)} - {""}:
            whole += [spelt, f"{urllib.parse.unquote(user)}:{spelt}"]
        words += [user, urllib.parse.unquote(user)]
        words += [value for _, value in urllib.parse.parse_qsl(parts.query)]
    known = os.environ if environ is None else environ
    whole += [
        value
        for name, value in known.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= 2 * MIN_SECRET_LENGTH
    ]
    return Redactor(whole, words)


_active_redactor = Redactor()


def set_redactor(redactor: Redactor) -> None:
    """From now on, in this process."""
    global _active_redactor
    _active_redactor = redactor


def redact(text: str) -> str:
    return _active_redactor.text(text)


def redact_terminal(text: str) -> str:
    return _active_redactor.terminal(text)


def redact_data(data: bytes) -> bytes:
    return _active_redactor.data(data)


def redact_tree(value: object) -> Any:
    """Each text in lists and dictionaries."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return value


class RedactedStream:
    """A text stream that lets no secret through; everything else of it is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _forms(secret: str) -> Iterator[str]:
    yield from _spellings(secret)
    data = secret.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode().rstrip("=")
        # In the middle of something longer it may begin at any bit: only the characters that it alone
        # decides can be found.
        for before in (1, 2):
            inner = encode(b"\0" * before + data).decode().rstrip("=")[before + 1 :]
            inner = inner[: len(inner) - 1]
            if len(inner) >= 2 * MIN_SECRET_LENGTH:
                yield inner
        if len(data) % 3 and len(data) > 2 * MIN_SECRET_LENGTH:
            yield encode(data).decode().rstrip("=")[:-1]


def _spellings(secret: str) -> Iterator[str]:
    """As it is; in an address; in JSON, also as Go writes it; in Python, XML and HTML."""
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote(secret)
    yield urllib.parse.quote_plus(secret)
    for quoted in (urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret)):
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield json.dumps(secret)[1:-1]
    yield re.sub(
        "[<>&]", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(secret, ensure_ascii=False)[1:-1]
    )
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield escape(secret)
    yield quoteattr(secret)[1:-1]
    yield html.escape(secret)
