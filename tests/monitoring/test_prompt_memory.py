"""Memory with different prompts: a server that keeps something of each is found, one with a limit passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.errors import CheckFailed
from support.monitoring import prompt_memory
from support.monitoring.prompt_memory import PARTS, PROMPTS, observe_prompts
from support.programs.launcher import LaunchedProgram
from tests.python_programs import start_server

# Keeps half a MiB of each prompt that it has not seen, of so many prompts at most.
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, limit, status, kept = *map(int, sys.argv[1:]), {}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: the client acknowledges no first one late.
    wbufsize = -1

    def do_POST(self):
        prompt = self.rfile.read(int(self.headers["Content-Length"]))
        if len(kept) < limit:
            kept[prompt] = b"x" * 2**19
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def start(folder: Path, limit: int, status: int = 200) -> LaunchedProgram:
    return start_server(folder, SERVER, limit, status)


@pytest.mark.parametrize(
    ("limit", "finding"),
    [
        (16, ""),
        (
            PARTS * PROMPTS,
            r"resident memory grew by (4|5)\d\.\d MiB with the last 100 of 300 different prompts, by .* "
            r"expected at most 10 MiB",
        ),
    ],
)
def test_a_server_that_keeps_each_prompt_is_found(tmp_path: Path, limit: int, finding: str) -> None:
    found = observe_prompts(lambda: start(tmp_path, limit), "default")
    assert re.fullmatch(finding, "\n".join(found.findings())), found.text()


def test_a_prompt_without_an_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_memory, "PROMPTS", 1)
    with pytest.raises(CheckFailed, match="/v1/chat/completions: 500"):
        observe_prompts(lambda: start(tmp_path, 0, 500), "default")
