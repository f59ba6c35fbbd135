"""A server with a gateway before it, for scenarios that may not use those of the whole run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.chat.endpoint import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint
from support.programs.process import process_tree
from support.servers.bundled_gateway import start_gateway
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import Server, start_server
from support.servers.ollama_backends import SCRIPTED

if TYPE_CHECKING:
    from support.suite import RunContext

# The servers of a scenario in the words of the features.
DIRECT, GATEWAY, REAL = "mistral.rs", "the gateway", "a real Ollama"
# An endless answer goes on for longer than anybody waits here.
LONG_CONTEXT = 32_768


class ServerWithGateway:
    """A server, and the gateway in front of it, which is started when first asked for."""

    def __init__(self, server: Server, launch_gateway: Callable[[ExitStack], str]) -> None:
        self.server = server
        self.direct = ChatEndpoint(DIRECT, server.url, "default", OPENAI_CHAT)
        self._exit_stack = ExitStack()
        self._exit_stack.callback(server.stop)
        self._launch_gateway = launch_gateway

    @cached_property
    def gateway(self) -> ChatEndpoint:
        """How the gateway is asked."""
        return ChatEndpoint(GATEWAY, self._launch_gateway(self._exit_stack), SCRIPTED, OLLAMA_CHAT)

    def endpoint(self, name: str) -> ChatEndpoint:
        """How a server is asked, by its name in the features."""
        return self.direct if name == DIRECT else self.gateway

    def cpu_seconds(self) -> float:
        """What the server's processes have used so far; the gateway's are not counted."""
        used = 0.0
        for process in process_tree(self.server.process.pid):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def has_runnable_thread(self) -> bool:
        """Whether one of the server's threads has work, be it on a CPU or waiting for one; Linux tells."""
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


def start_server_with_gateway(suite: RunContext, max_seqs: int = 32) -> ServerWithGateway:
    """Start a server for so many requests at once; raises `StartFailure`."""
    file = suite.models.scripted(suite.script, context=LONG_CONTEXT)
    settings = suite.settings.model_copy(update={"test_batch_size": max_seqs, "test_port": None})
    server = start_server(suite.command, arguments_of(file), settings)

    def start_its_gateway(ending: ExitStack) -> str:
        gateway = start_gateway(server.url, settings, {SCRIPTED: file.path})
        ending.callback(gateway.stop)
        return gateway.url

    return ServerWithGateway(server, start_its_gateway)


class SharedServers:
    """Those of a run, by what scenarios do to them; started when first asked for, replaced when one died."""

    def __init__(self) -> None:
        self._servers: dict[str, ServerWithGateway] = {}

    def get(self, use: str, start: Callable[[], ServerWithGateway]) -> ServerWithGateway:
        """The one for this use that is there, or a new one."""
        stack = self._servers.get(use)
        if stack is None or not stack.server.alive:
            self.discard(use)
            stack = self._servers[use] = start()
        return stack

    def discard(self, use: str) -> None:
        """End it: the next one who asks gets a new one."""
        stack = self._servers.pop(use, None)
        if stack is not None:
            stack.stop()

    def close(self) -> None:
        """End all of them."""
        for use in list(self._servers):
            self.discard(use)
