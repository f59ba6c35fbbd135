"""The bundled gateway as a process in front of a server under test."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from support.errors import AcceptanceError
from support.programs.child_environment import child_environment
from support.programs.launcher import LaunchedProgram, LaunchFailure, launch, log_matches
from support.programs.starts import STARTS, ServerStart
from support.settings import Settings
from support.user_files import problem_of

READY_SECONDS = 60.0
PROGRAM = Path(sys.executable).with_name("mistralrs-gateway")
KEY_VARIABLE = "GATEWAY_TARGET_KEY"
_READY = re.compile(r"Gateway listening on (http://\S+)")


class GatewayStartError(AcceptanceError):
    """The gateway did not start: it is a part of the harness, so no verdict on a product."""


@cache
def gateway_version() -> str:
    """The Ollama version that the gateway's API corresponds to, from `mistralrs-gateway --version`."""
    try:
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GatewayStartError(f"`{PROGRAM} --version` failed: {error}") from error
    return done.stdout.split()[-1]


def start_gateway(
    target_url: str,
    settings: Settings,
    ggufs: Mapping[str, Path] | None = None,
    api_key: str | None = None,
) -> LaunchedProgram:
    """Start the gateway on a free port of the loopback interface and wait until it listens.

    Its log has one line for each request, without its content.

    `ggufs`: Ollama's name of a model -> its GGUF file. `api_key`: the target's; it is passed in the
    environment, which other users of the machine do not see. Raises `GatewayStartError` with the end of
    the log; nothing is left running then.
    """
    command: list[str | Path] = [settings.gateway_bin or PROGRAM, "--target", target_url]
    for name, path in (ggufs or {}).items():
        command += ["--gguf", f"{name}={path}"]
    key = {KEY_VARIABLE: api_key} if api_key else {}
    if key:
        command += ["--api-key-env", KEY_VARIABLE]
    try:
        program = launch(
            "the gateway",
            command,
            environment=lambda folder: child_environment(folder, **key),
            ready=log_matches(_READY),
            timeout=settings.seconds(READY_SECONDS),
        )
    except LaunchFailure as failure:
        raise GatewayStartError(str(failure)) from None
    except OSError as error:
        raise GatewayStartError(f"the gateway {command[0]} cannot be started ({problem_of(error)})") from None
    listening = _READY.search(program.log)
    assert listening is not None
    program.url = listening[1]
    # With its port, which the gateway has chosen itself.
    port = program.url.rpartition(":")[2]
    again = child_environment(program.folder, **key)
    STARTS.add(ServerStart.of([*command, "--port", port], again, program.folder, program.url))
    return program
