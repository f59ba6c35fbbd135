"""The real engine behind the command: answers, parallel work, leaving clients, start and end."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.models.broken import corruption, write_broken
from support.models.files import ModelFiles
from support.models.script import Row, Script
from support.models.store import ModelStore
from support.programs.process import CompletedCommand, ManagedProcess, run_command
from support.waiting import wait_until
from tests.reference_server.stand_ins import COMMAND, PLAIN_ENVIRONMENT, Server, question
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.engine
Start = Callable[..., Server]
CHAT = "/v1/chat/completions"
RUNNING = "mistralrs_sequences_running"
CANCELED = 'mistralrs_sequences_completed_total{reason="canceled"}'


def command(*arguments: str, within: float = 2 * PATIENCE) -> CompletedCommand:
    return run_command([COMMAND, *arguments], within=within, env=PLAIN_ENVIRONMENT)


def rows(script: Script) -> list[Row]:
    return [row for row in script.rows if not row.loop]


def endless(script: Script) -> str:
    return next(row.keyword for row in script.rows if row.loop)


def streamed(server: Server, text: str, path: str = CHAT, **fields: object) -> str:
    body = (
        question(text, stream=True, **fields) if path == CHAT else {"prompt": text, "stream": True, **fields}
    )
    response = server.client.post(path, json=body)
    *chunks, done = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert done == "[DONE]"
    choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    return "".join(choice["delta"]["content"] if path == CHAT else choice["text"] for choice in choices)


def test_ready_with_one_line_each(start: Start) -> None:
    server = start()
    assert server.text().count("Model loaded.") == 1
    assert server.text().count("Server listening on") == 1
    assert server.client.get("/health").text == "OK"


def test_answers_exactly(server: Server, script: Script) -> None:
    row = rows(script)[0]
    answer = server.chat(row.keyword).json()
    assert answer["choices"][0]["message"]["content"] == row.answer
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def test_stream_equals_whole(server: Server, script: Script) -> None:
    row = max(rows(script), key=lambda each: len(each.answer))
    assert (
        streamed(server, row.keyword) == server.chat(row.keyword).json()["choices"][0]["message"]["content"]
    )


def test_completions_are_bare_and_stream(server: Server) -> None:
    prompt = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    fields = {"max_tokens": 8, "temperature": 0}
    bare = server.client.post("/v1/completions", json={"prompt": prompt, **fields}).json()
    chat = server.chat("hi", max_tokens=8).json()
    assert bare["usage"]["prompt_tokens"] == chat["usage"]["prompt_tokens"]
    assert bare["choices"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert streamed(server, prompt, "/v1/completions", **fields) == bare["choices"][0]["text"]
    assert server.client.post("/v1/completions", json={"prompt": ""}).status_code == 400


def test_parallel_streams_are_complete_and_unmixed(server: Server, script: Script) -> None:
    asked = (rows(script) * 32)[:32]
    with ThreadPoolExecutor(32) as users:
        answers = list(users.map(lambda row: streamed(server, row.keyword), asked))
    assert answers == [row.answer for row in asked]


def test_unknown_model_and_limits(server: Server, model: ModelFiles) -> None:
    assert server.chat("hi", model="nobody").status_code == 404
    assert server.chat("hi", model=str(model.directory)).status_code == 200
    assert server.chat("hi", n=0).status_code == 400
    assert server.chat("hi", grammar={"type": "regex", "value": "(("}).status_code == 400
    assert server.chat("hi", max_tokens=3).json()["usage"]["completion_tokens"] == 3
    embedding = server.client.post("/v1/embeddings", json={"input": "x"})
    assert embedding.status_code == 400
    assert embedding.json()["error"]["message"]


def test_a_model_of_vectors_makes_vectors_and_nothing_else(tmp_path: Path) -> None:
    folder = ModelStore(tmp_path, verify=False).embedding().directory
    server = Server(tmp_path / "log", "embedding", "-m", str(folder))
    try:
        vectors = server.client.post("/v1/embeddings", json={"input": ["comet", "harbour"]})
        assert [len(entry["embedding"]) for entry in vectors.json()["data"]] == [128, 128]
        for tokens, status in (([5, 6], 200), ([99999], 400), ([[5], [6, 7]], 200)):
            answer = server.client.post("/v1/embeddings", json={"input": tokens})
            assert answer.status_code == status, answer.text
        text = server.client.post("/v1/completions", json={"prompt": "x"})
        assert (text.status_code, "model's category" in text.text) == (400, True)
        assert server.chat("hi").status_code == 400
    finally:
        server.close()


def test_a_model_of_vectors_is_not_guessed(tmp_path: Path) -> None:
    """As in the binary: without the word `embedding` it is taken for a model of text, and refused."""
    folder = ModelStore(tmp_path, verify=False).embedding().directory
    refused = command("serve", "-p", "0", "-m", str(folder))
    assert refused.exit_code == 1
    assert "Error: cannot find tensor model.embed_tokens.weight" in refused.stderr


def test_parameters_the_engine_knows(server: Server, script: Script) -> None:
    row = rows(script)[0]
    answer = server.chat(row.keyword, logprobs=True, top_logprobs=2).json()["choices"][0]
    assert "".join(entry["token"] for entry in answer["logprobs"]["content"]).startswith(row.answer[:6])
    assert len(answer["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert len(server.chat(row.keyword, n=2).json()["choices"]) == 2
    assert (
        server.chat("hi", max_tokens=8, grammar={"type": "regex", "value": "yes"})
        .json()["choices"][0]["message"]["content"]
        .startswith("yes")
    )


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(server: Server, script: Script, *, stream: bool) -> None:
    before = server.metric(CANCELED)
    body = json.dumps(question(endless(script), stream=stream)).encode()
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), PATIENCE) as guest:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        guest.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until("it is at work", lambda: server.metric(RUNNING) == 1, timeout=PATIENCE)
        assert not stream or guest.recv(1)
    wait_until("the answer is dropped", lambda: server.metric(CANCELED) == before + 1, timeout=PATIENCE)
    # It is counted before its slot is free.
    wait_until("the slot is free", lambda: server.metric(RUNNING) == 0, timeout=PATIENCE)


def test_beyond_max_seqs_requests_wait(start: Start, script: Script) -> None:
    server = start("--max-seqs", "2")
    row = rows(script)[0]
    with ThreadPoolExecutor(1) as third, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        body = question(endless(script), stream=True)
        with (
            client.stream("POST", CHAT, json=body) as first,
            client.stream("POST", CHAT, json=body) as second,
        ):
            # httpx closes a response whose iterator nobody holds.
            held = [each.iter_lines() for each in (first, second)]
            assert all(next(lines) for lines in held)
            waiting = third.submit(server.chat, row.keyword)
            wait_until(
                "it waits", lambda: server.metric("mistralrs_sequences_waiting") == 1, timeout=PATIENCE
            )
            assert server.metric(RUNNING) == 2
            assert not waiting.done()
            held.pop().close()  # type: ignore[attr-defined]  # httpx returns a generator
            assert waiting.result(PATIENCE).json()["choices"][0]["message"]["content"] == row.answer
    wait_until("all slots are free", lambda: server.metric(RUNNING) == 0, timeout=PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_the_middle_of_an_answer(
    start: Start, script: Script, number: signal.Signals
) -> None:
    server = start()
    with server.client.stream("POST", CHAT, json=question(endless(script), stream=True)) as response:
        next(held := response.iter_lines())
        server.process.send(number)
        assert server.process.wait(PATIENCE) == -number
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            list(held)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2]))) != 0


@pytest.mark.parametrize("kind", ["truncated_data", "safetensors_no_tokenizer"])
def test_a_broken_model_is_one_error_line(tmp_path: Path, kind: str) -> None:
    files = write_broken(corruption(kind), tmp_path / "model")
    which = ["--format", "gguf", "-f", files.file] if files.file else []
    outcome = command("serve", "-p", "0", "-m", str(files.directory), *which)
    assert outcome.exit_code == 1
    assert re.fullmatch(r"Error: [^\n]+\n", outcome.stderr), outcome.describe()


def test_a_port_in_use_is_told_after_the_load(model_arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = command("serve", *model_arguments, "--host", "127.0.0.1", "-p", port)
    assert outcome.exit_code == 1
    assert outcome.stderr == "Error: Address already in use (os error 98)\n"
    assert "Model loaded." in outcome.stdout


def test_a_panic_is_told_and_exits_with_101(model_arguments: tuple[str, ...]) -> None:
    outcome = command("run", *model_arguments, "-c", "nowhere.jinja", "-i", "hi")
    assert outcome.exit_code == 101
    assert "panicked at" in outcome.stderr


def test_global_options_may_stand_first(model_arguments: tuple[str, ...]) -> None:
    outcome = command("--seed", "1", "run", *model_arguments, "-i", "hi")
    # The engine's own refusal on a processor, which proves that the seed has reached it.
    assert (outcome.exit_code, outcome.stderr) == (1, "Error: cannot seed the CPU rng with set_seed\n")


def test_one_shot_answers_and_ends(model: ModelFiles, script: Script) -> None:
    row = rows(script)[0]
    outcome = command("run", "-f", str(model.path), "-i", row.keyword)
    assert outcome.exit_code == 0, outcome.describe()
    for part in (
        row.answer,
        "Stats:\nCLI time to first token:",
        "Prompt: ",
        "Decode: ",
        "Sampling: temp=0.8",
    ):
        assert part in outcome.stdout


def test_conversation_on_a_terminal(tmp_path: Path, model: ModelFiles, script: Script) -> None:
    row = rows(script)[0]
    ours, theirs = pty.openpty()
    talk = ManagedProcess(
        [COMMAND, "run", "-f", model.path],
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        env={**PLAIN_ENVIRONMENT, "RUST_LOG": "warn", "TERM": "dumb"},
        stdin=theirs,
    )
    os.close(theirs)

    def seen() -> str:
        return (tmp_path / "out").read_text(errors="replace")

    def expect(part: str, times: int = 1) -> None:
        wait_until(
            part, lambda: seen().count(part) >= times, timeout=PATIENCE, alive=lambda: talk.alive, seen=seen
        )

    try:
        expect("> ")
        os.write(ours, f"{row.keyword}\n".encode())
        expect(row.answer)
        os.write(ours, b"/temperature 9\n")
        expect("Error: temperature must be in [0.0, 2.0]")
        os.write(ours, b"/clear\n" + f"{endless(script)}\n".encode())
        expect(next(each.answer for each in script.rows if each.loop)[:10], 2)
        talk.send(signal.SIGINT)
        expect("Stats:", 2)
        os.write(ours, f"/clear\n{row.keyword}\n".encode())
        expect("Stats:", 3)
        # Before the prompt, Ctrl-C is still for the answer.
        wait_until("the prompt", lambda: seen().endswith("> "), timeout=PATIENCE, seen=seen)
        talk.send(signal.SIGINT)
        assert talk.wait(PATIENCE) == 0
    finally:
        talk.stop()
        os.close(ours)
