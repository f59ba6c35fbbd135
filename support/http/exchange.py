"""One request with its answer, as raw as it came."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from support.http.curl import shell_pipeline
from support.results.outcome import Evidence
from support.results.redaction import redact
from support.units import Json, JsonObject

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "cookie", "set-cookie"})
# What decides how a server takes a request, beside the secrets. curl's own `Accept` is as open as httpx'.
REPLAYED_HEADERS = frozenset({"content-type", "accept", "origin", "mcp-protocol-version"})
SHOWN_BYTES = 4000
KEPT_BYTES = 200_000
MOST_CHUNKS = 1000
LONGEST_SECRET = 64_000
# No head of an answer has come.
NO_STATUS = 0
# A longer word on a command line is refused by Linux.
LONGEST_ARGUMENT = 100_000
# Allure's viewer masks exactly this text.
ALLURE_REDACTED = "__ALLURE_REDACTED__"
_TOKEN_ARGUMENT = re.compile(r"'([\w-]+: \$TOKEN)'")


class NotJson(AssertionError):
    """A body that should be JSON (RFC 8259) is not: broken, NaN, or with a key given twice."""


@dataclass(frozen=True)
class Exchange:
    """Request and answer. Times in seconds since the request was sent; `chunks` are reads in order."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    chunks: tuple[tuple[float, bytes], ...] = ()

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Json:
        """The body, strictly: `NotJson` for NaN, duplicate keys, trailing text, wrong encoding."""
        return strict_json(self.body, f"{self.method} {self.url}")

    def curl(self, *, whole: bool = False) -> str:
        """The command that repeats the request, secrets left out.

        `whole`: a long body is not cut; instead of one that no script should hold stands a comment.
        """
        words = ["curl", "-sS", "-i", "-X", self.method, self.url]
        for name, value in self.request_headers.items():
            if name.lower() in (*REPLAYED_HEADERS, *SECRET_HEADERS) and value != "*/*":
                words += ["-H", f"{name}: {'$TOKEN' if name.lower() in SECRET_HEADERS else value}"]
        before = ""
        if self.request_body:
            if "content-type" not in (name.lower() for name in self.request_headers):
                # curl would add one of its own.
                words += ["-H", "Content-Type:"]
            if whole and not _fits_on_a_line(self.request_body):
                written = shell_pipeline(self.request_body)
                if written is None:
                    return (
                        f"# Left out: {self.method} {self.url} with a body of {len(self.request_body)} bytes."
                    )
                before = f"{written} | "
                words += ["--data-binary", "@-"]
            else:
                words += [
                    "--data-binary",
                    _readable(self.request_body, LONGEST_ARGUMENT if whole else SHOWN_BYTES),
                ]
        # In double quotes, so that the shell puts the token in.
        return before + _TOKEN_ARGUMENT.sub(r'"\1"', shlex.join(words))

    def describe(self) -> str:
        """For a failure message: what came back, and how to repeat it."""
        return (
            f"answer: {self.status} {self.content_type} {_readable(self.body)[:600]!r}\nrepeat: {self.curl()}"
        )

    def evidence(self, name: str, file: str = "") -> Evidence:
        """Allure's request and response viewer, secrets masked; `chunks` are for other readers."""
        document = {
            "start": 0,
            "stop": round(self.seconds * 1000),
            "request": {
                "method": self.method,
                "url": self.url,
                "headers": _pairs(self.request_headers),
                "body": {"encoding": "utf8", "value": _readable(self.request_body, KEPT_BYTES)},
            },
            "response": {
                "status": self.status,
                "headers": _pairs(self.headers),
                "body": {"encoding": "utf8", "value": _readable(self.body, KEPT_BYTES)},
            },
            "seconds": round(self.seconds, 6),
            "chunks": [
                {"after": round(moment, 6), "bytes": len(chunk)}
                for moment, chunk in self.chunks[:MOST_CHUNKS]
            ],
        }
        return Evidence(name, "application/vnd.allure.http+json", json.dumps(document).encode(), file)


def strict_json(data: bytes, where: str) -> Json:
    """Parse one JSON document as RFC 8259 wants it; raises `NotJson` naming `where`."""

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
        raise NotJson(f"{where}: expected JSON: {error}; got {_readable(data)[:300]!r}") from None


def _readable(data: bytes, most: int = SHOWN_BYTES) -> str:
    # Before it is cut: half a secret would not be known for one. No secret is as long as what is cut first,
    # so that a body of many megabytes takes no seconds.
    text = redact(data[: most + LONGEST_SECRET].decode("utf-8", errors="replace"))
    whole = len(text) <= most and len(data) <= most + LONGEST_SECRET
    return text if whole else f"{text[:most]}... ({len(data)} bytes in all)"


def _fits_on_a_line(data: bytes) -> bool:
    """Whether a shell hands it over as it is."""
    try:
        return b"\0" not in data and len(data) <= LONGEST_ARGUMENT and bool(data.decode())
    except UnicodeDecodeError:
        return False


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"name": name, "value": ALLURE_REDACTED if name.lower() in SECRET_HEADERS else value}
        for name, value in headers.items()
    ]
