"""What a server sends without end is not read to its end, whichever client reads it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import closing

import pytest

from support.clients.task import TaskResult, run_sdk_task
from support.conformance.sequences.ollama import OllamaClient
from support.http.body_limit import BodyTooLong
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.http.recorder import ExchangeRecorder
from support.mcp.agent import AgentFailed, Agents
from support.servers.endpoints import Endpoint
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, trickle
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = JSON.replace(b"application/json", b"text/event-stream")
TOO_LONG = "the body has more than 0.01 MB, the rest was not read"


def endless(head: bytes, piece: bytes = b"x" * 1024) -> Reply:
    return trickle(head, every=0, drop=b"%x\r\n%b\r\n" % (len(piece), piece))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.http.body_limit.MAX_BODY_BYTES", 10_000)


def run_task(serve: Serve, api: str, task: str, reply: Reply) -> TaskResult:
    server = Endpoint("toy", api, serve(reply).url, {"model": "tiny"}, None)
    return run_sdk_task(server, task, PATIENCE, ExchangeRecorder())


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize(("task", "head"), [("ask a question", JSON), ("read a stream", EVENTS)])
def test_official_clients_report_a_body_without_end(serve: Serve, api: str, task: str, head: bytes) -> None:
    # For a stream: one line of an event that never ends.
    assert TOO_LONG in str(run_task(serve, api, task, endless(head)).actual)


@pytest.mark.usefixtures("short")
def test_the_official_client_of_ollama_reports_a_body_without_end(serve: Serve) -> None:
    with closing(ApiClient(serve(endless(JSON)).url)) as api:
        server = Endpoint("toy", "ollama", api.base_url, {"model": "tiny"}, None)
        client = OllamaClient(api, server).official_client
        with pytest.raises(BodyTooLong, match=TOO_LONG):
            client.list()


@pytest.mark.usefixtures("short")
def test_agents_report_a_body_without_end(serve: Serve) -> None:
    exchanges: list[Exchange] = []
    with pytest.raises(AgentFailed, match=TOO_LONG):
        Agents(f"{serve(endless(JSON)).url}/mcp", exchanges, timeout=PATIENCE).server_info()


def test_pieces_without_end_are_not_read_to_their_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.http.body_limit.MAX_PIECES", 10)
    with (
        closing(ApiClient(serve(endless(EVENTS, b":")).url)) as api,
        pytest.raises(RequestFailed, match="the body has more than 10 pieces, the rest was not read"),
    ):
        api.get("/")


def test_a_body_that_is_compressed_twice_is_not_read(serve: Serve) -> None:
    body = gzip.compress(gzip.compress(b"x" * 1_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        closing(ApiClient(serve(bytes_reply(head, body)).url)) as api,
        pytest.raises(RequestFailed, match="the body was not read: its Content-Encoding is 'gzip, gzip'"),
    ):
        api.get("/")


def test_a_package_that_adds_an_encoding_changes_no_request(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # httpx' own default has zstd where zstandard is installed.
    monkeypatch.setattr("httpx._client.ACCEPT_ENCODING", "gzip, deflate, zstd")
    server = serve(bytes_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}"))
    with closing(ApiClient(server.url)) as api:
        assert api.get("/").request_headers["accept-encoding"] == "gzip, deflate"
        recorder = ExchangeRecorder()
        endpoint = Endpoint("toy", "openai", server.url, {"model": "tiny"}, None)
        run_sdk_task(endpoint, "ask a question", PATIENCE, recorder)
        assert recorder.exchanges[0].request_headers["accept-encoding"] == "gzip, deflate"
