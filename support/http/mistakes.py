"""Wrong requests (the table is `mistakes.toml`) and what a good refusal is."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.openai import error_message

TABLE = Path(__file__).with_name("mistakes.toml")


@cache
def table() -> dict[str, dict[str, Any]]:
    """The requests by the words that the features use."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def send(client: ApiClient, mistake: str, model: str) -> Exchange:
    """Send one wrong request."""
    row = table()[mistake]
    content_type = row.get("content_type", "application/json")
    return client.send(
        row.get("method", "POST"),
        row["path"],
        body=row["body"].replace("{model}", model).encode(),
        headers={"Content-Type": content_type} if content_type else {},
    )


def check_status(reply: Exchange, allowed: str) -> None:
    """The status is one of those (`"400 or 422"`)."""
    statuses = [int(word) for word in allowed.split(" or ")]
    assert reply.status in statuses, f"expected status {allowed}, got {reply.status}\n{reply.describe()}"


def check_explained(reply: Exchange, words: str) -> None:
    """The body is an OpenAI error object whose message contains these words, whatever their case."""
    message = error_message(reply)
    assert words.lower() in message.lower(), (
        f"expected the error to mention {words!r}, it says {message!r}\n{reply.describe()}"
    )


def check_content_type(reply: Exchange, expected: str) -> None:
    """The media type, parameters aside."""
    assert reply.content_type == expected, (
        f"expected content type {expected}, got {reply.content_type}\n{reply.describe()}"
    )
