"""Small programs that stand in for mistral.rs. Each notes its process id, so that leftovers are seen."""

from __future__ import annotations

from pathlib import Path

from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.settings import Settings
from support.waiting import wait_until
from tests.programs.vanishing import is_gone
from tests.python_programs import first_lines
from tests.timeouts import PATIENCE

MODEL = ModelArguments(Path("/models/toy"), "toy.gguf", "gguf")

# `serve` answers every request with 200; a test adds what its program does.
SERVER = """{first_lines}import os, signal, socket, subprocess, sys

def note(pid):
    with open({pids!r}, "a") as file:
        file.write(f"{{pid}}\\n")

def serve(status="200 OK", port=None):
    listener = socket.create_server(("127.0.0.1", asked if port is None else port))
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.recv(4096)
        head = f"HTTP/1.1 {{status}}\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\n"
        connection.sendall(head.encode() + b"ok")
        connection.close()

def child():
    script = "import signal; print(1, flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-IS", "-c", script], stdout=subprocess.PIPE)
    process.stdout.readline()
    note(process.pid)

note(os.getpid())
asked = int(sys.argv[sys.argv.index("--port") + 1])
print(" ".join(sys.argv[1:]), flush=True)
{body}
"""


class Programs:
    """Makes programs in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pids = folder / "pids"

    def shell(self, body: str, path: str = "program") -> Path:
        """A shell script; `$PIDS` is where it notes process ids."""
        return self.write(path, f"#!/bin/sh\nPIDS='{self._pids}'\necho $$ >>$PIDS\n{body}\n")

    def printing(self, line: str, path: str = "program") -> Path:
        return self.shell(f"echo '{line}'", path)

    def server(self, body: str = "serve()") -> CommandTarget:
        """A target whose `serve` does this (Python); `serve()` answers, `child()` starts a child."""
        path = self.write(
            "server", SERVER.format(first_lines=first_lines("-ISu"), pids=str(self._pids), body=body)
        )
        return CommandTarget(path, "mistralrs", "0.8.1", "a test")

    def settings(self, **chosen: object) -> Settings:
        return Settings(**{"acceptance_cache_dir": self.folder / "cache", **chosen})

    @property
    def pids(self) -> list[int]:
        """Processes that were started, in order."""
        return [int(line) for line in self._pids.read_text().split()] if self._pids.exists() else []

    def check_nothing_left(self) -> None:
        """No process and no temporary folder."""
        wait_until("all processes gone", lambda: all(map(is_gone, self.pids)), timeout=PATIENCE)
        assert list((self.folder / "temporary").iterdir()) == []

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return file
