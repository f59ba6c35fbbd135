"""`--mcp-port`: the model as the tool `chat` of an MCP server, as `mistralrs serve` 0.9.2 has it.

JSON-RPC 2.0 at `POST /mcp`, plain JSON, no sessions. What differs from the specification differs in the
binary too: a notification is answered, any version of the protocol gets this one, an unknown tool is an
unknown method.
"""

from __future__ import annotations

from contextlib import aclosing

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from support.bundled.reference_server import response_shapes
from support.bundled.reference_server.engine import EngineError
from support.bundled.reference_server.json_fields import (
    FieldError,
    JsonError,
    JsonObject,
    anything,
    object_of,
    parse_json,
    text,
)
from support.bundled.reference_server.schemas import ChatRequest, InvalidRequest
from support.bundled.reference_server.stream_bridge import Streams

ROUTE = "/mcp"
PROTOCOL_VERSION = "2025-11-25"
INVALID_REQUEST, METHOD_NOT_FOUND, INTERNAL_ERROR = -32600, -32601, -32603
_INSTRUCTIONS = """
This server provides LLM text and multimodal model inference. You can use the following tools:
- `chat` for sending a chat completion request with a model message history
"""
_MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"type": "string", "enum": ["user", "assistant", "system"]},
        "content": {"type": "string"},
    },
}
CHAT_TOOL = {
    "name": "chat",
    "description": "Send a chat completion request with messages and other hyperparameters.",
    "inputSchema": {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {"type": "array", "description": "Conversation messages so far", "items": _MESSAGE},
            "max_tokens": {"type": "integer", "description": "Maximum number of tokens to generate"},
            "temperature": {
                "type": "number",
                "description": "Sampling temperature between 0 and 2",
                "minimum": 0.0,
                "maximum": 2.0,
            },
        },
    },
}


_read_message = object_of(
    {"jsonrpc": text, "method": text, "id": anything, "params": anything}, ("jsonrpc", "method")
)


class RpcError(Exception):
    """An error object as the reply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def create_mcp_app(streams: Streams, version: str) -> ASGIApp:
    """The server as an ASGI application; `version` is the engine's."""
    server = _McpServer(streams, version)
    return Starlette(routes=[Route(ROUTE, server.post, methods=["POST"])])


class _McpServer:
    def __init__(self, streams: Streams, version: str) -> None:
        self._streams = streams
        self._initialize_result = {
            "capabilities": {"tools": {}},
            "instructions": _INSTRUCTIONS,
            "protocolVersion": PROTOCOL_VERSION,
            "serverInfo": {"name": "mistralrs", "version": version},
        }

    async def post(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("Expected request with `Content-Type: application/json`", 415)
        try:
            message = _read_message(parse_json(await request.body()), "")
        except (JsonError, FieldError) as error:
            status = 400 if isinstance(error, JsonError) else 422
            return PlainTextResponse(f"Failed to read the request body: {error}", status)
        reply: JsonObject = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            reply["result"] = await self._dispatch(message)
        except RpcError as error:
            reply["error"] = {"code": error.code, "message": str(error)}
        return JSONResponse(reply)

    async def _dispatch(self, message: JsonObject) -> JsonObject:
        if message["jsonrpc"] != "2.0":
            raise RpcError(INVALID_REQUEST, "Expected jsonrpc to be 2.0")
        match message["method"]:
            case "initialize":
                return self._initialize_result
            case "ping":
                return {}
            case "tools/list":
                return {"tools": [CHAT_TOOL]}
            case "tools/call":
                params = message["params"]
                return await self._call(params if isinstance(params, dict) else {})
        raise RpcError(METHOD_NOT_FOUND, f"Method not found: {message['method']}")

    async def _call(self, params: JsonObject) -> JsonObject:
        if params.get("name") != CHAT_TOOL["name"]:
            raise RpcError(METHOD_NOT_FOUND, f"Unknown tool: {params.get('name', '')}")
        try:
            answer = await self._chat(ChatRequest(params.get("arguments") or {}))
        except FieldError as error:
            raise RpcError(INTERNAL_ERROR, f"Tool execution error: {error.field}: {error}") from error
        except (InvalidRequest, EngineError) as error:
            raise RpcError(INTERNAL_ERROR, f"Tool execution error: {error}") from error
        return {"content": [{"type": "text", "text": answer}]}

    async def _chat(self, request: ChatRequest) -> str:
        chunks = self._streams.chunks(request.call())
        whole = response_shapes.ResponseAccumulator()
        async with aclosing(chunks):
            async for chunk in chunks:
                whole.add(chunk)
        if request.stream:
            raise EngineError("no response")
        texts = [choice["message"]["content"] for choice in whole.chat()["choices"]]
        return "\n".join(text for text in texts if text is not None)
