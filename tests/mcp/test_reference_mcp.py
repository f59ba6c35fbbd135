"""The reference server as an MCP server with a fake engine, and its reading of `--mcp-config`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.bundled.reference_server.loading import LoadError, ModelOptions, load
from support.bundled.reference_server.mcp_client import ConfigError, read_configuration
from support.bundled.reference_server.mcp_server import create_mcp_app
from support.bundled.reference_server.metrics import Metrics
from support.bundled.reference_server.stream_bridge import Streams
from support.mcp import json_rpc
from support.servers.command_line import ModelArguments
from support.servers.launch_plans import LaunchPlan, invalid_mcp_plan, table
from tests.reference_server.stand_ins import FakeEngine


def post(engine: FakeEngine, body: str, content_type: str = "application/json") -> httpx.Response:
    async def exchange() -> httpx.Response:
        app = create_mcp_app(Streams(engine, Metrics(engine.max_seqs)), "0.9.5")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.post(
                "http://server/mcp", content=body, headers={"content-type": content_type}
            )

    return asyncio.run(exchange())


def call(arguments: Any, tool: str = "chat") -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    response = post(
        FakeEngine("Arr, matey!"), json.dumps({**message, "params": {"name": tool, "arguments": arguments}})
    )
    document: dict[str, Any] = response.json()
    return document


QUESTION = [{"role": "user", "content": "hello"}]


def test_the_chat_tool_gives_the_text_of_the_answer() -> None:
    assert call({"messages": QUESTION})["result"] == {"content": [{"type": "text", "text": "Arr, matey!"}]}


@pytest.mark.parametrize(
    ("arguments", "tool", "code", "words"),
    [
        ({"messages": QUESTION}, "frobnicate", -32601, "Unknown tool: frobnicate"),
        ({}, "chat", -32603, "Tool execution error: messages"),
        ({"messages": QUESTION, "max_tokens": "x"}, "chat", -32603, "Tool execution error: max_tokens"),
        ({"messages": QUESTION, "stream": True}, "chat", -32603, "no response"),
        ({"messages": QUESTION, "max_tokens": 0}, "chat", -32603, "max_tokens must be at least 1"),
    ],
)
def test_a_wrong_call_is_told_as_the_binary_tells_it(
    arguments: Any, tool: str, code: int, words: str
) -> None:
    error = call(arguments, tool)["error"]
    assert error["code"] == code
    assert words in error["message"]


def test_an_engine_that_fails_is_an_error_of_the_tool() -> None:
    engine = FakeEngine()
    engine.failure = "out of memory"
    body = json_rpc.table()["tools/call of the chat tool"]["body"]
    assert "out of memory" in post(engine, body).json()["error"]["message"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("malformed JSON", 400),
        ("a batch", 422),
        ("a message without a method", 422),
        ("notifications/initialized", 200),
    ],
)
def test_what_is_no_message_is_refused_by_its_status(message: str, status: int) -> None:
    assert post(FakeEngine(), json_rpc.table()[message]["body"]).status_code == status


def test_a_body_of_another_type_is_refused() -> None:
    assert post(FakeEngine(), "{}", "text/plain").status_code == 415


@pytest.mark.parametrize("what", table()["mcp_config"])
def test_a_wrong_list_of_tool_servers_is_refused_by_its_name(what: str, tmp_path: Path) -> None:
    plan = LaunchPlan(ModelArguments(tmp_path, None, "gguf"))
    _, file = invalid_mcp_plan(plan, what, tmp_path).options
    with pytest.raises(ConfigError, match=Path(file).name):
        read_configuration(file)


def test_a_list_is_read_with_the_defaults_of_the_binary(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    file.write_text(
        '{"servers": [{"source": {"type": "Http", "url": "http://a/mcp"}}], "auto_register_tools": true}'
    )
    (server,) = read_configuration(str(file)).servers
    assert server.enabled
    assert str(server.tool_prefix).startswith("mcp_")
    assert server.source.type == "Http"


def test_the_variable_names_the_list_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_CONFIG_PATH", str(tmp_path / "absent.json"))
    with pytest.raises(LoadError, match=r"Failed to read MCP config .*absent\.json"):
        load(ModelOptions(model_id=str(tmp_path)))
