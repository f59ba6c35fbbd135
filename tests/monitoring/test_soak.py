"""Memory under a long load: a leak of 8 bytes for each token is found, a server that keeps nothing passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.errors import NotSupported
from support.monitoring import soak
from support.monitoring.soak import LIMIT_BYTES, MIB, SOAK_TOKENS, Soak, observe_soak
from support.programs.launcher import LaunchedProgram
from support.settings import load_settings
from tests.python_programs import start_server

# Answers each stream at once with its usage, and keeps so many bytes for each token.
SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, leak, kept = int(sys.argv[1]), int(sys.argv[2]), []

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        tokens = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["max_tokens"]
        kept.append(b"x" * (leak * tokens))
        usage = {"choices": [], "usage": {"total_tokens": tokens}}
        token = {"choices": [{"delta": {"content": "x"}}]}
        body = f"data: {json.dumps(token)}\\n\\ndata: {json.dumps(usage)}\\n\\ndata: [DONE]\\n\\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def start(folder: Path, leak: int) -> LaunchedProgram:
    return start_server(folder, SERVER, leak)


@pytest.mark.parametrize(
    ("leak", "finding"),
    [
        (0, ""),
        (
            8,
            r"resident memory grew by 1\.\d+ MiB in the last third of 600000 tokens, by 1\.\d+ MiB in the .*",
        ),
    ],
)
def test_a_server_that_keeps_each_token_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: int, finding: str
) -> None:
    # Answers of which each is more.
    monkeypatch.setattr(soak, "TOKENS", 5000)
    monkeypatch.setattr(soak, "REQUESTS", 1)
    found = observe_soak(lambda: start(tmp_path, leak), load_settings().settings, "default")
    assert len(found.samples) == 16
    assert re.fullmatch(finding, "\n".join(found.findings())), found.text()


def test_a_server_that_is_too_slow_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "SOAK_SECONDS", 0.0)
    with pytest.raises(NotSupported, match=r"needs a server that processes 600000 tokens in 0 s"):
        observe_soak(lambda: start(tmp_path, 0), load_settings().settings, "default")


def samples(kept: float, *, at_first: int = 0, peaks: int = 0) -> Soak:
    """101 readings; each second one is higher by `peaks`, and `at_first` is reached at a tenth."""
    step = SOAK_TOKENS // 100
    found = [
        (
            tokens,
            50 * MIB + int(kept * tokens) + min(at_first, at_first * tokens // 60_000) + number % 2 * peaks,
        )
        for number, tokens in enumerate(range(0, SOAK_TOKENS + 1, step))
    ]
    return Soak(found, 100.0)


@pytest.mark.parametrize(
    ("found", "grows"),
    [
        (samples(0), False),
        (samples(0.4, at_first=6 * MIB, peaks=2 * MIB), False),
        (samples(5), False),
        (samples(5.5), True),
        (samples(8, peaks=2 * MIB), True),
        (samples(8, at_first=6 * MIB, peaks=2 * MIB), True),
    ],
)
def test_only_what_is_kept_for_each_token_counts(found: Soak, *, grows: bool) -> None:
    assert bool([*found.findings()]) == grows
    assert found.detected == pytest.approx(LIMIT_BYTES * 3 / SOAK_TOKENS)
    assert f"growth of more than {found.detected:.1f} bytes for each token is found" in found.text()
    assert f"{found.detected:.1f}" == "5.2"
