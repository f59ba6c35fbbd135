"""The server of llama-cpp-python as a process of the run. It answers one request at a time."""

from __future__ import annotations

from support.models.files import ModelFiles
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.launcher import (
    LaunchedProgram,
    http_ready,
    launch,
    launch_on_free_port,
)
from support.servers.mistralrs import READY_SECONDS
from support.settings import Settings

MODULE = "llama_cpp.server"
PORT_TAKEN = "address already in use"


def start_llama_cpp(program: InstalledProgram, model: ModelFiles, settings: Settings) -> LaunchedProgram:
    """Start it with a GGUF file, its options being those of its defaults. Raises `LaunchFailure`."""

    def start(port: int) -> LaunchedProgram:
        url = f"http://127.0.0.1:{port}"
        return launch(
            f"{program.name} {program.version}",
            [
                *(program.path, "-m", MODULE, "--model", model.path),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            environment=child_environment,
            ready=http_ready(url, "/v1/models", lambda exchange: exchange.status == 200),
            timeout=settings.seconds(READY_SECONDS),
            url=url,
            kind=model.format,
        )

    return launch_on_free_port(start, PORT_TAKEN)
