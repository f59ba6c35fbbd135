"""What the client keeps of an answer, and that no server can hold it for longer than it wants to wait."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from support.http.client import ApiClient, RequestFailed
from support.reporting.evidence import exchange_evidence
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, json_reply, reply, silence, trickle
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# The client's limit; and what is less than the servers here would go on for.
SHORT, LONG = 1.0, 15.0


@pytest.fixture
def client(serve: Serve) -> Iterator[Callable[..., ApiClient]]:
    made: list[ApiClient] = []

    def connect(answer: Reply, *, within: float = PATIENCE, api_key: str | None = None) -> ApiClient:
        made.append(ApiClient(serve(answer).url, timeout=within, api_key=api_key))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def test_a_whole_answer_is_kept_with_all_that_was_sent(client: Callable[..., ApiClient]) -> None:
    api = client(json_reply({"text": "ä"}))
    exchange = api.post("/v1/ask", {"question": "ö"})
    assert exchange.json() == {"text": "ä"}
    assert (exchange.method, exchange.url) == ("POST", f"{api.base_url}/v1/ask")
    assert exchange.request_body == '{"question": "ö"}'.encode()
    assert (exchange.status, exchange.content_type) == (200, "application/json")
    assert 0 < exchange.chunks[0][0] <= exchange.seconds < PATIENCE
    assert api.exchanges == [exchange]


def test_exactly_the_given_bytes_and_headers_are_sent(serve: Serve) -> None:
    server = serve(json_reply({}))
    api = ApiClient(server.url, api_key="sesame")
    api.send("DELETE", "/x", body=b'{"a": ', headers={"Content-Type": "text/odd"})
    api.close()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"DELETE /x HTTP/1.1\r\n")
    assert b"content-type: text/odd" in head.lower()
    assert b"authorization: bearer sesame" in head.lower()
    assert body == b'{"a": '


def test_a_chunked_answer_is_put_together(client: Callable[..., ApiClient]) -> None:
    api = client(bytes_reply(CHUNKED, b"6\r\ndata: \r\n", b"3\r\na\n\n\r\n", b"0\r\n\r\n"))
    exchange = api.get("/")
    assert exchange.body == b"data: a\n\n"
    assert b"".join(chunk for _, chunk in exchange.chunks) == exchange.body


def test_an_answer_without_length_ends_with_the_connection(client: Callable[..., ApiClient]) -> None:
    assert client(bytes_reply(HEAD + b"\r\n", b"data: a\n\n")).get("/").body == b"data: a\n\n"


@pytest.mark.parametrize("status", ["204 No Content", "301 Moved", "404 Not Found", "500 Internal Error"])
def test_any_status_is_an_answer_and_redirects_are_not_followed(
    client: Callable[..., ApiClient], status: str
) -> None:
    api = client(bytes_reply(f"HTTP/1.1 {status}\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".encode()))
    assert api.get("/").status == int(status[:3])


def test_the_environments_proxy_is_not_used(
    client: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert client(json_reply({})).get("/").status == 200


def test_several_requests_in_a_row_each_have_their_answer(client: Callable[..., ApiClient]) -> None:
    api = client(json_reply({}))
    assert [api.get(f"/{number}").url[-1] for number in range(3)] == ["0", "1", "2"]
    assert len(api.exchanges) == 3


def test_a_refused_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    api = ApiClient(f"http://127.0.0.1:{port}")
    with pytest.raises(
        RequestFailed, match=rf"GET http://127.0.0.1:{port}/x: no connection \([Cc]onnection.*refused.*\)$"
    ):
        api.get("/x")
    api.close()


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (bytes_reply(), "0 bytes had come in 0 reads"),
        (bytes_reply(b"HTTP/1.1 200 OK\r\nContent-Len"), "0 bytes"),
        (
            bytes_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc"),
            "3 bytes had come in 1 reads",
        ),
        (bytes_reply(CHUNKED, b"3\r\nabc\r\n"), "3 bytes"),
        (bytes_reply(b"SSH-2.0-OpenSSH\r\n"), "0 bytes"),
        (reply(b"not gzip"), ""),
    ],
    ids=["nothing", "in the head", "in the body", "in a chunk", "other protocol", "control"],
)
def test_an_answer_that_breaks_off_is_named(
    client: Callable[..., ApiClient], answer: Reply, got: str
) -> None:
    api = client(answer)
    if not got:
        assert api.get("/").body == b"not gzip"
        return
    with pytest.raises(RequestFailed, match=rf"the server broke off \(.+\); {got}"):
        api.get("/")
    (kept,) = api.exchanges
    assert f"{len(kept.body)} bytes" in got, "what had come is kept"


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        (silence, "answer"),
        (trickle(b"HTTP/1.1 200 OK\r\nX: "), "answer"),
        (trickle(HEAD + b"\r\n"), "finish"),
        (trickle(HEAD + b"Content-Length: 100000\r\n\r\n"), "finish"),
        (trickle(CHUNKED, drop=b"1\r\nx\r\n"), "finish"),
        (trickle(CHUNKED, b"1\r\nx\r\n", every=0.35, drop=b"1\r\nx\r\n"), "finish"),
        (trickle(CHUNKED, every=0.0001, drop=b"400\r\n" + b"x" * 1024 + b"\r\n"), "finish"),
    ],
    ids=["silence", "head", "no length", "length", "chunks", "slow chunks", "flood"],
)
def test_no_server_holds_the_client_beyond_its_limit(
    client: Callable[..., ApiClient], answer: Reply, how: str
) -> None:
    api = client(answer, within=SHORT)
    started = time.monotonic()
    with pytest.raises(RequestFailed, match=f"the server did not {how} within 1 s; "):
        api.get("/")
    assert 0.9 < time.monotonic() - started < LONG


def test_after_a_time_out_the_next_request_is_answered(serve: Serve) -> None:
    answers = iter([silence, json_reply({})])
    server = serve(lambda connection, closing: next(answers)(connection, closing))
    api = ApiClient(server.url, timeout=SHORT)
    with pytest.raises(RequestFailed):
        api.get("/")
    assert api.get("/").status == 200
    api.close()


def test_no_secret_of_the_address_is_shown(serve: Serve) -> None:
    server = serve(json_reply({}))
    api = ApiClient(f"http://user:s3cret@{server.address}", api_key="t0ken")
    exchange = api.get("/v1/models")
    evidence = exchange_evidence(exchange, "x").data
    shown = f"{exchange.url} {exchange.curl()} {exchange.describe()} {evidence!r}"
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    server.close()
    with pytest.raises(RequestFailed) as caught:
        api.get("/v1/models")
    assert "s3cret" not in str(caught.value)
    api.close()


SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def left_open(*parts: bytes) -> Reply:
    """A stream of server-sent events that is never ended."""

    def send(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(SSE)
        for part in parts:
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        closing.wait(PATIENCE)

    return send


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            [b"data: {}\n\n", b"data: [DONE]\n\n"],
            r"the stream was complete, including \[DONE\], after \d+\.\d s, then the server left it open: "
            r"the server did not finish within 1 s",
        ),
        ([b": ping\n\n"], r"the stream had no event, only 1 comment: the server did not finish"),
        (
            [b"data: {}\n\n", b'data: {"error": {"message": "engine died"}}\n\n'],
            r"server error in event 2: engine died; the server did not finish within 1 s, "
            r"the stream had 2 events, the last one after \d+\.\d s",
        ),
    ],
    ids=["complete", "comments", "error"],
)
def test_a_stream_that_is_left_open_is_described(
    client: Callable[..., ApiClient], parts: list[bytes], reason: str
) -> None:
    with pytest.raises(RequestFailed, match=rf"GET \S+: {reason}"):
        client(left_open(*parts), within=SHORT).get("/")


def test_a_body_without_end_is_not_read_to_its_end(
    client: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.http.body_limit.MAX_BODY_BYTES", 10_000)
    api = client(trickle(CHUNKED, every=0, drop=b"400\r\n" + b"x" * 1024 + b"\r\n"))
    with pytest.raises(RequestFailed, match=r"the body has more than 0.01 MB, the rest was not read"):
        api.get("/")
    api.close()


def test_a_head_without_end_is_not_read_to_its_end(client: Callable[..., ApiClient]) -> None:
    api = client(trickle(b"HTTP/1.1 200 OK\r\nX: ", every=0, drop=b"x" * 10_000))
    with pytest.raises(RequestFailed, match="the server broke off"):
        api.get("/")
    api.close()
