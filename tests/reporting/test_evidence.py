"""What is gathered of a failed scenario, and where it is kept."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.programs.process import CompletedCommand
from support.reporting.allure_formatter import attach_to_run
from support.reporting.evidence import (
    ALLURE_REDACTED,
    Metrics,
    ScenarioEvidence,
    Transcript,
    exchange_evidence,
    folder_name,
    write_evidence,
)
from support.reporting.repeat_script import replay_evidence
from support.results.outcome import PNG, Evidence
from support.results.redaction import Redactor, set_redactor

SETTINGS = [("test_port", "-", "default")]


class Echo(BaseHTTPRequestHandler):
    """Keeps what it is sent; counts in its metrics."""

    got: list[tuple[str, str, str | None, bytes]]
    metrics: str | None

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.got.append((self.command, self.path, self.headers.get("Authorization"), body))
        asked = self.path == "/metrics"
        text = "" if asked and self.metrics is None else f"seen {len(self.got)}\n"
        self.send_response(404 if asked and not text else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def echo(metrics: str | None = "yes") -> Iterator[tuple[str, list[Any]]]:
    handler = type("Handler", (Echo,), {"got": [], "metrics": metrics})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler.got  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join(5)


@pytest.fixture
def client() -> Iterator[ApiClient]:
    with echo() as (url, _):
        api = ApiClient(url)
        yield api
        api.close()


def named(pieces: list[Evidence]) -> dict[str, str]:
    return {piece.file: piece.data.decode() for piece in pieces}


def test_everything_has_its_file(client: ApiClient) -> None:
    metrics = Metrics(client)
    client.get("/v1/models")
    outcome = CompletedCommand(("mistralrs", "--help"), 3, "said", "complained", 0.5)
    scene = ScenarioEvidence(SETTINGS, "a line\n", client.exchanges, metrics, [outcome])
    found = named(scene.attachments())
    assert list(found) == [
        "exchange-1.json",
        "repeat.sh",
        "command-1.txt",
        "server.log",
        "metrics-before.txt",
        "metrics-after.txt",
        "settings.txt",
    ]
    assert (found["metrics-before.txt"], found["metrics-after.txt"]) == ("seen 1\n", "seen 3\n")
    assert all(word in found["command-1.txt"] for word in ("$ mistralrs --help", "[exit 3", "said", "compl"))
    assert found["settings.txt"] == "test_port = - (default)\n"


def test_a_target_without_metrics_leaves_none() -> None:
    with echo(metrics=None) as (url, _):
        client = ApiClient(url)
        assert list(Metrics(client).attachments()) == []
        assert client.exchanges == []
        client.close()


def test_a_target_that_has_died_leaves_what_it_said_before() -> None:
    with echo() as (url, _):
        client = ApiClient(url)
        metrics = Metrics(client)
    client.close()
    client = ApiClient(url)
    metrics._client = client
    assert [piece.data for piece in metrics.attachments()] == [b"seen 1\n", b"(no answer)\n"]
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        '{"q": "it\'s $HOME `x` ü"}'.encode(),
        b"\xff\x00\n",
        b"x" * 300_000,
        '{"ü": "it\'s", "q": "'.encode() + b"wo rd " * 40_000 + b"'\\n" + b"[" * 900 + b'"}',
        bytes(range(256)) * 500,
        random.Random(1).randbytes(150_000),
    ],
    ids=["text", "bytes", "long", "parts", "packed", "bytes of no order"],
)
def test_the_script_sends_the_same_once_more(tmp_path: Path, body: bytes) -> None:
    with echo() as (url, got):
        client = ApiClient(url, api_key="mine")
        client.send("POST", "/v1/ask", body=body, headers={"Content-Type": "text/plain"})
        client.get("/v1/models")
        client.close()
        for piece in replay_evidence(client.exchanges):
            (tmp_path / piece.file).write_bytes(piece.data)
        script = tmp_path / "repeat.sh"
        env = {"PATH": os.environ["PATH"], "TOKEN": "Bearer mine"}
        subprocess.run(["/bin/sh", script], env=env, check=True, capture_output=True, timeout=60)
        assert got[:2] == got[2:]
        refused = subprocess.run(["/bin/sh", script], env={}, capture_output=True, timeout=60, check=False)
        assert b"TOKEN" in refused.stderr


def test_a_large_body_is_a_gzipped_file_beside_the_script() -> None:
    body = json.dumps({"model": "x", "text": "x" * (51 * 1024 * 1024)}).encode()
    script, packed = replay_evidence([exchange("GET", b""), exchange("POST", body)])
    assert packed.file == "body-2.gz" and len(packed.data) < 100_000
    assert gzip.decompress(packed.data) == body
    assert b"gunzip -c body-2.gz | curl -sS -i -X POST" in script.data and len(script.data) < 800


def test_no_script_sends_a_part_of_the_requests() -> None:
    body = random.Random(1).randbytes(1_000_000)
    assert replay_evidence([exchange("PUT", body), exchange("GET", b"")]) == []
    assert replay_evidence([exchange("GET", b"")] * 20)
    assert replay_evidence([exchange("GET", b"")] * 21) == []


def test_a_secret_is_in_no_packed_body() -> None:
    set_redactor(Redactor(["s3cret-word"]))
    try:
        body = b"s3cret-word" + bytes(range(256)) * 500
        _, packed = replay_evidence([exchange("POST", body)])
    finally:
        set_redactor(Redactor())
    assert b"s3cret" not in gzip.decompress(packed.data)


def exchange(method: str, body: bytes) -> Exchange:
    """One with this request; what came back does not matter."""
    return Exchange(method, "http://127.0.0.1:1/x", {}, body, 200, {}, b"", 0.1)


def test_what_went_over_a_terminal_acts_no_more_and_tells_no_secret() -> None:
    raw = "> \x1b[1mmy k3y is\x1b[0m s3cret\x07\x1b]0;owned\x07\x9b31m\u202e"
    set_redactor(Redactor(["s3cret"]))
    try:
        talk = Transcript("terminal 1", raw, "> my k3y is s3cret   ")
        found = named(ScenarioEvidence(SETTINGS, log="\x1b[2mready\x1b[0m", transcripts=[talk]).attachments())
    finally:
        set_redactor(Redactor())
    assert list(found)[:2] == ["screen-1.txt", "transcript-1.txt"]
    assert found["screen-1.txt"] == "> my k3y is (redacted)\n"
    assert found["transcript-1.txt"] == (
        "> \\x1b[1mmy k3y is\\x1b[0m (redacted)\\x07\\x1b]0;owned\\x07\\x9b31m\\u202e\n"
    )
    assert found["server.log"] == "\\x1b[2mready\\x1b[0m"


def test_a_silent_terminal_is_told_and_no_screen_is_none() -> None:
    found = named(
        ScenarioEvidence(SETTINGS, transcripts=[Transcript("a", "", ""), Transcript("b", "x")]).attachments()
    )
    assert found["screen-1.txt"] == "(blank)\n" and found["transcript-1.txt"] == "(nothing)\n"
    assert "screen-2.txt" not in found and found["transcript-2.txt"] == "x\n"


def test_the_evidence_masks_secrets_and_keeps_the_rest() -> None:
    sent = {"authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "id=s3cret", "accept": "x/y"}
    received = {"content-type": "application/json", "set-cookie": "id=s3cret"}
    whole = Exchange(
        "POST", "http://127.0.0.1:1/x", sent, b'{"q": "it\'s $HOME"}', 200, received, b'{"a": "fine"}', 0.25
    )
    evidence = exchange_evidence(whole, "exchange-1.json")
    assert (evidence.name, evidence.media_type) == (
        "POST http://127.0.0.1:1/x",
        "application/vnd.allure.http+json",
    )
    assert b"s3cret" not in evidence.data
    document = json.loads(evidence.data)
    request = {pair["name"]: pair["value"] for pair in document["request"]["headers"]}
    assert request["authorization"] == request["X-Api-Key"] == request["Cookie"] == ALLURE_REDACTED
    assert request["accept"] == "x/y"
    assert document["request"]["body"]["value"] == '{"q": "it\'s $HOME"}'
    assert document["response"]["status"] == 200
    assert document["response"]["body"]["value"] == '{"a": "fine"}'
    assert document["stop"] - document["start"] == 250


def test_a_long_body_is_cut_in_the_evidence_with_its_length() -> None:
    document = json.loads(exchange_evidence(exchange("POST", b"x" * 300_000), "x").data)
    assert document["request"]["body"]["value"].endswith("... (300000 bytes in all)")


def test_an_unfinished_exchange_is_kept() -> None:
    unfinished = Exchange("GET", "http://127.0.0.1:1/x", {}, b"", 0, {}, b"half", 2.0, ((1.0, b"half"),))
    document = named(ScenarioEvidence(SETTINGS, exchanges=[unfinished]).attachments())["exchange-1.json"]
    assert '"status": 0' in document and "half" in document and '"after": 1.0' in document


def test_two_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    pieces = [Evidence.text("a transcript", "Bearer " + "a1B" * 10), Evidence.text("x", "y", "x.txt")]
    first = write_evidence(pieces, tmp_path, "openai.chat.stream: ends?")
    second = write_evidence(pieces, tmp_path, "openai.chat.stream: ends!")
    assert first == tmp_path / "evidence" / "openai.chat.stream-ends"
    assert second == tmp_path / "evidence" / "openai.chat.stream-ends-2"
    assert sorted(file.name for file in first.iterdir()) == ["1-a-transcript", "x.txt"]
    assert (first / "1-a-transcript").read_text() == "Bearer (redacted)"


def test_a_picture_is_kept_as_it_is(tmp_path: Path) -> None:
    """What looks like a secret in its bytes is none; a text is redacted."""
    data = b"\x89PNG\r\n\x1a\n sk-s3cret \xff"
    pieces = [Evidence("a picture", PNG, data, "a.png"), Evidence.text("a text", "sk-s3cret", "a.txt")]
    set_redactor(Redactor(["sk-s3cret"]))
    try:
        folder = write_evidence(pieces, tmp_path, "a name")
        attach_to_run(tmp_path, pieces)
    finally:
        set_redactor(Redactor([]))
    assert folder is not None
    assert (folder / "a.png").read_bytes() == data
    assert b"s3cret" not in (folder / "a.txt").read_bytes()
    assert next(tmp_path.glob("*.png")).read_bytes() == data


def test_a_long_name_is_cut_and_stays_different() -> None:
    names = [f"{'long title ' * 40}{end}" for end in ("one", "two")]
    folders = [folder_name(name) for name in names]
    assert all(len(folder) == 80 for folder in folders) and len(set(folders)) == 2
    assert (folder_name("../../x"), folder_name("日本")) == ("x", "scenario")


def test_a_transcript_commands_no_terminal_and_tells_no_secret() -> None:
    raw = "> hi\r\n\x1b[31mBearer " + "a1B" * 10 + "\x1b]0;owned\x07\x9b2J"
    found = named(ScenarioEvidence(SETTINGS, transcripts=[Transcript("chat", raw, "> hi")]).attachments())
    assert found["screen-1.txt"] == "> hi\n"
    assert found["transcript-1.txt"] == "> hi\n\\x1b[31mBearer (redacted)\\x1b]0;owned\\x07\\x9b2J\n"
    assert not any(letter in found["transcript-1.txt"] for letter in "\x1b\x07\x9b")


def test_a_full_disk_costs_the_evidence_only(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file, not a folder")
    assert write_evidence([Evidence.text("x", "y")], tmp_path, "a") is None
