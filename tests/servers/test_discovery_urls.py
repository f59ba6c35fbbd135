"""A target that is there already: asked for its models, and refused in one line when it has none to tell."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from support.errors import TargetError
from support.servers import discovery
from support.servers.discovery import UrlTarget, change_at_end, discover
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, json_reply, reply, silence, trickle
from tests.servers.stand_in_programs import Programs
from tests.timeouts import PATIENCE

MODELS = {"object": "list", "data": [{"id": "default"}, {"id": "toy"}]}


def refusal(programs: Programs, url: str, **chosen: object) -> str:
    with pytest.raises(TargetError) as caught:
        discover(programs.settings(target_url=url, **chosen))
    text = str(caught.value)
    assert len(text.splitlines()) == 1, f"more than one line: {text!r}"
    assert "(from TARGET_URL)" in text
    return text


def test_a_url_comes_before_every_program(programs: Programs, serve: Callable[[Reply], TinyServer]) -> None:
    given = programs.printing("mistralrs 0.8.1")
    server = serve(json_reply(MODELS))
    target = discover(programs.settings(target_url=f"{server.url}/v1", mistralrs_bin=given))
    assert target == UrlTarget(server.url, ("default", "toy"), "TARGET_URL is set")
    assert server.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert programs.pids == []


def test_a_server_that_ended_or_was_replaced_during_the_run_is_found(
    programs: Programs, serve: Callable[[Reply], TinyServer]
) -> None:
    server = serve(json_reply(MODELS))
    settings = programs.settings(target_url=server.url)
    target = discover(settings)
    assert change_at_end(target, settings) == ""
    replaced = replace(target, program="mistralrs", version="0.8.1")
    assert change_at_end(replaced, settings) == (
        f"mistralrs 0.8.1 at {server.url} at the start of the run is server at {server.url} at its end"
    )
    gone = programs.settings(target_url="http://127.0.0.1:1")
    assert change_at_end(target, gone).startswith("after the last scenario: cannot be reached: ")


def test_a_real_target_that_is_asked_for_comes_before_the_url(programs: Programs) -> None:
    given = programs.printing("mistralrs 0.8.1")
    chosen = {"target_url": "http://127.0.0.1:1", "mistralrs_bin": given, "acceptance_target": "real"}
    assert discover(programs.settings(**chosen)).label == "mistralrs 0.8.1"


def test_the_token_is_sent_and_not_shown(programs: Programs, serve: Callable[[Reply], TinyServer]) -> None:
    server = serve(json_reply(MODELS))
    target = discover(programs.settings(target_url=server.url, target_api_key="t0ken"))
    assert b"Authorization: Bearer t0ken" in server.requests[0]
    assert "t0ken" not in repr(target)


def test_the_label_holds_no_password(programs: Programs, serve: Callable[[Reply], TinyServer]) -> None:
    server = serve(json_reply(MODELS))
    target = discover(programs.settings(target_url=f"http://user:s3cret@{server.address}"))
    assert server.address in target.label
    assert "s3cret" not in target.label


def test_a_server_that_is_not_there_is_one_line(programs: Programs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = refusal(programs, f"http://user:s3cret@127.0.0.1:{port}")
    assert text.startswith("cannot be reached: ")
    assert "refused" in text
    assert "start the server" in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    "answer", [silence, trickle(b"HTTP/1.1 200 OK\r\n\r\n")], ids=["silent", "trickling"]
)
def test_a_server_that_never_ends_its_answer_is_one_line_in_time(
    programs: Programs,
    serve: Callable[[Reply], TinyServer],
    monkeypatch: pytest.MonkeyPatch,
    answer: Reply,
) -> None:
    monkeypatch.setattr(discovery, "URL_SECONDS", 0.2)
    started = time.monotonic()
    text = refusal(programs, serve(answer).url)
    assert time.monotonic() - started < PATIENCE / 2
    assert text.startswith("cannot be reached: ")
    assert "within 0.2 s" in text


@pytest.mark.parametrize("key", [None, "wr0ng"])
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_server_that_wants_a_token_is_one_line(
    programs: Programs, serve: Callable[[Reply], TinyServer], status: str, key: str | None
) -> None:
    server = serve(json_reply({"error": f"bad key {key}"}, status))
    text = refusal(programs, server.url, target_api_key=key)
    assert text.startswith("access denied: ")
    assert status[:3] in text
    assert "TARGET_API_KEY" in text
    assert "wr0ng" not in text


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"<html>hello</html>", content_type="text/html"),
        json_reply({"models": []}),
        json_reply([1]),
        json_reply({"data": None}),
        json_reply({"data": ["default"]}),
        json_reply({"data": [{"name": "default"}]}),
        json_reply(MODELS, "404 Not Found"),
        json_reply(MODELS, "500 Internal Server Error"),
        reply(b"\xff\xfe"),
        reply(b"[" * 100_000),
        bytes_reply(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["html", "no data", "list", "null", "strings", "no id", "404", "500", "bytes", "deep", "redirect"],
)
def test_a_server_of_another_kind_is_one_line(
    programs: Programs, serve: Callable[[Reply], TinyServer], answer: Reply
) -> None:
    text = refusal(programs, serve(answer).url)
    assert text.startswith("no OpenAI API: ")
    assert "answered /v1/models with status " in text
    assert text.endswith("give the base address of an OpenAI-compatible server")


def test_a_server_that_speaks_no_http_is_one_line(
    programs: Programs, serve: Callable[[Reply], TinyServer]
) -> None:
    text = refusal(programs, serve(bytes_reply(b"SSH-2.0-OpenSSH_9\r\n")).url)
    assert text.startswith("cannot be reached: ")
    assert "broke off" in text
