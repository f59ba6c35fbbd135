"""A server with a gateway in front of it, for scenarios that may not use those of the whole run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import psutil

from support.models.files import ModelFiles
from support.models.roles import SCRIPTED
from support.programs.launcher import LaunchedProgram
from support.programs.process import process_tree
from support.servers.bundled_gateway import start_gateway
from support.servers.discovery import CommandTarget
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.settings import Settings

# The servers of a scenario in the words of the features.
DIRECT, GATEWAY, REAL = "mistral.rs", "the gateway", "a real Ollama"
# Uses that servers are shared for.
DISCONNECTING, UNLOADING = "disconnecting", "unloading"


class ServerWithGateway:
    """A server, and the gateway in front of it, which is started on first use."""

    def __init__(self, server: LaunchedProgram, launch_gateway: Callable[[ExitStack], str]) -> None:
        self.server = server
        self._exit_stack = ExitStack()
        self._exit_stack.callback(server.stop)
        self._launch_gateway = launch_gateway

    @cached_property
    def gateway_url(self) -> str:
        """The address of the gateway."""
        return self._launch_gateway(self._exit_stack)

    @property
    def alive(self) -> bool:
        return self.server.alive

    def cpu_seconds(self) -> float:
        """CPU time of the server's processes so far; the gateway's are not counted."""
        used = 0.0
        for process in process_tree(self.server.process.pid):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def has_runnable_thread(self) -> bool:
        """Whether one of the server's threads runs or waits for a CPU (Linux only)."""
        threads = (
            stat
            for process in process_tree(self.server.process.pid)
            for stat in Path(f"/proc/{process.pid}/task").glob("*/stat")
        )
        for stat in threads:
            with contextlib.suppress(OSError):
                # The name before it is in brackets, and may hold anything (proc(5)).
                if stat.read_text(errors="replace").rpartition(")")[2].split()[0] == "R":
                    return True
        return False

    def stop(self) -> None:
        """End both. May be called twice."""
        self._exit_stack.close()


def start_server_with_gateway(
    target: CommandTarget,
    model: ModelFiles,
    settings: Settings,
    max_seqs: int = 32,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> ServerWithGateway:
    """Start a server for so many requests at once; raises `StartFailure`.

    `environment` and `options`, more arguments, are those of the server.
    """
    settings = settings.model_copy(update={"test_batch_size": max_seqs, "test_port": None})
    server = start_server(target, arguments_of(model), settings, environment=environment, options=options)

    def launch_gateway(exit_stack: ExitStack) -> str:
        gateway = start_gateway(server.url, settings, {SCRIPTED: model.path})
        exit_stack.callback(gateway.stop)
        return gateway.url

    return ServerWithGateway(server, launch_gateway)
