"""Raw JSON-RPC messages over HTTP (`messages.toml`), and checks of the replies (`replies.toml`).

Sources: JSON-RPC 2.0 (https://www.jsonrpc.org/specification) and MCP 2025-11-25, "Transports", "Lifecycle"
and "Tools".
"""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from support.conformance.matchers import Expectation
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.framing import parse_events
from support.units import JsonObject

TABLE = Path(__file__).with_name("messages.toml")
REPLIES = TABLE.with_name("replies.toml")
ROUTE = "/mcp"
ACCEPT = "application/json, text/event-stream"


class ExpectedReply(BaseModel):
    """A row of `replies.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statuses: tuple[int, ...] = ()
    body: Literal["message", "rejection", "none"] = "message"
    expect: tuple[Expectation, ...] = ()


@cache
def table() -> dict[str, dict[str, str]]:
    """The messages by their names in the features."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@cache
def replies() -> dict[str, ExpectedReply]:
    """The replies by their names in the features."""
    rows = tomllib.loads(REPLIES.read_text(encoding="utf-8"))
    return {name: ExpectedReply(**row) for name, row in rows.items()}


def send(client: ApiClient, message: str) -> Exchange:
    """Send one of the messages."""
    row = table()[message]
    headers = {"Accept": ACCEPT, "Content-Type": row.get("content_type", "application/json")}
    headers |= {"Origin": row["origin"]} if "origin" in row else {}
    headers |= {"MCP-Protocol-Version": row["protocol"]} if "protocol" in row else {}
    return client.send(
        row.get("method", "POST"),
        ROUTE,
        body=row["body"].encode(),
        headers={name: value for name, value in headers.items() if value},
    )


def check_reply(reply: Exchange, name: str) -> None:
    """The reply is the one of this name; raises `CheckFailed` with the exchange and how to repeat it."""
    try:
        _check(reply, replies()[name])
    except AssertionError as error:
        raise CheckFailed(f"{error}\n{reply.describe()}") from None


def _check(reply: Exchange, expected: ExpectedReply) -> None:
    statuses = expected.statuses
    if statuses and reply.status not in statuses:
        raise CheckFailed(f"expected the status {' or '.join(map(str, statuses))}")
    if expected.body == "message":
        document = _message(reply)
        faults = [fault for expectation in expected.expect if (fault := expectation.check(document))]
        if faults:
            raise CheckFailed("; ".join(faults))
    elif expected.body == "none" and reply.body:
        raise CheckFailed("expected no body")
    elif expected.body == "rejection" and reply.content_type == "application/json":
        document = reply.json()
        if not (isinstance(document, dict) and "error" in document):
            raise CheckFailed("no error body")


def _message(reply: Exchange) -> JsonObject:
    """The message in the reply: version 2.0, the id of the request, and a result or an error, not both."""
    if reply.content_type == "text/event-stream":
        document = json.loads(parse_events(reply.body)[-1].data)
    else:
        document = reply.json()
    asked = json.loads(reply.request_body)
    if not isinstance(document, dict):
        raise CheckFailed("expected one message")
    if document.get("jsonrpc") != "2.0":
        raise CheckFailed("expected a message of JSON-RPC 2.0")
    if document.get("id") != asked.get("id"):
        raise CheckFailed(f"expected the id {asked.get('id')!r}")
    if ("result" in document) == ("error" in document):
        raise CheckFailed("expected a result or an error, and not both")
    return document
