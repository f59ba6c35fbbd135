"""What a run needs of its surroundings before it starts: a free port, and the server of the Ollama API."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection

from support.errors import SettingsError, TargetError
from support.servers.discovery import CommandTarget, Target
from support.servers.ollama_backends import NEEDS_OLLAMA, NEEDS_OLLAMA_API, program_version_models
from support.settings import OLLAMA_API_CHOICES, ResolvedSettings


def require_surroundings(tags: Collection[str], resolved: ResolvedSettings, target: Target) -> None:
    """`tags`: of all selected scenarios. Raises `SettingsError` or `TargetError` with one line."""
    settings = resolved.settings
    if settings.test_port is not None and isinstance(target, CommandTarget):
        _require_free_port(settings.test_port)
    kind, tested = settings.ollama_api, NEEDS_OLLAMA_API in tags
    if tested and kind not in OLLAMA_API_CHOICES:
        _require_ollama_api("ollama_api", kind, resolved)
    if settings.ollama_url is not None and (NEEDS_OLLAMA in tags or (tested and kind == "ollama")):
        _require_ollama_api("ollama_url", settings.ollama_url, resolved)


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":
            # As servers do: what an ended one has left does not count. Windows would share the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"setting test_port = {port}: no server can listen there ({error.strerror}); "
                "end the program that uses the port, choose another one, or leave it out for a free one"
            ) from None


def _require_ollama_api(name: str, url: str, resolved: ResolvedSettings) -> None:
    try:
        program_version_models(url, resolved.settings)
    except TargetError as error:
        raise TargetError(f"setting {name} (from {resolved.origins.get(name, 'default')}): {error}") from None
