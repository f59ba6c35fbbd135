"""The suite's tool servers as a process of the run, and the MCP configuration for the target."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from support.errors import CheckFailed
from support.http.client import ApiClient
from support.mcp.tool_servers import LIMIT, MISSING, STDIO, RecordedMessage
from support.programs.child_environment import child_environment
from support.programs.launcher import free_port
from support.programs.output_limit import read_output
from support.programs.process import ManagedProcess
from support.waiting import wait_until

READY_SECONDS = 30.0
# The time limit of a tool at the target, in whole seconds.
TOOL_SECONDS = 1
_PROGRAM = "support.mcp.tool_server_main"


class ToolServer:
    """One process with all servers of `SESSIONS`, started at once and awaited on first use.

    Every method raises `WaitTimeout` when it does not become ready; nothing is left running then.
    """

    def __init__(self, folder: Path, ready_seconds: float = READY_SECONDS) -> None:
        """`folder` takes its output, the record of the calls, and configurations."""
        self.folder = folder
        self.record = folder / "tool-calls.jsonl"
        self._output = folder / "tool-server.log"
        self._ready_seconds = ready_seconds
        self.process = ManagedProcess(
            [sys.executable, "-m", _PROGRAM, "http", self.record],
            stdout=self._output,
            env=child_environment(folder),
            cwd=folder,
        )

    @cached_property
    def ports(self) -> dict[str, int]:
        """Where each server listens, and `control`."""
        try:
            return wait_until(
                "the suite's tool server ready",
                lambda: _ports(self._output),
                timeout=self._ready_seconds,
                alive=lambda: self.process.alive,
                seen=lambda: read_output(self._output)[-500:],
            )
        except BaseException:
            self.process.stop()
            raise

    def suspend(self, name: str) -> None:
        """Close this server's port and connections."""
        self._switch("close", name)

    def resume(self, name: str) -> None:
        """Open its port again; nothing happens when it is open."""
        self._switch("open", name)

    def _switch(self, action: str, name: str) -> None:
        with contextlib.closing(ApiClient(f"http://127.0.0.1:{self.ports['control']}")) as control:
            reply = control.send("POST", f"/{action}/{name}")
        if reply.status != 204:
            raise RuntimeError(f"the suite's tool server did not {action} {name}: status {reply.status}")

    def recorded_calls(self) -> list[RecordedMessage]:
        """What the servers have received so far, in order; raises `CheckFailed` when it was too much."""
        if not self.record.exists():
            return []
        if self.record.stat().st_size > LIMIT:
            raise CheckFailed(f"the tool servers were sent more than {LIMIT // 1_000_000} MB of messages")
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def configuration(self, names: Sequence[str], tool_seconds: float = TOOL_SECONDS) -> Path:
        """A file for `--mcp-config` with these servers; the names of their tools are prefixed with their own.

        `tool_seconds` is rounded up. Source of the form: mistral.rs, `McpClientConfig`.
        """
        file = self.folder / f"{'-'.join(names)}.json"
        servers = [
            {"id": name, "name": name, "tool_prefix": name, "source": self._source(name)} for name in names
        ]
        options = {"auto_register_tools": True, "tool_timeout_secs": math.ceil(tool_seconds)}
        file.write_text(json.dumps({"servers": servers, **options}), encoding="utf-8")
        return file

    def _source(self, name: str) -> dict[str, object]:
        if name == STDIO:
            arguments = ["-m", _PROGRAM, "stdio", str(self.record)]
            return {"type": "Process", "command": sys.executable, "args": arguments}
        port = free_port() if name == MISSING else self.ports[name]
        return {"type": "Http", "url": f"http://127.0.0.1:{port}/mcp"}


def _ports(file: Path) -> dict[str, int] | None:
    """The line that the program prints when it is ready; error messages are in the same file."""
    lines = read_output(file).splitlines(keepends=True)
    found = next((line for line in lines if line.startswith("{") and line.endswith("\n")), None)
    return None if found is None else dict(json.loads(found))
