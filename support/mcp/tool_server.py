"""The suite's tool servers as a process of the run, and the configuration that tells a target of them."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from support.http.client import ApiClient
from support.mcp.tool_servers import MISSING, STDIO
from support.programs.child_environment import child_environment
from support.programs.launcher import free_port
from support.programs.process import ManagedProcess
from support.units import JsonObject
from support.waiting import wait_until

READY_SECONDS = 30.0
# A tool that hangs is given up by the target after this time, which has whole seconds.
TOOL_SECONDS = 1
_PROGRAM = "support.mcp.tool_server_main"


class ToolServer:
    """One process with all servers of `names.SESSIONS`. It is started at once and waited for when it is used.

    Every method raises `WaitTimeout` when it does not come up; nothing is left running then.
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
                seen=lambda: self._output.read_text(errors="replace")[-500:],
            )
        except BaseException:
            self.process.stop()
            raise

    def suspend(self, name: str) -> None:
        """This server gives up its port and its connections."""
        self._switch("close", name)

    def resume(self, name: str) -> None:
        """It answers on its port again; nothing happens when it did already."""
        self._switch("open", name)

    def _switch(self, action: str, name: str) -> None:
        with contextlib.closing(ApiClient(f"http://127.0.0.1:{self.ports['control']}")) as control:
            reply = control.send("POST", f"/{action}/{name}")
        if reply.status != 204:
            raise RuntimeError(f"the suite's tool server did not {action} {name}: status {reply.status}")

    def recorded_calls(self) -> list[JsonObject]:
        """What the servers took so far, in order: `server`, `method`, for a tool `tool` and `arguments`."""
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def configuration(self, names: Sequence[str], tool_seconds: float = TOOL_SECONDS) -> Path:
        """A file for `--mcp-config` that holds these servers, each one's name before those of its tools.

        A tool has so many seconds, rounded up: who scales that has one that works in mind, on a busy machine.
        Source of the form: mistral.rs, `McpClientConfig`.
        """
        file = self.folder / f"{'-'.join(names)}.json"
        servers = [
            {"id": name, "name": name, "tool_prefix": name, "source": self._source(name)} for name in names
        ]
        document = {
            "servers": servers,
            "auto_register_tools": True,
            "tool_timeout_secs": math.ceil(tool_seconds),
        }
        file.write_text(json.dumps(document), encoding="utf-8")
        return file

    def _source(self, name: str) -> dict[str, object]:
        if name == STDIO:
            arguments = ["-m", _PROGRAM, "stdio", str(self.record)]
            return {"type": "Process", "command": sys.executable, "args": arguments}
        port = free_port() if name == MISSING else self.ports[name]
        return {"type": "Http", "url": f"http://127.0.0.1:{port}/mcp"}

    def stop(self) -> None:
        """End the process. May be called twice."""
        self.process.stop()


def _ports(file: Path) -> dict[str, int] | None:
    """The line that the program prints when it is ready; what failed before stands there as well."""
    lines = file.read_text(errors="replace").splitlines(keepends=True)
    found = next((line for line in lines if line.startswith("{") and line.endswith("\n")), None)
    return None if found is None else dict(json.loads(found))
