"""The bundled gateway in front of a server under test: started, awaited, ended."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from support.errors import AcceptanceError
from support.programs.child_environment import child_environment
from support.programs.process import ManagedProcess
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until

READY_SECONDS = 60.0
LOG_TAIL_LINES = 15
PROGRAM = Path(sys.executable).with_name("mistralrs-gateway")
KEY_VARIABLE = "GATEWAY_TARGET_KEY"
_READY = re.compile(r"Gateway listening on (http://\S+)")


class GatewayStartError(AcceptanceError):
    """The gateway did not come up: it is a part of the harness, so no verdict on a product."""


@cache
def gateway_version() -> str:
    """The Ollama version that the gateway's API corresponds to, from `mistralrs-gateway --version`."""
    try:
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GatewayStartError(f"`{PROGRAM} --version` failed: {error}") from error
    return done.stdout.split()[-1]


class Gateway:
    """A running gateway."""

    def __init__(self, process: ManagedProcess, url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder

    @property
    def log(self) -> str:
        """Everything it wrote so far, both streams in order; one line a request, without its content."""
        return _read(self.folder)

    @property
    def alive(self) -> bool:
        return self.process.alive

    def stop(self) -> int:
        """End it and remove its folder; the exit code. May be called twice."""
        code = self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def start_gateway(
    target_url: str,
    settings: Settings,
    ggufs: Mapping[str, Path] | None = None,
    api_key: str | None = None,
) -> Gateway:
    """Start the gateway on a free port of the loopback interface and wait until it listens.

    `ggufs`: Ollama's name of a model -> its GGUF file. `api_key`: the target's; it goes through the
    environment, where other users of the machine do not see it. Raises `GatewayFailure` with the end of the
    log; nothing is left running then.
    """
    folder = Path(tempfile.mkdtemp(prefix="acceptance-gateway-"))
    command: list[str | Path] = [PROGRAM, "--target", target_url]
    for name, path in (ggufs or {}).items():
        command += ["--gguf", f"{name}={path}"]
    key = {KEY_VARIABLE: api_key} if api_key else {}
    if key:
        command += ["--api-key-env", KEY_VARIABLE]
    process: ManagedProcess | None = None
    try:
        process = ManagedProcess(
            command, stdout=folder / "gateway.log", env=child_environment(folder, **key), cwd=folder
        )
        running = process
        said = wait_until(
            "the gateway ready to answer",
            lambda: _READY.search(_read(folder)),
            timeout=settings.seconds(READY_SECONDS),
            alive=lambda: running.alive,
        )
        return Gateway(process, said[1], folder)
    except BaseException as error:
        # Whatever ended the start, Ctrl-C included: the process goes, and its folder once it was read.
        code = process.stop() if process is not None else None
        tail = "\n".join(_read(folder).splitlines()[-LOG_TAIL_LINES:]) or "(it wrote nothing)"
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, WaitTimeout):
            raise GatewayStartError(f"{error} (exit code {code}). Last lines of its log:\n{tail}") from None
        raise


def _read(folder: Path) -> str:
    log = folder / "gateway.log"
    return log.read_text(errors="replace") if log.exists() else ""
