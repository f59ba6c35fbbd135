"""The recording proxy: the client gets what the server sends, and the faults that were ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from support.http.recording_proxy import Fault, RecordingProxy
from support.waiting import wait_until
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, reply
from tests.timeouts import PATIENCE

CHAT = "/v1/chat/completions"
STREAM = b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n'


@pytest.fixture
def proxy(serve: Callable[[Reply], TinyServer]) -> Iterator[RecordingProxy]:
    server = serve(reply(STREAM, content_type="text/event-stream"))
    with closing(RecordingProxy(server.url, [CHAT])) as made:
        yield made


def ask(proxy: RecordingProxy, path: str = CHAT) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        return client.post(f"{proxy.url}{path}?x=1", content=b'{"q": "?"}', headers={"x-own": "1"})


def test_the_response_of_the_server_is_passed_on_and_recorded(proxy: RecordingProxy) -> None:
    response = ask(proxy)
    assert (response.status_code, response.content) == (200, STREAM)
    assert response.headers["content-type"] == "text/event-stream"
    [exchange] = proxy.exchanges
    assert f"{CHAT}?" in exchange.url
    assert (exchange.request_body, exchange.body, exchange.status) == (b'{"q": "?"}', STREAM, 200)
    assert exchange.request_headers["x-own"] == "1"
    assert b"".join(part for _, part in exchange.chunks) == STREAM


def test_a_fault_is_for_one_request_of_its_paths(proxy: RecordingProxy) -> None:
    proxy.faults.append(Fault(429, {"retry-after": "1"}, b"busy"))
    assert ask(proxy, "/api/show").status_code == 200
    refused = ask(proxy)
    assert (refused.status_code, refused.content, refused.headers["retry-after"]) == (429, b"busy", "1")
    assert ask(proxy).status_code == 200
    assert [exchange.status for exchange in proxy.exchanges] == [200, 429, 200]


def test_a_response_is_rewritten(proxy: RecordingProxy) -> None:
    proxy.faults.append(Fault(rewrite=bytes.upper))
    assert ask(proxy).content == STREAM.upper()


def test_comments_come_before_the_response(proxy: RecordingProxy) -> None:
    proxy.faults.append(Fault(before=((0.0, b": one\n\n"), (0.0, b""), (0.0, b": two\n\n"))))
    assert ask(proxy).content == b": one\n\n: two\n\n" + STREAM


@pytest.mark.parametrize("length", [0, 20])
def test_a_connection_breaks_after_so_many_bytes(proxy: RecordingProxy, length: int) -> None:
    proxy.faults.append(Fault(ends_after=length))
    with pytest.raises(httpx.RemoteProtocolError):
        ask(proxy)
    assert proxy.exchanges[0].body == STREAM[:length]


def test_a_stream_stalls_until_the_client_leaves(proxy: RecordingProxy) -> None:
    proxy.faults.append(Fault(ends_after=20, stalls=True))
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
        client.stream("POST", f"{proxy.url}{CHAT}") as response,
    ):
        parts = response.iter_raw()
        got = next(parts)
        while len(got) < 20:
            got += next(parts)
        assert got == STREAM[:20]
        assert proxy.open_requests == 1
    wait_until("the end of the request", lambda: proxy.open_requests == 0, timeout=PATIENCE)
    assert proxy.exchanges[0].body == STREAM[:20]


def test_a_server_that_dies_in_the_middle_breaks_the_connection(
    serve: Callable[[Reply], TinyServer],
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(bytes_reply(head, b"10\r\n" + STREAM[:16] + b"\r\n"))
    with closing(RecordingProxy(server.url, [CHAT])) as proxy:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(proxy)
        server.close()
        with pytest.raises(httpx.RemoteProtocolError):
            ask(proxy)
        assert [(exchange.status, exchange.body) for exchange in proxy.exchanges] == [
            (200, STREAM[:16]),
            (0, b""),
        ]
        wait_until("the end of the requests", lambda: proxy.open_requests == 0, timeout=PATIENCE)


def test_a_server_that_is_gone_breaks_the_connection() -> None:
    with closing(RecordingProxy("http://127.0.0.1:9", [CHAT])) as proxy:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(proxy)
        assert proxy.exchanges[0].status == 0
