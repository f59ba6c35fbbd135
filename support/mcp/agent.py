"""An agent that uses the official Python client (PyPI `mcp`) over Streamable HTTP.

Its packages take a second to import: only who asks for an agent pays for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from support.http.exchange import Exchange
from support.settings import redact_url

if TYPE_CHECKING:
    from mcp import Client

T = TypeVar("T")
CHAT = "chat"
# Long enough for every scripted answer.
MAX_TOKENS = 1000


class AgentFailed(AssertionError):
    """The official client could not do what an agent needs; the message has its own words."""


@dataclass(frozen=True)
class ToolInfo:
    """A tool as an agent sees it: its name, what it is for, the arguments that it wants at least."""

    name: str
    description: str
    required: tuple[str, ...]


@dataclass(frozen=True)
class ServerInfo:
    """What an agent was told when it came: the protocol's version, the server's name and version, tools."""

    protocol: str
    server: str
    version: str
    tools: tuple[ToolInfo, ...]


class Agents:
    """Agents of one server. `exchanges` takes what they send and get; `within`: seconds for each visit."""

    def __init__(self, url: str, exchanges: list[Exchange], timeout: float) -> None:
        self._url, self._exchanges, self._timeout = url, exchanges, timeout

    def server_info(self) -> ServerInfo:
        """Connect, look at the tools, leave. Raises `AgentFailed`."""
        return self._run(self._server_info)

    def ask(self, *questions: str) -> list[str]:
        """One agent for each question, all at the same time; the texts of their answers in order."""

        async def ask_all() -> list[str]:
            return await asyncio.gather(*(self._ask(question) for question in questions))

        return self._run(ask_all)

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(self._timeout):
                return await work()

        try:
            return asyncio.run(bounded())
        except TimeoutError:
            raise AgentFailed(
                f"{self._url}: the official client was not done in {self._timeout:g} s"
            ) from None
        except Exception as error:
            raise AgentFailed(f"{self._url}: the official client failed: {_innermost(error)}") from error

    async def _server_info(self) -> ServerInfo:
        async with self._client() as client:
            tools = (await client.list_tools()).tools
            about = client.server_info
            return ServerInfo(
                str(client.protocol_version),
                about.name if about else "",
                about.version if about else "",
                tuple(
                    ToolInfo(tool.name, tool.description or "", tuple(tool.input_schema.get("required", ())))
                    for tool in tools
                ),
            )

    async def _ask(self, question: str) -> str:
        messages = [{"role": "user", "content": question}]
        async with self._client() as client:
            result = await client.call_tool(CHAT, {"messages": messages, "max_tokens": MAX_TOKENS})
        if result.is_error:
            raise AssertionError(f"the tool {CHAT!r} reports an error: {result.content}")
        return "".join(getattr(part, "text", "") for part in result.content)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        async def keep(response: Any) -> None:
            # A stream of events may have no end; its answers are seen by the client alone.
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()
                self._exchanges.append(_exchange(response))

        # No proxy of the environment may come between.
        http = httpx2.AsyncClient(trust_env=False, timeout=self._timeout, event_hooks={"response": [keep]})
        transport = streamable_http_client(self._url, http_client=http)
        async with http, Client(transport, mode="legacy", read_timeout_seconds=self._timeout) as client:
            yield client


def check_tool_offered(server_info: ServerInfo, tool: str, required: Sequence[str]) -> None:
    """The tool is offered, says what it is for, and wants these arguments."""
    offers = {offer.name: offer for offer in server_info.tools}
    assert tool in offers, f"expected the tool {tool!r}, the agent was offered {sorted(offers)}"
    assert offers[tool].description.strip(), f"the tool {tool!r} does not say what it is for"
    assert offers[tool].required == tuple(required), (
        f"expected {tool!r} to want {list(required)}, it wants {list(offers[tool].required)}"
    )


def check_identity(server_info: ServerInfo) -> None:
    """The server gave its name and version, and a version of the protocol that the client speaks."""
    assert server_info.server and server_info.version, f"the server does not say who it is: {server_info}"
    assert server_info.protocol, f"no version of the protocol was agreed on: {server_info}"


def check_answers(answers: Sequence[str], expected: Sequence[str]) -> None:
    """Each agent has the answer to its own question, to the letter."""
    assert list(answers) == list(expected), f"expected the answers {list(expected)}, got {list(answers)}"


def _exchange(response: Any) -> Exchange:
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
    """The words of the error that a group of tasks wraps."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
