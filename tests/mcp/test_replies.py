"""What counts as a good reply to an agent, and that each check notices what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from support.http.exchange import Exchange
from support.mcp import json_rpc

PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}


def reply(
    document: object, status: int = 200, *, asked: object = PING, content_type: str = "application/json"
) -> Exchange:
    """A reply to `asked`; `document` as JSON, or as it stands when it is text."""
    body = document if isinstance(document, str) else json.dumps(document)
    return Exchange(
        method="POST",
        url="http://server/mcp",
        request_headers={},
        request_body=json.dumps(asked).encode(),
        status=status,
        headers={"content-type": content_type},
        body=body.encode(),
        seconds=0.01,
    )


def result(value: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "result": value}


def error(code: object, message: str = "it says why") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "error": {"code": code, "message": message}}


GREETING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "mistralrs", "version": "0.9.2"},
}
TOOL = {"name": "chat", "inputSchema": {"type": "object"}}
TEXT = {"content": [{"type": "text", "text": "Arr!"}]}

GOOD = [
    ("an initialize result", reply(result(GREETING))),
    ("an empty result", reply(result({}))),
    (
        "an empty result",
        reply(f"event: message\ndata: {json.dumps(result({}))}\n\n", content_type="text/event-stream"),
    ),
    ("a list of tools", reply(result({"tools": [TOOL]}))),
    ("a text result", reply(result(TEXT))),
    ("status 202 without a body", reply("", 202)),
    ("a tool error or -32602 (invalid params)", reply(error(-32602))),
    ("a tool error or -32602 (invalid params)", reply(result({**TEXT, "isError": True}))),
    ("error -32601 (method not found)", reply(error(-32601))),
    ("error -32600 (invalid request)", reply(error(-32600))),
    ("error -32602 (invalid params)", reply(error(-32602))),
    ("status 400, 415 or 422", reply("what is that?", 422, content_type="text/plain")),
    ("status 400, 415 or 422", reply({"jsonrpc": "2.0", "id": None, "error": {"code": -32700}}, 400)),
    ("status 403", reply("", 403, content_type="")),
    ("status 405", reply("", 405, content_type="")),
]

BAD = [
    ("an initialize result", reply(result({**GREETING, "protocolVersion": "1"}))),
    ("an initialize result", reply(result({**GREETING, "serverInfo": {"name": "mistralrs"}}))),
    ("an initialize result", reply(result({**GREETING, "capabilities": {}}))),
    ("an empty result", reply(result({"more": 1}))),
    ("an empty result", reply(result(None))),
    ("an empty result", reply(result({}), 500)),
    ("an empty result", reply(error(-32601))),
    ("an empty result", reply({**result({}), "id": 8})),
    ("an empty result", reply({**result({}), "id": "7"})),
    ("an empty result", reply({**result({}), "jsonrpc": "1.0"})),
    ("an empty result", reply({**result({}), **error(-32601)})),
    ("an empty result", reply([result({})])),
    ("an empty result", reply("pong")),
    ("a list of tools", reply(result({"tools": []}))),
    ("a list of tools", reply(result({"tools": [{"name": "chat"}]}))),
    ("a text result", reply(result({"content": []}))),
    ("a text result", reply(result({**TEXT, "isError": True}))),
    ("status 202 without a body", reply(error(-32601))),
    ("status 202 without a body", reply("{}", 202)),
    ("a tool error or -32602 (invalid params)", reply(error(-32603))),
    ("a tool error or -32602 (invalid params)", reply(result(TEXT))),
    ("error -32601 (method not found)", reply(error(-32600))),
    ("error -32601 (method not found)", reply(error(-32601, " "))),
    ("error -32601 (method not found)", reply(result({}))),
    ("status 400, 415 or 422", reply(result({}))),
    ("status 400, 415 or 422", reply("what is that?", 500)),
    ("status 400, 415 or 422", reply({"oops": 1}, 400)),
    ("status 400, 415 or 422", reply("{", 400)),
    ("status 403", reply(result({}))),
    ("status 405", reply("", 404)),
]


@pytest.mark.parametrize(("outcome", "exchange"), GOOD, ids=[outcome for outcome, _ in GOOD])
def test_a_good_reply_passes(outcome: str, exchange: Exchange) -> None:
    json_rpc.check_reply(exchange, outcome)


@pytest.mark.parametrize(("outcome", "exchange"), BAD, ids=[outcome for outcome, _ in BAD])
def test_a_wrong_reply_is_noticed(outcome: str, exchange: Exchange) -> None:
    with pytest.raises(AssertionError):
        json_rpc.check_reply(exchange, outcome)


def test_every_outcome_is_tried_both_ways() -> None:
    assert {outcome for outcome, _ in GOOD} == set(json_rpc.replies())
    # All errors and all refusals are made by one function each.
    assert {outcome for outcome, _ in BAD} >= set(json_rpc.replies()) - {
        "error -32600 (invalid request)",
        "error -32602 (invalid params)",
    }


def test_messages_are_json_but_for_those_that_must_not_be() -> None:
    for name, row in json_rpc.table().items():
        assert set(row) <= {"body", "method", "content_type", "origin", "protocol"}, name
        if name not in ("malformed JSON", "a GET request"):
            json.loads(row["body"])


def test_the_curl_line_has_the_headers_that_decide() -> None:
    headers = {
        "accept": json_rpc.ACCEPT,
        "origin": "http://evil.example",
        "mcp-protocol-version": "1999-12-31",
    }
    line = replace(reply(result({})), request_headers=headers).curl()
    assert all(f"-H '{name}: {value}'" in line for name, value in headers.items())
    assert "accept" not in replace(reply(result({})), request_headers={"accept": "*/*"}).curl()
