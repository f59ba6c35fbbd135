"""The program with a fault, in front of a small server and of small commands, by each means."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pexpect
import pytest

from support.fault_injection.fault_notes import APPLIED, NOTES
from support.fault_injection.faulty_program import Plan, write_program
from support.fault_injection.http_fault import JITTER_SEED, delay_seconds
from support.programs.launcher import LaunchedProgram, http_ready, launch, launch_on_free_port, log_matches
from support.programs.process import run_command
from support.waiting import wait_until
from tests.timeouts import PATIENCE

SERVER = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self): self.send("application/json", b'{"status":"OK"}')
    def do_DELETE(self):
        self.wfile.write(b"HTTP/1.1 404 Not Found\\r\\ncontent-length: 0\\r\\n\\r\\n")
    def do_POST(self):
        print(self.requestline, flush=True)
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked.get("stream"):
            events = [b'data: {"choices":[{"delta":{"content":"a"}}]}', b"data: [DONE]", b""]
            self.send("text/event-stream", b"\\n\\n".join(events))
        else:
            self.send("application/json", json.dumps({"echo": asked, "usage": {"total": 3}}).encode())
    def send(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler)
print(f"Server listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""
COMMAND = """
import sys
print("on output", *sys.argv[1:])
print("on error", file=sys.stderr)
if not sys.stdin.isatty(): print(sys.stdin.read())
sys.exit(3)
"""
CHAT = """
print("> ", end="", flush=True)
while (line := input()) != "exit":
    print("answer", line.upper())
    print("> ", end="", flush=True)
"""


def program(folder: Path, text: str, name: str = "real") -> str:
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


Served = Callable[..., LaunchedProgram]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Starts the small server behind faults."""
    started: list[LaunchedProgram] = []

    def start(
        http: Mapping[str, Any] | None = None,
        on: Mapping[str, Any] | None = None,
        second: Mapping[str, Any] | None = None,
        **command: Any,
    ) -> Any:
        faults = tuple({"on": on or {}, **one} for one in (http, second) if one is not None)
        plan = Plan((program(tmp_path, SERVER),), http=faults, command=(command,) if command else ())
        faulty = write_program(tmp_path, "faulty", plan)

        def at_port(port: int) -> LaunchedProgram:
            url = f"http://127.0.0.1:{port}"
            return launch(
                "the small server",
                [faulty, "serve", "--port", str(port)],
                environment=lambda _: os.environ,
                ready=http_ready(url, "/health", lambda found: found.status == 200),
                timeout=PATIENCE,
                url=url,
            )

        started.append(launch_on_free_port(at_port, "in use"))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def post(server: LaunchedProgram, **asked: Any) -> httpx.Response:
    with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        return client.post(f"{server.url}/v1/chat", json=asked)


def test_without_a_fault_it_is_the_server(served: Served, tmp_path: Path) -> None:
    server = served()
    assert post(server, a=1).json() == {"echo": {"a": 1}, "usage": {"total": 3}}
    assert post(server, stream=True).text.endswith("data: [DONE]\n\n")
    port = server.url.rpartition(":")[2]
    assert f"listening on http://127.0.0.1:{port}" in server.log
    assert not list(tmp_path.glob(f"*{NOTES}"))


def test_it_adds_no_header(served: Served) -> None:
    with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        answer = client.delete(f"{served().url}/none")
    # The framing is that of the connection.
    assert (answer.status_code, list(answer.headers)) == (404, ["transfer-encoding"])


@pytest.mark.parametrize(
    ("http", "found"),
    [
        ({"change": [{"add": "usage.total", "by": 1}]}, '"total":4'),
        ({"status": 500}, "status 500"),
        ({"body": "no"}, "no"),
        ({"headers": {"content-type": "text/html"}}, "text/html"),
        ({"request": [{"drop": "a"}]}, '"echo": {}'),
        ({"change": [{"replace": "^", "by": "\ufeff"}]}, "\ufeff"),
    ],
)
def test_http_faults(served: Served, tmp_path: Path, http: dict[str, Any], found: str) -> None:
    answer = post(served(http, {"path": "/v1/.*"}), a=1)
    assert found in f"status {answer.status_code} {answer.headers['content-type']} {answer.text}"
    assert (tmp_path / f"faulty{NOTES}").read_text(encoding="utf-8").split() == [APPLIED]


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"substitute": "error.message", "pattern": "$", "by": "!"}, {}),
        ({"replace": "absent", "by": "!"}, {}),
        ({"substitute": "error.message", "pattern": "$", "by": "!"}, {"stream": True}),
        ({"event": "drop", "only": "usage"}, {"stream": True}),
    ],
)
def test_what_changes_nothing_is_not_applied(
    served: Served, tmp_path: Path, change: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert post(served({"change": [change]}, {"path": "/v1/.*"}), **asked).status_code == 200
    assert not (tmp_path / f"faulty{NOTES}").exists()


def test_an_exchange_that_is_only_noted(served: Served, tmp_path: Path) -> None:
    server = served({"notes": "seen"}, {"path": "/v1/.*", "every": 2})
    assert [post(server, a=1).json()["echo"] for _ in range(2)] == [{"a": 1}, {"a": 1}]
    assert (tmp_path / f"faulty{NOTES}").read_text(encoding="utf-8").split() == ["seen"]


def test_a_request_that_stays_the_same_is_not_applied(served: Served, tmp_path: Path) -> None:
    post(served({"request": [{"drop": "absent"}]}, {"path": "/v1/.*"}), a=1)
    assert not (tmp_path / f"faulty{NOTES}").exists()


@pytest.mark.parametrize("change", [{"event": "drop", "only": "done"}, {"drop": "choices"}])
def test_a_changed_stream_is_noted_once(served: Served, tmp_path: Path, change: dict[str, Any]) -> None:
    post(served({"change": [change]}, {"path": "/v1/.*"}), stream=True)
    assert (tmp_path / f"faulty{NOTES}").read_text(encoding="utf-8").split() == [APPLIED]


def test_a_fault_of_streams_leaves_other_answers_alone(served: Served) -> None:
    server = served({"change": [{"event": "drop", "only": "done"}]}, {"request": {"stream": True}})
    assert "[DONE]" not in post(server, stream=True).text
    assert post(server, stream=False).json()["usage"]["total"] == 3


@pytest.mark.parametrize("http", [{"how": "down"}, {"ends_after": 5, "how": "reset"}, {"ends_after": 5}])
def test_transport_faults(served: Served, http: dict[str, Any]) -> None:
    server = served(http, {"path": "/v1/.*"})
    with pytest.raises(httpx.TransportError):
        post(server, a=1)


def test_jitter_is_the_same_in_each_run() -> None:
    def delays(seed: int, **does: float) -> list[float]:
        sequence = random.Random(seed)
        return [delay_seconds(does, "delay", sequence) for _ in range(100)]

    found = delays(JITTER_SEED, delay=0.2, jitter=0.1)
    assert 0.1 <= min(found) < 0.12 < 0.28 < max(found) <= 0.3
    assert (
        found == delays(JITTER_SEED, delay=0.2, jitter=0.1) != delays(JITTER_SEED + 1, delay=0.2, jitter=0.1)
    )
    assert min(delays(JITTER_SEED, delay=0.1, jitter=1)) == 0
    assert {*delays(JITTER_SEED, delay=0.2)} == {0.2}
    assert {*delays(JITTER_SEED, event_delay=0.2, jitter=0.1)} == {0.0}


def test_answers_with_jitter_come_as_late_as_stated(served: Served) -> None:
    does = {"delay": 0.2, "jitter": 0.2}
    server, sequence = served(does, {"path": "/v1/.*"}), random.Random(JITTER_SEED)
    for expected in (delay_seconds(does, "delay", sequence) for _ in range(3)):
        began = time.monotonic()
        post(server, a=1)
        assert time.monotonic() - began >= expected


def test_a_fault_in_each_third_exchange_from_the_second_to_the_sixth(served: Served) -> None:
    server = served({"status": 500}, {"path": "/v1/.*", "after": 1, "until": 6, "every": 3})
    assert [post(server, a=1).status_code for _ in range(8)] == [200, 200, 200, 500, 200, 200, 200, 200]


@pytest.mark.parametrize(
    ("does", "on"),
    [
        ({"status": 500}, {"path": "/other"}),
        ({"status": 500}, {"path": "/v1/.*", "after": 1}),
        ({"status": 500}, {"path": "/v1/.*", "request": {"b": True}}),
        ({"request": [{"drop": "b"}]}, {"path": "/v1/.*"}),
    ],
    ids=["of another path", "of any body", "of a body with a field", "of requests"],
)
def test_a_request_whose_body_never_comes_reaches_the_server(
    served: Served, does: dict[str, object], on: dict[str, object]
) -> None:
    """Also where a fault needs the body: the proxy waits a second for it."""
    server = served(does, on)
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE) as half:
        half.sendall(b"POST /v1/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        wait_until("the head at the server", lambda: "POST /v1/chat" in server.log, timeout=PATIENCE)
    assert post(server, a=1).json()["echo"] == {"a": 1}


def test_in_front_of_a_program_with_an_address_to_listen_on(tmp_path: Path) -> None:
    """As Prometheus has it. It ends at its second query, by the signal that ends the program."""
    of_prometheus = 'int(sys.argv[1].rpartition(":")[2])'
    text = SERVER.replace('int(sys.argv[sys.argv.index("--port") + 1])', of_prometheus)
    query = {"on": {"path": "/api/v1/query", "after": 1}, "kills": True}
    faulty = write_program(tmp_path, "faulty", Plan((program(tmp_path, text),), http=(query,)))

    def at_port(port: int) -> LaunchedProgram:
        command: list[str | Path] = [
            faulty,
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url=http://127.0.0.1:{port}",
        ]
        url = f"http://127.0.0.1:{port}"
        ready = http_ready(url, "/-/ready", lambda found: found.status == 200)
        return launch("it", command, environment=lambda _: os.environ, ready=ready, timeout=PATIENCE, url=url)

    server = launch_on_free_port(at_port, "in use")
    try:
        with httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False) as client:
            assert client.get("/api/v1/query").status_code == 200
            with pytest.raises(httpx.TransportError):
                client.get("/api/v1/query")
        wait_until("its end", lambda: not server.alive, timeout=PATIENCE)
        assert server.process.exit_code == -signal.SIGKILL
    finally:
        server.stop()


def test_the_answer_before(served: Served) -> None:
    server = served({"previous": True}, {"path": "/v1/.*"})
    assert [post(server, a=number).json()["echo"]["a"] for number in (1, 2, 3)] == [1, 1, 2]


def test_a_server_that_ends(served: Served) -> None:
    server = served({"kills": True}, {"path": "/v1/.*"})
    with pytest.raises(httpx.TransportError):
        post(server, a=1)
    assert server.process.wait(PATIENCE) == -signal.SIGKILL


def test_in_front_of_a_server_at_a_url(served: Served, tmp_path: Path) -> None:
    plan = Plan(url=served().url, http=({"on": {"path": "/v1/.*"}, "status": 503},))
    listening = re.compile(r"Listening on (http://\S+)")
    front = launch(
        "the proxy",
        [write_program(tmp_path, "front", plan)],
        environment=lambda _: os.environ,
        ready=log_matches(listening),
        timeout=PATIENCE,
    )
    try:
        match = listening.search(front.log)
        assert match is not None
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            assert client.post(f"{match[1]}/v1/chat", json={}).status_code == 503
            assert client.get(f"{match[1]}/health").status_code == 200
    finally:
        front.stop()


@pytest.mark.parametrize(
    ("change", "code", "out", "err"),
    [
        ({"arguments": "^other"}, 3, "on output a b", "on error"),
        ({"exit_code": 0}, 0, "on output a b", "on error"),
        ({"output": [["on (\\w+)", "at \\1"]]}, 3, "at output a b", "at error"),
        ({"streams": "swapped"}, 3, "on error", "on output a b"),
        ({"replace_arguments": [["^b$", ""]]}, 3, "on output a\n", "on error"),
        ({"prints": "first"}, 3, "first\non output", "on error"),
        ({"crash": "SIGSEGV"}, -signal.SIGSEGV, "", ""),
        ({"exit_code": -7}, -7, "on output", "on error"),
    ],
)
def test_commands(tmp_path: Path, change: dict[str, Any], code: int, out: str, err: str) -> None:
    plan = Plan((program(tmp_path, COMMAND),), command=(change,))
    done = run_command([write_program(tmp_path, "faulty", plan), "a", "b"], within=PATIENCE)
    assert (done.exit_code, out in done.stdout, err in done.stderr) == (code, True, True)
    assert (tmp_path / f"faulty{NOTES}").exists() == (change.get("arguments") is None)


def test_a_server_that_ends_before_it_listens_ends_with_its_code(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    plan = Plan((program(tmp_path, "print('listening on http://127.0.0.1:1', flush=True)\nexit(3)"),))
    done = run_command([write_program(tmp_path, "faulty", plan), "serve", "--port", port], within=PATIENCE)
    assert (done.exit_code, done.stdout) == (3, "listening on http://127.0.0.1:1\n")


def test_a_command_that_writes_much_before_it_reads(tmp_path: Path) -> None:
    text = "import sys\nprint('line\\n' * 100000, flush=True)\nprint(len(sys.stdin.read()))"
    faulty = write_program(tmp_path, "faulty", Plan((program(tmp_path, text),), command=({"input": []},)))
    done = subprocess.run([faulty], input=b"x" * 500_000, capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout.endswith(b"\n500000\n")


def test_two_faults_of_one_stream(tmp_path: Path, served: Served) -> None:
    server = served({"change": [{"event": "drop", "only": "done"}]}, {"path": "/v1/.*"}, second={"delay": 0})
    assert "[DONE]" not in post(server, stream=True).text
    assert not (tmp_path / f"faulty{NOTES}").read_text(encoding="utf-8").replace(APPLIED, "").strip()


def test_keys_and_output_of_a_terminal(tmp_path: Path) -> None:
    change = {"input": [["b", "y"]], "output": [["answer", "reply"]], "exit_code": 5}
    plan = Plan((program(tmp_path, CHAT),), command=(change,))
    chat = pexpect.spawn(str(write_program(tmp_path, "faulty", plan)), encoding="utf-8", timeout=PATIENCE)
    chat.expect("> ")
    chat.sendline("axb")
    chat.expect("reply AXY")
    chat.sendline("exit")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 5


@pytest.mark.parametrize("prompt", ["> ", "\x1b[?2004h\r\x1b[K> \r\x1b[2C"], ids=["plain", "line editor"])
def test_output_line_by_line_has_the_prompts_all_the_same(tmp_path: Path, prompt: str) -> None:
    chat = f"import sys\nsys.stdout.write({prompt!r})\nsys.stdout.flush()\nprint('read', input())\n"
    plan = Plan((program(tmp_path, chat),), command=({"as_lines": True},))
    terminal = pexpect.spawn(str(write_program(tmp_path, "faulty", plan)), encoding="utf-8", timeout=PATIENCE)
    terminal.expect("> ")
    terminal.sendline("it")
    terminal.expect("read it")
    terminal.expect(pexpect.EOF)
    terminal.close()
