"""The server that Aider is connected to, and the processes that have its model."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import psutil

from support.chat.client import OLLAMA_CHAT, ChatEndpoint
from support.errors import CheckFailed, NotSupported
from support.http.recording_proxy import RecordingProxy
from support.programs.launcher import LaunchedProgram
from support.programs.process import process_tree
from support.settings import redact_url

# A port of the system's (RFC 6335, tcpmux).
NOTHING_LISTENS = "http://127.0.0.1:1"


class ConnectedServer:
    """`proxy`: between Aider and the endpoint. `key`: the API key that Aider sends.

    `program`: the server of the suite that has the model; None for one that was there before the run.
    """

    def __init__(
        self, endpoint: ChatEndpoint, proxy: RecordingProxy, program: LaunchedProgram | None, key: str
    ) -> None:
        self.endpoint = endpoint
        self.proxy = proxy
        self._program = program
        self.key = key
        self._model_processes: list[frozenset[int]] = []

    def __str__(self) -> str:
        """The model and the address: what Aider itself leaves out of its errors."""
        return f"{self.aider_model} at {redact_url(self.endpoint.url)}"

    @property
    def serves_ollama(self) -> bool:
        """Whether Aider uses its Ollama API."""
        return self.endpoint.protocol is OLLAMA_CHAT

    @property
    def alive(self) -> bool:
        """Whether the process of the suite that has the model is; others are not known."""
        return self._program is None or self._program.alive

    @property
    def aider_model(self) -> str:
        """The model by its name for Aider: `openai/NAME` or `ollama_chat/NAME`."""
        provider = "ollama_chat" if self.serves_ollama else "openai"
        return f"{provider}/{self.endpoint.model}"

    @property
    def variables(self) -> Mapping[str, str]:
        """Of the environment of Aider: the address of the proxy, and the key."""
        api = "OLLAMA" if self.serves_ollama else "OPENAI"
        return {f"{api}_API_BASE": self.address, f"{api}_API_KEY": self.key}

    @property
    def address(self) -> str:
        """The address of the proxy, as Aider takes it for the API."""
        return self._address_of_api(self.proxy.url)

    @property
    def unreachable(self) -> str:
        """An address of this API where nothing listens."""
        return self._address_of_api(NOTHING_LISTENS)

    def _address_of_api(self, url: str) -> str:
        return url if self.serves_ollama else f"{url}/v1"

    def resident_memory(self) -> int:
        """In bytes; zero for a server that was there before the run."""
        return self._program.resident_memory() if self._program else 0

    def note_model_processes(self) -> None:
        """To be called after each turn."""
        if self._program is not None:
            self._model_processes.append(_model_processes(self._program.process.pid))

    @property
    def reloads(self) -> int:
        """How often the model was loaded again after the first turn: in another process each time."""
        noted = self._model_processes
        return len(frozenset().union(*noted) - noted[0]) if noted else 0

    def require_no_reload(self) -> None:
        """The model stayed loaded from the first turn to the last one."""
        if self._program is None:
            raise NotSupported("the server was there before this run: its processes are not known")
        if self.reloads:
            raise CheckFailed(f"the model was loaded again {self.reloads} times: {self._model_processes}")


def _model_processes(pid: int) -> frozenset[int]:
    """Of Ollama one for each model (`ollama runner --model ...`), of mistral.rs those of the server."""
    processes = process_tree(pid)
    runners = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if "runner" in process.cmdline() and "--model" in process.cmdline():
                runners.add(process.pid)
    return frozenset(runners or (process.pid for process in processes))
