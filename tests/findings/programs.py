"""Programs that behave as mistralrs with the defect, or without it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Program(NamedTuple):
    """The text of a program with the defect, of one without it, and constants that a test makes smaller."""

    defective: str
    correct: str
    constants: dict[str, Any] = {}  # noqa: RUF012 - never changed


PANIC = """
import sys
print("thread 'main' panicked at lib.rs:733:1:\\ncalled `Result::unwrap()`", file=sys.stderr)
sys.exit(101)
"""
REJECTS = 'import sys; print("Error: the file is broken", file=sys.stderr); sys.exit(1)'
ANSWERS = 'print("an answer")'
# `serve`: ready on its port, and as an MCP server on the other one.
SERVES = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""

class Handler(BaseHTTPRequestHandler):
    def answer(self):
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        method = json.loads(sent or b"{}").get("method")
        status, body = 200, {"result": {"protocolVersion": "2025-11-25"}}
        if method == "notifications/initialized":
            status = 202
        elif method == "tools/call":
            body = {"error": {"code": -32602}}
        elif self.headers.get("origin"):
            status = 403
        elif self.headers.get("mcp-protocol-version"):
            status = 400
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(json.dumps(body).encode())
    do_GET = do_POST = answer
    def log_message(self, *words):
        pass

if KNOWS_MCP and option("--mcp-config"):
    sys.exit(1)
ports = [option("--port"), *([option("--mcp-port")] if KNOWS_MCP else [])]
servers = [ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) for port in ports if port]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
"""
CHAT = """
import sys, termios
ANSWERS = {"comet": "seventy-six", "violin": "tuned in fifths", "falcon": "300 kilometres"}
print("> ", end="", flush=True)
for line in sys.stdin:
    print(next((text for topic, text in ANSWERS.items() if topic in line), "round and round"))
    if LOSES:
        sys.exit()
    print("Stats:\\n> ", end="", flush=True)
"""
LOSES, KEEPS = f"LOSES = True\n{CHAT}", f"LOSES = False\n{CHAT}"

# Asks the tool server of its configuration, then serves.
CLIENT = """
import json, sys, urllib.request

file = sys.argv[sys.argv.index("--mcp-config") + 1]
url = json.load(open(file))["servers"][0]["source"]["url"]
headers = {"Content-Type": "application/json"}
for number, method in enumerate(("initialize", "tools/list"), 1):
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        if KEEPS_SESSION and response.headers["Mcp-Session-Id"]:
            headers["Mcp-Session-Id"] = response.headers["Mcp-Session-Id"]
KNOWS_MCP = False
"""
FORGETS = f"KEEPS_SESSION = False\n{CLIENT}\n{SERVES}"
REMEMBERS = f"KEEPS_SESSION = True\n{CLIENT}\n{SERVES}"
# `bench`: a row of its table, slower unless in single precision.
MEASURES = """
import sys
speed = 3700 if "f32" in sys.argv else DEFAULT
print(f"│ Prefill (1024 tokens) ┆ {speed:.1f} ± 9.4 ┆ 1493.33 ms (TTFT) │")
"""

PROGRAMS: dict[str, Program] = {
    "bench_of_nothing": Program(ANSWERS, REJECTS),
    "broken_files": Program(PANIC, REJECTS),
    "chat_full_context": Program(LOSES, KEEPS, {"ENDS_WITHIN": 0.2}),
    "ggml": Program(PANIC, ANSWERS),
    "half_precision": Program(f"DEFAULT = 700\n{MEASURES}", f"DEFAULT = 3600\n{MEASURES}"),
    "mcp_client_session": Program(FORGETS, REMEMBERS),
    "mcp_options": Program(
        f"KNOWS_MCP = False\n{SERVES}", f"KNOWS_MCP = True\n{SERVES}", {"LISTENS_WITHIN": 1}
    ),
    "pasted_lines": Program(LOSES, KEEPS),
    "start_panics": Program(PANIC, f"KNOWS_MCP = False\n{SERVES}"),
}
