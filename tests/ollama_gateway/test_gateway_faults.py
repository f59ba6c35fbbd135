"""Streams that wait, break, refuse or are left; models that come and go."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.programs.launcher import free_port
from support.waiting import wait_until
from tests.ollama_gateway.fake_target import END, FakeTarget, answer, event, sse
from tests.timeouts import PATIENCE

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


def test_each_piece_is_sent_on_at_once(client: httpx.Client, target: FakeTarget) -> None:
    gates = [threading.Event(), threading.Event()]
    target.stream = [event("one"), gates[0], event("two"), gates[1], *answer("three")]
    with client.stream("POST", "/api/chat", json=CHAT) as response:
        told = response.iter_lines()
        assert json.loads(next(told))["message"]["content"] == "one"
        gates[0].set()
        assert json.loads(next(told))["message"]["content"] == "two"
        gates[1].set()
        assert json.loads(next(told))["message"]["content"] == "three"


V1: dict[str, Any] = {"model": "default", "stream": True, "messages": [{"role": "user", "content": "x"}]}


def test_v1_streams_are_sent_on_at_once(client: httpx.Client, target: FakeTarget) -> None:
    gate = threading.Event()
    target.stream = [b"data: on", gate, b"e\n\n"]
    with client.stream("POST", "/v1/chat/completions", json=V1) as response:
        parts = response.iter_bytes()
        assert next(parts) == b"data: on"
        gate.set()
        assert next(parts) == b"e\n\n"


def test_v1_streams_under_an_ollama_name_wait_for_no_second_event(
    client: httpx.Client, target: FakeTarget
) -> None:
    gate = threading.Event()
    target.stream = [b'data: {"model":"/somewhere/scripted","n":1}\n\n', gate, b"data: [DONE]\n\n"]
    with client.stream("POST", "/v1/chat/completions", json={**V1, "model": "scripted"}) as response:
        parts = response.iter_bytes()
        assert next(parts) == b'data: {"model":"scripted","n":1}\n\n'
        gate.set()
        assert next(parts) == b"data: [DONE]\n\n"


def test_events_torn_over_reads(client: httpx.Client, target: FakeTarget) -> None:
    whole = b": a comment\r\n\r\n" + b"".join(answer("é", "z")).replace(b"\n", b"\r\n")
    gates = [threading.Event() for _ in range(0, len(whole), 7)]
    for gate in gates:
        gate.set()
    target.stream = [part for at in range(0, len(whole), 7) for part in (whole[at : at + 7], gates[at // 7])]
    told = client.post("/api/chat", json={**CHAT, "stream": False}).json()
    assert told["message"]["content"] == "éz"


def test_named_events_of_the_target_are_left_out(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = [b"event: agentic_tool_call_progress\ndata: {}\n\n", *answer("a")]
    assert client.post("/api/chat", json={**CHAT, "stream": False}).json()["message"]["content"] == "a"


ERRORS = [
    (sse({"error": {"message": "boom", "type": "server_error"}}), "boom"),
    (b"data: bare text of 0.8.1\ndata: in two lines\n\n", "bare text of 0.8.1\nin two lines"),
    (sse({"message": "boom"}), "boom"),
    (sse({"message": "Invalid grammar. Why"}), "invalid JSON schema in format: Invalid grammar. Why"),
    (b"data: 5\n\n", "the target failed without an error message"),
]


@pytest.mark.parametrize(("told", "words"), ERRORS)
def test_error_before_the_first_piece_has_a_status(
    client: httpx.Client, target: FakeTarget, told: bytes, words: str
) -> None:
    target.stream = [told, END]
    answered = client.post("/api/chat", json=CHAT)
    assert (answered.status_code, answered.json()) == (500, {"error": words})


@pytest.mark.parametrize(("told", "words"), ERRORS)
def test_error_in_the_middle_is_the_last_line(
    client: httpx.Client, target: FakeTarget, told: bytes, words: str
) -> None:
    gate = threading.Event()
    target.stream = [event("one"), gate, told, END]
    with client.stream("POST", "/api/chat", json=CHAT) as response:
        lines = response.iter_lines()
        assert json.loads(next(lines))["message"]["content"] == "one"
        gate.set()
        assert [json.loads(line) for line in lines] == [{"error": words}]


def test_error_in_the_middle_of_a_whole_answer(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = [event("one"), sse({"error": {"message": "boom"}}), END]
    answered = client.post("/api/chat", json={**CHAT, "stream": False})
    assert (answered.status_code, answered.json()) == (500, {"error": "boom"})


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (422, b"Prompt sequence length is greater than 5", 400, "Prompt sequence length is greater than 5"),
        (500, b'{"message": "it broke"}', 500, "it broke"),
        (401, b'{"error": {"message": "no key"}}', 401, "no key"),
        (503, b"", 503, "the target answered with status 503"),
        (502, b"<html>proxy</html>", 502, "the target answered with status 502"),
    ],
)
def test_refusals_of_the_target(
    client: httpx.Client, target: FakeTarget, status: int, body: bytes, expected: int, words: str
) -> None:
    target.refusal = (status, body)
    answered = client.post("/api/chat", json=CHAT)
    assert (answered.status_code, answered.json()) == (expected, {"error": words})


def test_stream_that_ends_too_early(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = [event("one")]
    answered = client.post("/api/chat", json={**CHAT, "stream": False})
    assert (answered.status_code, answered.json()["error"]) == (
        502,
        "the target ended its stream before the answer was complete",
    )


def test_connection_that_breaks(client: httpx.Client, target: FakeTarget) -> None:
    target.stream = [event("one"), ConnectionError()]
    answered = client.post("/api/chat", json={**CHAT, "stream": False})
    assert (answered.status_code, answered.json()) == (502, {"error": "the target broke the connection"})
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/chat/completions", json=V1)


def test_target_that_is_not_there(gateway: Any) -> None:
    client = gateway(url=f"http://127.0.0.1:{free_port()}")
    for path in ("/api/tags", "/api/ps"):
        answered = client.get(path)
        assert (answered.status_code, answered.json()) == (502, {"error": "the target cannot be reached"})
    assert client.post("/api/chat", json=CHAT).status_code == 502
    assert client.get("/v1/models").json()["error"]["message"] == "the target cannot be reached"
    assert client.get("/").status_code == 200


def test_target_that_says_nothing(gateway: Any, target: FakeTarget) -> None:
    target.stream = [event("one"), threading.Event()]
    client = gateway(idle_timeout=1.0)
    answered = client.post("/api/chat", json={**CHAT, "stream": False})
    assert (answered.status_code, answered.json()) == (504, {"error": "the target sent nothing for 1 s"})
    assert target.left.wait(PATIENCE)


def asking(client: httpx.Client, path: str, body: dict[str, Any]) -> socket.socket:
    """A connection on which that was asked, to be left at any moment."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0), PATIENCE)
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(sent)}\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


def test_silence_in_the_middle_is_the_last_line(gateway: Any, target: FakeTarget) -> None:
    target.stream = [event("one"), threading.Event()]
    with gateway(idle_timeout=1.0).stream("POST", "/api/chat", json=CHAT) as response:
        lines = [json.loads(line) for line in response.iter_lines()]
    assert lines[1:] == [{"error": "the target sent nothing for 1 s"}]


def test_silence_in_the_middle_of_v1_tears_the_connection(gateway: Any, target: FakeTarget) -> None:
    target.stream = [event("one"), threading.Event()]
    with gateway(idle_timeout=1.0).stream("POST", "/v1/chat/completions", json=V1) as response:
        parts = response.iter_bytes()
        assert next(parts) == event("one")
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)


def test_silence_counts_from_the_last_byte(gateway: Any, target: FakeTarget) -> None:
    # All of it takes longer than the target may be silent, each part a fifth of that.
    gates = [threading.Event() for _ in range(6)]
    target.stream = [each for gate in gates for each in (event("x"), gate)]
    target.stream += answer("y")
    for number, gate in enumerate(gates):
        threading.Timer(0.4 * (number + 1), gate.set).start()
    client = gateway(idle_timeout=2.0)
    assert client.post("/api/chat", json={**CHAT, "stream": False}).json()["message"]["content"] == "xxxxxxy"


@pytest.mark.parametrize(
    ("path", "stream"),
    [("/api/chat", True), ("/api/chat", False), ("/v1/chat/completions", True)],
    ids=["stream", "whole", "v1"],
)
def test_client_that_leaves_ends_the_work(
    client: httpx.Client, target: FakeTarget, path: str, *, stream: bool
) -> None:
    target.stream = [event("one"), threading.Event()]
    with asking(client, path, {**CHAT, "stream": stream}) as guest:
        wait_until("the target works for it", lambda: target.sent > 0, timeout=PATIENCE)
        assert not stream or guest.recv(1)
    assert target.left.wait(PATIENCE), "long after the client left the target still works for it"


def test_slow_reader_slows_the_target_down(client: httpx.Client, target: FakeTarget) -> None:
    part = event("x" * 65536)
    target.stream = [part] * 2000
    with asking(client, "/api/chat", CHAT) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        seen: list[int] = []

        def still() -> bool:
            seen.append(target.sent)
            return len(seen) > 25 and seen[-1] == seen[-25] > 0

        wait_until(
            "the target waits for the reader", still, timeout=PATIENCE, seen=lambda: f"{target.sent} bytes"
        )
    assert target.sent < len(part) * len(target.stream) / 2
    assert target.left.wait(PATIENCE)


def test_parallel_answers_are_never_mixed(client: httpx.Client, target: FakeTarget) -> None:
    target.echoes = True
    url = str(client.base_url)

    def ask(number: int) -> str:
        words = " ".join(f"{number}.{position}" for position in range(50))
        body = {"model": "scripted", "messages": [{"role": "user", "content": words}]}
        with httpx.stream("POST", f"{url}/api/chat", json=body, timeout=PATIENCE) as response:
            lines = [json.loads(line) for line in response.iter_lines()]
        return "".join(line["message"]["content"] for line in lines)

    with ThreadPoolExecutor(32) as users:
        said = list(users.map(ask, range(32)))
    assert said == ["".join(f"{number}.{position} " for position in range(50)) for number in range(32)]


OWN = "/somewhere/scripted"


def test_empty_prompt_loads(client: httpx.Client, target: FakeTarget) -> None:
    for path, body in (("generate", {"model": "scripted"}), ("chat", {"model": "scripted", "messages": []})):
        told = client.post(f"/api/{path}", json=body).json()
        assert (told["done"], told["done_reason"]) == (True, "load")
    assert not target.asked


def test_unload_and_load_again_by_the_own_name_of_the_model(client: httpx.Client, target: FakeTarget) -> None:
    assert [entry["name"] for entry in client.get("/api/ps").json()["models"]] == ["scripted:latest"]
    told = client.post("/api/generate", json={"model": "scripted", "keep_alive": 0}).json()
    assert (told["done_reason"], told["response"]) == ("unload", "")
    assert client.get("/api/ps").json() == {"models": []}
    assert len(client.get("/api/tags").json()["models"]) == 1
    assert client.post("/api/chat", json={**CHAT, "stream": False}).json()["done_reason"] == "stop"
    assert target.told == [("unload", OWN), ("reload", OWN)]
    assert target.asked[0]["model"] == OWN


def test_keep_alive_unloads_when_its_time_is_over(client: httpx.Client, target: FakeTarget) -> None:
    client.post("/api/chat", json={**CHAT, "keep_alive": "60s"})
    expires = client.get("/api/ps").json()["models"][0]["expires_at"]
    client.post("/api/chat", json={**CHAT, "keep_alive": "90s"})
    assert client.get("/api/ps").json()["models"][0]["expires_at"] > expires
    client.post("/api/chat", json={**CHAT, "keep_alive": 0.05})
    wait_until("the model is unloaded", lambda: target.told, timeout=PATIENCE)
    assert target.told == [("unload", OWN)]


def test_a_model_that_answers_is_not_unloaded(client: httpx.Client, target: FakeTarget) -> None:
    gate = threading.Event()
    client.post("/api/chat", json={**CHAT, "keep_alive": 2.0})
    target.stream = [event("one"), gate, *answer()]
    with client.stream("POST", "/api/chat", json={**CHAT, "keep_alive": 0.01}) as response:
        parts = response.iter_lines()
        next(parts)
        client.post("/api/show", json={"model": "scripted"})
        assert not gate.wait(2.5)
        assert not target.told
        gate.set()
        list(parts)
    wait_until("the model is unloaded", lambda: target.told, timeout=PATIENCE)


def test_target_that_cannot_unload(client: httpx.Client, target: FakeTarget) -> None:
    target.can_unload = False
    answered = client.post("/api/generate", json={"model": "scripted", "keep_alive": 0})
    assert (answered.status_code, answered.json()) == (
        501,
        {"error": "unloading a model is not supported by this gateway"},
    )


def test_target_without_embeddings(client: httpx.Client, target: FakeTarget) -> None:
    target.refusal = (500, b'{"message": "Received a request incompatible for this model\'s category."}')
    answered = client.post("/api/embed", json={"model": "scripted", "input": "x"})
    assert (answered.status_code, answered.json()) == (
        501,
        {"error": "the target makes no embeddings with 'scripted:latest'"},
    )
