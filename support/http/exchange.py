"""One request with its answer, as bytes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from support.results.redaction import redact
from support.settings import ca_file
from support.units import Json, JsonObject

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "cookie", "set-cookie"})
# What decides how a server takes a request, beside the secrets. curl's own `Accept` is as open as httpx'.
REPLAYED_HEADERS = frozenset({"content-type", "accept", "origin", "mcp-protocol-version"})
SHOWN_BYTES = 4000
LONGEST_SECRET = 64_000
# No head of a response was received.
NO_STATUS = 0
# Linux rejects a longer word on a command line.
MAX_ARGUMENT = 100_000
_TOKEN_ARGUMENT = re.compile(r"'([\w-]+: \$TOKEN)'")


class NotJson(AssertionError):
    """A body that should be JSON (RFC 8259) is not: broken, NaN, or with a key given twice."""


@dataclass(frozen=True)
class Exchange:
    """Request and answer. Times in seconds since the request was sent; `chunks` are reads in order.

    `sent_at`: when that was, in seconds of the monotonic clock; 0 where it is not known.
    """

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    chunks: tuple[tuple[float, bytes], ...] = ()
    sent_at: float = 0.0

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def in_short(self) -> str:
        """Its status, and where it leads to or how it begins: of a server that is not the expected one."""
        if 300 <= self.status < 400 and "location" in self.headers:
            return f"status {self.status}, a redirect to {self.headers['location']}"
        return f"status {self.status} and {self.text[:60]!r}"

    def json(self) -> Json:
        """The body, strictly: `NotJson` for NaN, duplicate keys, trailing text, wrong encoding."""
        return strict_json(self.body, f"{self.method} {self.url}")

    def curl(self, *, max_body: int = SHOWN_BYTES, body_file: str = "") -> str:
        """The command that repeats the request, secrets left out.

        `body_file`: a gzipped file that has the body; without one, a body is cut after `max_body` bytes.
        """
        words = ["curl", "-sS", "-i", "-X", self.method, self.url]
        for name, value in self.request_headers.items():
            if name.lower() in (*REPLAYED_HEADERS, *SECRET_HEADERS) and value != "*/*":
                words += ["-H", f"{name}: {'$TOKEN' if name.lower() in SECRET_HEADERS else value}"]
        if self.url.startswith("https:") and (ca := ca_file()) is not None:
            words += ["--cacert", str(ca)]
        if self.request_body:
            if "content-type" not in (name.lower() for name in self.request_headers):
                # curl would add one of its own.
                words += ["-H", "Content-Type:"]
            words += ["--data-binary", "@-" if body_file else readable(self.request_body, max_body)]
        # In double quotes, so that the shell puts the token in.
        command = _TOKEN_ARGUMENT.sub(r'"\1"', shlex.join(words))
        return f"gunzip -c {body_file} | {command}" if body_file else command

    @property
    def body_fits_on_a_line(self) -> bool:
        """Whether a shell passes the body of the request to curl as it is."""
        try:
            self.request_body.decode()
        except UnicodeDecodeError:
            return False
        return len(self.request_body) <= MAX_ARGUMENT and b"\0" not in self.request_body

    def arrival_time(self, position: int) -> float:
        """Seconds until so many bytes of the body had been received; 0 where no times are known."""
        received = 0
        for moment, chunk in self.chunks:
            received += len(chunk)
            if received >= position:
                return moment
        return 0.0

    def describe(self) -> str:
        """For a failure message: the response, and how to repeat the request."""
        return (
            f"answer: {self.status} {self.content_type} {readable(self.body)[:600]!r}\nrepeat: {self.curl()}"
        )


def strict_json(data: bytes, where: str) -> Json:
    """Parse one JSON document as RFC 8259 requires it; raises `NotJson` naming `where`."""

    def no_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    def no_duplicates(pairs: list[tuple[str, Json]]) -> JsonObject:
        keys = [key for key, _ in pairs]
        if len(keys) != len(set(keys)):
            raise ValueError(f"key given twice in {keys}")
        return dict(pairs)

    try:
        return json.loads(data.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise NotJson(f"{where}: expected JSON: {error}; got {readable(data)[:300]!r}") from None


def readable(data: bytes, most: int = SHOWN_BYTES) -> str:
    """The text of a body without secrets, cut after `most` characters."""
    # Before it is cut: half a secret would not be known for one. No secret is as long as what is cut first,
    # so that a body of many megabytes takes no seconds.
    text = redact(data[: most + LONGEST_SECRET].decode("utf-8", errors="replace"))
    whole = len(text) <= most and len(data) <= most + LONGEST_SECRET
    return text if whole else f"{text[:most]}... ({len(data)} bytes in all)"
