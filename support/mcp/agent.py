"""An agent that uses the official Python client (PyPI `mcp`) over Streamable HTTP.

Its packages take a second to import: they are imported when an agent is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from support.errors import CheckFailed
from support.http.body_limit import ACCEPTED_ENCODINGS, limit_body
from support.http.client import tls_context
from support.http.exchange import Exchange
from support.settings import redact_url

if TYPE_CHECKING:
    import httpx2
    from mcp import Client
    from mcp.types import Tool

T = TypeVar("T")
CHAT = "chat"
# Long enough for every scripted answer.
MAX_TOKENS = 1000


class AgentFailed(AssertionError):
    """The official client failed; the message has its own words."""


@dataclass(frozen=True)
class ServerInfo:
    """What an agent gets when it connects: protocol version, name and version of the server, its tools."""

    protocol: str
    server: str
    version: str
    tools: tuple[Tool, ...]


class Agents:
    """Agents of one server. `exchanges` takes what they send and get; `timeout`: seconds for each call."""

    def __init__(self, url: str, exchanges: list[Exchange], timeout: float) -> None:
        self._url, self._exchanges, self._timeout = url, exchanges, timeout

    def server_info(self) -> ServerInfo:
        """Connect, list the tools, disconnect. Raises `AgentFailed`."""
        return self._run(self._server_info())

    def ask(self, questions: Sequence[str]) -> list[str]:
        """One agent for each question, all at the same time; the texts of their answers in order."""

        async def ask_all() -> list[str]:
            return await asyncio.gather(*map(self._ask, questions))

        return self._run(ask_all())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run(asyncio.wait_for(work, self._timeout))
        except TimeoutError:
            message = f"{self._url}: the official client was not done in {self._timeout:g} s"
            raise AgentFailed(message) from None
        except Exception as error:
            raise AgentFailed(f"{self._url}: the official client failed: {_innermost(error)}") from error

    async def _server_info(self) -> ServerInfo:
        async with self._client() as client:
            tools = tuple((await client.list_tools()).tools)
            about, protocol = client.server_info, str(client.protocol_version)
        name, version = (about.name, about.version) if about else ("", "")
        return ServerInfo(protocol, name, version, tools)

    async def _ask(self, question: str) -> str:
        messages = [{"role": "user", "content": question}]
        async with self._client() as client:
            result = await client.call_tool(CHAT, {"messages": messages, "max_tokens": MAX_TOKENS})
        if result.is_error:
            raise CheckFailed(f"the tool {CHAT!r} reports an error: {result.content}")
        return "".join(getattr(part, "text", "") for part in result.content)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        async def keep(response: httpx2.Response) -> None:
            limit_body(response)
            # A stream of events may have no end; its answers are seen by the client alone.
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()
                self._exchanges.append(_exchange(response))

        # No proxy of the environment may come between. The time is limited in `_run`, for everything.
        http = httpx2.AsyncClient(
            headers=ACCEPTED_ENCODINGS,
            trust_env=False,
            timeout=None,
            verify=tls_context(self._url),
            event_hooks={"response": [keep]},
        )
        transport = streamable_http_client(self._url, http_client=http)
        async with http, Client(transport, mode="legacy") as client:
            yield client


def check_tool_offered(server_info: ServerInfo, tool: str, required: Sequence[str]) -> None:
    """The tool is listed with a description, and requires these arguments."""
    tools = {offered.name: offered for offered in server_info.tools}
    if tool not in tools:
        raise CheckFailed(f"expected the tool {tool!r}, the server lists {sorted(tools)}")
    if not (tools[tool].description or "").strip():
        raise CheckFailed(f"the tool {tool!r} has no description")
    found = list(tools[tool].input_schema.get("required", ()))
    if found != list(required):
        raise CheckFailed(f"expected {tool!r} to require {list(required)}, it requires {found}")


def check_identity(server_info: ServerInfo) -> None:
    """The server has a name and a version, and the protocol version was negotiated."""
    if not (server_info.server and server_info.version):
        raise CheckFailed(f"no name or version of the server: {server_info}")
    if not server_info.protocol:
        raise CheckFailed(f"no protocol version was negotiated: {server_info}")


def _exchange(response: httpx2.Response) -> Exchange:
    seconds = response.elapsed.total_seconds() if response.is_closed else 0.0
    return Exchange(
        method=response.request.method,
        url=redact_url(str(response.request.url)),
        request_headers=dict(response.request.headers),
        request_body=response.request.content,
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=response.content,
        seconds=seconds,
        chunks=((seconds, response.content),),
    )


def _innermost(error: BaseException) -> str:
    """The message of the error that a group of tasks wraps."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
