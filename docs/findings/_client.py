"""What the scripts of this folder share: requests to a server, programs that they start, the exit codes.

0: the defect is not there. 1: it is; a line for each wrong response has what was sent, received and
expected. 2: it cannot be decided (wrong usage, no server, no such route or model): one line on standard
error. Python 3.11, nothing else; programs are started on POSIX systems only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SHOWN = 240
LIGHTHOUSE = "The lighthouse was lit in 1874 and is seen from twenty miles away."
OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"help": "the server, as in http://127.0.0.1:1234", "required": True},
    "model": {"help": "the model's name in requests (default: default)", "default": "default"},
    "pid": {"help": "the process of the server, for its memory or CPU time", "type": int},
    "program": {"help": "the program mistralrs", "required": True},
    "file": {"help": "a GGUF model file", "required": True, "type": Path},
    "starts": {"help": "how many starts (default: 300)", "default": 300, "type": int},
}


class CannotDecide(Exception):
    """The defect can be neither seen nor excluded here: exit code 2."""


class Defect(NamedTuple):
    """One wrong response."""

    sent: str
    received: str
    expected: str

    def __str__(self) -> str:
        parts = (f"{name}: {short(value)}" for name, value in self._asdict().items())
        return " | ".join(parts)


def short(text: str) -> str:
    """On one line, without control codes, and not endless."""
    visible = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text.strip())
    return visible if len(visible) <= SHOWN else f"{visible[:SHOWN]}... ({len(visible)} characters)"


def run(check: Callable[[argparse.Namespace], Iterable[Defect]], text: str | None, *options: str) -> None:
    """The main program of a script. `options` are names in OPTIONS; `text` is the script's docstring."""
    parser = argparse.ArgumentParser(
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 the defect is not there, 1 it is, 2 it cannot be decided",
    )
    for name in options:
        parser.add_argument(f"--{name}", **OPTIONS[name])
    # What was found before the rest could not be decided stays found.
    defects: list[Defect] = []
    try:
        for defect in check(parser.parse_args()):
            defects.append(defect)
    except CannotDecide as error:
        print(f"cannot decide: {short(str(error))}", file=sys.stderr)
        if not defects:
            sys.exit(2)
    except Exception:  # noqa: BLE001 - an error of the script is no defect of the server
        traceback.print_exc()
        sys.exit(2)
    print("\n".join(map(str, defects)) or "the defect is not there")
    sys.exit(1 if defects else 0)


# HTTP


@dataclass(frozen=True)
class Answer:
    """A response. The status is 0 if none came to its end; `error` is the reason then."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""

    def __str__(self) -> str:
        text = self.body.decode("utf-8", "replace")
        return (
            f"{self.status} {text or '(no body)'}"
            if self.status
            else f"no whole response ({self.error}) {text}"
        )

    @property
    def json(self) -> Any:
        """The body, or None if it is no JSON."""
        return parsed(self.body)

    @property
    def events(self) -> list[str]:
        """The data of each event of a stream (HTML standard, server-sent events)."""
        blocks = self.body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n")
        lines = [
            [line[5:].lstrip() for line in block.split("\n") if line.startswith("data:")] for block in blocks
        ]
        return ["\n".join(data) for data in lines if data]

    @property
    def chunks(self) -> list[Any]:
        """The events that are JSON objects."""
        return [chunk for event in self.events if isinstance(chunk := parsed(event), dict)]

    @property
    def ended(self) -> bool:
        """Whether a stream of OpenAI's API came to its end."""
        return bool(self.events) and self.events[-1] == "[DONE]"

    @property
    def text(self) -> str:
        """What the model wrote: in a chat, a completion, a response, or a stream of one of them."""
        found = self.json if isinstance(self.json, dict) else {}
        pieces = [find(found, "choices.0.message.content"), find(found, "choices.0.text")]
        pieces += [find(found, "output.0.content.0.text")]
        for chunk in self.chunks:
            pieces += [find(chunk, "choices.0.delta.content"), find(chunk, "choices.0.text")]
        return "".join(piece for piece in pieces if isinstance(piece, str))

    @property
    def rejected(self) -> bool:
        """As an error of the client."""
        return 400 <= self.status < 500

    @property
    def served(self) -> bool:
        return self.status == 200


def parsed(text: str | bytes) -> Any:
    """The JSON document, or None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def find(document: Any, path: str) -> Any:
    """The value at `choices.0.text`, or None."""
    for key in path.split("."):
        if isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        elif isinstance(document, dict):
            document = document.get(key)
        else:
            return None
    return document


class Server:
    """The server at `--url`. A connection for each request, unless one is kept on purpose."""

    def __init__(self, options: argparse.Namespace, route: str = "", *, timeout: float = 120) -> None:
        """`route` is one that it has to serve, as `/v1/completions`; else this cannot be decided."""
        try:
            self._url = urllib.parse.urlsplit(options.url)
            usable = self._url.scheme in ("http", "https") and self._url.hostname and self._url.port != 0
        except ValueError:
            usable = False
        self.model: str = getattr(options, "model", "default")
        self._timeout = timeout
        if not usable:
            raise CannotDecide(f"--url {options.url}: give one such as http://127.0.0.1:1234")
        reached = self.send("GET", "/health")
        if not reached.status:
            raise CannotDecide(f"{options.url} cannot be reached: {reached.error}")
        found = self.post(route, {}) if route else reached
        # A model that is not found has the same status.
        if found.status in (404, 405, 501) and route and b"model" not in found.body:
            raise CannotDecide(f"{options.url} does not serve {route}: {found}")
        listed = find(self.send("GET", "/v1/models").json, "data") if self.model != "default" else None
        names = [str(find(one, "id")) for one in listed] if isinstance(listed, list) else []
        if names and self.model not in (*names, *(name.removesuffix(":latest") for name in names)):
            raise CannotDecide(f"{options.url} has no model {self.model}; it has {', '.join(names)}")

    def connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def begin(self, path: str, body: Any) -> http.client.HTTPConnection:
        """Send a POST request and leave its response unread. Returns the connection."""
        connection = self.connection()
        self._request(connection, "POST", path, body, None)
        return connection

    def send(
        self, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; a broken connection is an Answer too."""
        with closing(self.connection()) as connection:
            try:
                self._request(connection, method, path, body, headers)
                response = connection.getresponse()
                received = response.read()
            except http.client.IncompleteRead as error:
                return Answer(0, {}, error.partial, "the connection was closed within it")
            except (OSError, http.client.HTTPException) as error:
                return Answer(0, {}, b"", f"{type(error).__name__}: {error}")
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, received)

    def _request(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None,
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"Content-Type": "application/json"} if headers is None else headers
        connection.request(method, self._url.path.rstrip("/") + path, data or None, dict(usual))

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.send("POST", path, body, headers)

    def chat(self, question: str, **fields: Any) -> Answer:
        """A chat at temperature 0."""
        return self.post("/v1/chat/completions", self.chat_body(question, **fields))

    def chat_body(self, question: str, **fields: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": question}]
        return {"model": self.model, "temperature": 0, "messages": messages} | fields

    def require_answers(self, path: str = "/v1/chat/completions", body: Any = None) -> None:
        """A usual request is served: else that others are rejected says nothing (a key, another model)."""
        usual = self.chat_body("Tell me about the harbour", max_tokens=4) if body is None else body
        answer = self.post(path, usual)
        if not answer.served:
            raise CannotDecide(f"a usual request to {path} is not served: {answer}")

    def require_scripted_model(self) -> None:
        """The model of `acceptance model`, whose answers are known to the letter."""
        answer = self.chat("Tell me about the lighthouse")
        if answer.text != LIGHTHOUSE:
            raise CannotDecide(
                f"the model is not the scripted one of `acceptance model`, it answered {answer}"
            )


def brief(answer: Answer) -> str:
    """The text of an answer, or the whole response that has none."""
    return f"{answer.status} {answer.text!r}" if answer.served and answer.text else str(answer)


class Row(NamedTuple):
    """A request and what its response has to be."""

    method: str
    path: str
    body: Any
    expected: str
    right: Callable[[Answer], bool]
    headers: Mapping[str, str] | None = None
    sent: str = ""
    # What a defect shows of the response.
    shown: Callable[[Answer], str] = brief


def wrong_rows(server: Server, rows: Iterable[Row]) -> Iterator[Defect]:
    for row in rows:
        answer = server.send(row.method, row.path, row.body, row.headers)
        if not row.right(answer):
            body = (
                row.body.decode("utf-8", "replace") if isinstance(row.body, bytes) else json.dumps(row.body)
            )
            yield Defect(row.sent or f"{row.method} {row.path} {body}", row.shown(answer), row.expected)


def wrong_chats(
    server: Server,
    checks: Iterable[tuple[dict[str, Any], str, Callable[[Answer], bool]]],
    shown: Callable[[Answer], str] = brief,
) -> Iterator[Defect]:
    """Rows of the chat route: body, what is expected, and whether an answer is right."""
    path = "/v1/chat/completions"
    rows = [Row("POST", path, body, expected, right, shown=shown) for body, expected, right in checks]
    yield from wrong_rows(server, rows)


def together(tasks: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """All at the same moment."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def wait_until(check: Callable[[], Any], seconds: float) -> Any:
    """What `check` returns once it is true, or the last it returned when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


# Processes


def resident_mib(pid: int) -> float:
    """Memory of a process: ps(1), rss in KiB."""
    return float(_ps(pid, "rss")) / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, from /proc (proc(5), stat: utime and stime) or ps(1)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total = 0.0
    for part in _ps(pid, "time").replace("-", ":").split(":"):
        total = total * 60 + float(part)
    return total


def _ps(pid: int, column: str) -> str:
    done = subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    if done.returncode or not done.stdout.strip():
        raise CannotDecide(f"--pid {pid}: there is no such process")
    return done.stdout.strip()


class Ended(NamedTuple):
    """A program that ended; the code is None if it did not and was ended."""

    code: int | None
    output: str


def program_output(words: Sequence[str | Path], *, within: float = 120) -> Ended:
    """Start a program without input and wait for its end."""
    with started(words) as (process, output):
        wait_until(lambda: process.poll() is not None, within)
        return Ended(process.poll(), output())


@contextmanager
def started(words: Sequence[str | Path]) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """A program in a process group of its own, ended with all its children; and its output so far."""
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotDecide(f"--program {words[0]} cannot be started: {error}") from None

        def output() -> str:
            return os.pread(log.fileno(), 1 << 20, 0).decode("utf-8", "replace")

        try:
            yield process, output
        finally:
            end_tree(process)


class Terminal:
    """A program in a pseudo-terminal of 200 columns (pty(7)); not on Windows."""

    def __init__(self, words: Sequence[str | Path]) -> None:
        import fcntl
        import pty
        import termios

        self.output = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        try:
            self.process = subprocess.Popen(
                [str(word) for word in words],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                env=os.environ | {"TERM": "xterm"},
            )
        except OSError as error:
            os.close(self._master)
            raise CannotDecide(f"--program {words[0]} cannot be started: {error}") from None
        finally:
            os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read(self, enough: Callable[[str], bool], *, silence: float = 3, within: float = 120) -> str:
        """The output until it is `enough`, the program has ended, or nothing has come for a while."""
        begin, deadline = len(self.output), time.monotonic() + within
        while not enough(self.output[begin:]) and time.monotonic() < deadline:
            if not select.select([self._master], [], [], silence)[0]:
                break
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                # Linux: the program has closed the terminal.
                break
            if not data:
                break
            self.output += data.decode("utf-8", "replace")
        return self.output[begin:]

    def close(self) -> None:
        """End the program and its children."""
        end_tree(self.process)
        os.close(self._master)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """A program that leads a process group, and all in it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def model_arguments(file: Path, kind: str = "gguf") -> list[str]:
    """The one form that every version of mistral.rs accepts."""
    if not file.is_file():
        raise CannotDecide(f"--file {file}: there is no such file")
    return ["--format", kind, "-m", str(file.resolve().parent), "-f", file.name]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def panic_line(output: str) -> str:
    """What a Rust program printed about its panic, or its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = [index for index, line in enumerate(lines) if "panicked at" in line]
    return " ".join(lines[found[0] : found[0] + 2]) if found else (lines[-1] if lines else "(no output)")
