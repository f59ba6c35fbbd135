"""A server of the tests that streams an answer of the requested length at once, and may start late."""

from __future__ import annotations

from pathlib import Path

from support.programs.launcher import LaunchedProgram
from tests.python_programs import start_server

_PROGRAM = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, late_ms = map(int, sys.argv[1:])
time.sleep(late_ms / 1000)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        tokens = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["max_tokens"]
        text = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
        usage = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": tokens}}
        events = [json.dumps(event) for event in ([text] * tokens) + [end, usage]] + ["[DONE]"]
        body = "".join(f"data: {event}\\n\\n" for event in events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def start_stub(folder: Path, late_ms: int = 0) -> LaunchedProgram:
    """It listens after so many milliseconds; the caller stops it."""
    return start_server(folder, _PROGRAM, late_ms)
