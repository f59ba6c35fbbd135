"""The official clients of the Responses and Messages APIs: what they get over a connection is compared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.clients import openai_sdk
from support.clients.task import run_sdk_task, tasks_of
from support.http.recorder import ExchangeRecorder
from support.servers.endpoints import Endpoint
from tests.conformance.fake_apis import FakeOwn
from tests.timeouts import PATIENCE

Serve = Callable[[FakeOwn, str], Endpoint]
ALL = [(api, name) for api in ("responses", "anthropic") for name in sorted(tasks_of(api))]


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the fake server."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        assert isinstance(self.server, FakeServer)
        self.server.keys.add(self.headers.get("authorization") or self.headers.get("x-api-key") or "")
        status, kind, content = self.server.fake.handle(self.command, self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    """The fake server on a port of its own."""

    def __init__(self, fake: FakeOwn) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fake = fake
        self.keys: set[str] = set()


@pytest.fixture
def serving() -> Iterator[Callable[[FakeOwn], FakeServer]]:
    with ExitStack() as servers:

        def begin(fake: FakeOwn) -> FakeServer:
            server = FakeServer(fake)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            servers.callback(thread.join, PATIENCE)
            servers.callback(server.server_close)
            servers.callback(server.shutdown)
            return server

        yield begin


def offered(server: FakeServer, api: str, key: str | None = None) -> Endpoint:
    return Endpoint("fake", api, f"http://127.0.0.1:{server.server_port}", {"model": "tiny"}, key)


@pytest.mark.parametrize(("api", "name"), ALL, ids=[f"{api}-{name}" for api, name in ALL])
def test_every_journey_arrives(serving: Callable[[FakeOwn], FakeServer], api: str, name: str) -> None:
    run_sdk_task(offered(serving(FakeOwn()), api), name, PATIENCE, ExchangeRecorder()).require_expected()


@pytest.mark.parametrize(
    ("api", "name", "fault", "got"),
    [
        ("responses", "get a response", "says something else", "usual reply"),
        ("responses", "read a streamed response", "says something else", "usual reply"),
        ("responses", "assemble a streamed response", "changes ids", "RuntimeError"),
        ("responses", "continue from a response", "remembers nothing", "not told me your name"),
        ("responses", "retrieve and delete a response", "forgets to delete", "resp_"),
        ("responses", "wait for a background response", "is never done", "not within"),
        ("responses", "read the tool call of a response", "says something else", "got \\[\\]"),
        ("responses", "report an unknown response", "fails at everything", "InternalServerError"),
        ("anthropic", "ask a question", "says something else", "usual reply"),
        ("anthropic", "ask a question", "has no usage", "APIResponseValidationError"),
        ("anthropic", "read a stream", "says something else", "usual reply"),
        ("anthropic", "assemble a stream", "never ends", "None"),
        (
            "anthropic",
            "count tokens in advance",
            "counts something else",
            "got .6 tokens in advance, 5 in the usage",
        ),
        ("anthropic", "read a tool call", "says something else", "got \\[\\]"),
        ("anthropic", "assemble a streamed tool call", "says something else", "got \\[\\]"),
        ("anthropic", "send back a tool result", "says something else", "usual reply"),
        ("anthropic", "report an unknown model", "fails at everything", "InternalServerError"),
        ("anthropic", "report why a request was rejected", "fails at everything", "api_error"),
        ("anthropic", "report why a stream was rejected", "fails at everything", "api_error"),
    ],
)
def test_a_fault_does_not_arrive(
    serving: Callable[[FakeOwn], FakeServer],
    monkeypatch: pytest.MonkeyPatch,
    api: str,
    name: str,
    fault: str,
    got: str,
) -> None:
    monkeypatch.setattr(openai_sdk, "DONE_SECONDS", 0.2)
    with pytest.raises(AssertionError, match=got):
        run_sdk_task(
            offered(serving(FakeOwn(fault)), api), name, PATIENCE, ExchangeRecorder()
        ).require_expected()


@pytest.mark.parametrize("api", ["responses", "anthropic"])
def test_the_key_goes_along_as_the_other_requests_send_it(
    serving: Callable[[FakeOwn], FakeServer], api: str
) -> None:
    server = serving(FakeOwn())
    first = sorted(tasks_of(api))[0]
    run_sdk_task(offered(server, api, "secret-1234"), first, PATIENCE, ExchangeRecorder())
    assert server.keys == {"Bearer secret-1234"}
