"""Raw JSON-RPC messages over HTTP (`messages.toml`), and checks of the replies.

Sources: JSON-RPC 2.0 (https://www.jsonrpc.org/specification) and MCP 2025-11-25, "Transports", "Lifecycle"
and "Tools".
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from support.errors import CheckFailed
from support.http.client import ApiClient
from support.http.exchange import Exchange, NotJson
from support.http.framing import parse_events
from support.units import JsonObject

TABLE = Path(__file__).with_name("messages.toml")
ROUTE = "/mcp"
ACCEPT = "application/json, text/event-stream"
INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
PROTOCOL = re.compile(r"20\d\d-[01]\d-[0-3]\d")


@cache
def table() -> dict[str, dict[str, str]]:
    """The messages by their names in the features."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


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


def result(reply: Exchange) -> JsonObject:
    """The result in a reply that is one: status 200, the id of the request, no error."""
    document = _document(reply)
    if not (reply.status == 200 and "result" in document):
        raise CheckFailed(f"expected a result\n{reply.describe()}")
    if not isinstance(document["result"], dict):
        raise CheckFailed(f"a result is an object\n{reply.describe()}")
    return dict(document["result"])


def texts(call: JsonObject) -> str:
    """The text in the result of a tool call."""
    content = call.get("content")
    if not isinstance(content, list):
        raise CheckFailed(f"expected a list `content` in the result, got {call}")
    return "".join(str(part["text"]) for part in content if part.get("type") == "text")


def _document(reply: Exchange) -> JsonObject:
    """The message in the reply: version 2.0, the id of the request, and a result or an error, not both."""
    if reply.content_type == "text/event-stream":
        document = json.loads(parse_events(reply.body)[-1].data)
    else:
        document = reply.json()
    asked = json.loads(reply.request_body)
    if not isinstance(document, dict):
        raise CheckFailed(f"expected one message\n{reply.describe()}")
    if document.get("jsonrpc") != "2.0":
        raise CheckFailed(f"expected a message of JSON-RPC 2.0\n{reply.describe()}")
    if document.get("id") != asked.get("id"):
        raise CheckFailed(f"expected the id {asked.get('id')!r}\n{reply.describe()}")
    if ("result" in document) == ("error" in document):
        raise CheckFailed(f"expected a result or an error, and not both\n{reply.describe()}")
    return document


def _error(code: int) -> Callable[[Exchange], None]:
    def check_error(reply: Exchange) -> None:
        error = _document(reply).get("error")
        if not isinstance(error, dict):
            raise CheckFailed(f"expected an error\n{reply.describe()}")
        if error.get("code") != code:
            raise CheckFailed(f"expected the error {code}\n{reply.describe()}")
        if not str(error.get("message", "")).strip():
            raise CheckFailed(f"the error has no message\n{reply.describe()}")

    return check_error


def _check_handshake(reply: Exchange) -> None:
    """A server that does not know the client's version answers with one that it knows ("Lifecycle")."""
    initialized = result(reply)
    protocol, about = initialized.get("protocolVersion"), initialized.get("serverInfo")
    if not PROTOCOL.fullmatch(str(protocol)):
        raise CheckFailed(f"expected a protocol version\n{reply.describe()}")
    if not (isinstance(about, dict) and about.get("name") and about.get("version")):
        raise CheckFailed(f"expected name and version of the server\n{reply.describe()}")
    tools = initialized.get("capabilities", {}).get("tools")
    if not isinstance(tools, dict):
        raise CheckFailed(f"expected the capability `tools`\n{reply.describe()}")


def _empty(reply: Exchange) -> None:
    if result(reply) != {}:
        raise CheckFailed(f"expected an empty result\n{reply.describe()}")


def _tools(reply: Exchange) -> None:
    tools = result(reply).get("tools")
    if not (isinstance(tools, list) and tools):
        raise CheckFailed(f"expected a list of tools\n{reply.describe()}")
    for tool in tools:
        schema = tool.get("inputSchema")
        if not (tool.get("name") and isinstance(schema, dict) and schema.get("type") == "object"):
            raise CheckFailed(f"a tool has no name or no schema: {tool}\n{reply.describe()}")


def _text(reply: Exchange) -> None:
    call = result(reply)
    if call.get("isError") or not texts(call).strip():
        raise CheckFailed(f"expected a text\n{reply.describe()}")


def _accepted(reply: Exchange) -> None:
    if (reply.status, reply.body) != (202, b""):
        raise CheckFailed(
            f"expected the status 202 and no body: a notification has no reply\n{reply.describe()}"
        )


def _wrong_call(reply: Exchange) -> None:
    """Invalid arguments: a tool error, from which the model can learn, or invalid params."""
    document = _document(reply)
    failed = isinstance(document.get("result"), dict) and document["result"].get("isError") is True
    code = document["error"].get("code") if "error" in document else None
    if not (failed or code == INVALID_PARAMS):
        raise CheckFailed(f"expected a failed call or the error {INVALID_PARAMS}\n{reply.describe()}")


def _refused(*statuses: int) -> Callable[[Exchange], None]:
    """Rejected with an HTTP status; a JSON body has to be an error message."""

    def check_refused(reply: Exchange) -> None:
        if reply.status not in statuses:
            raise CheckFailed(f"expected one of the statuses {statuses}\n{reply.describe()}")
        if reply.content_type == "application/json":
            try:
                document = reply.json()
            except NotJson as error:
                raise CheckFailed(f"{error}\n{reply.describe()}") from None
            if not (isinstance(document, dict) and "error" in document):
                raise CheckFailed(f"no error body\n{reply.describe()}")

    return check_refused


REPLIES: Mapping[str, Callable[[Exchange], None]] = {
    "an initialize result": _check_handshake,
    "an empty result": _empty,
    "a list of tools": _tools,
    "a text result": _text,
    "status 202 without a body": _accepted,
    "a tool error or -32602 (invalid params)": _wrong_call,
    "error -32601 (method not found)": _error(METHOD_NOT_FOUND),
    "error -32600 (invalid request)": _error(INVALID_REQUEST),
    "error -32602 (invalid params)": _error(INVALID_PARAMS),
    "status 400, 415 or 422": _refused(400, 415, 422),
    "status 403": _refused(403),
    "status 405": _refused(405),
}
