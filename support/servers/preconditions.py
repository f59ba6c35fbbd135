"""What a run needs before it starts: a free port, a folder for models, the server of the Ollama API."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from pathlib import Path

from support.errors import SettingsError, TargetError
from support.results.program_version import OLLAMA, ProgramVersion
from support.servers.discovery import UNKNOWN, CommandTarget, Target
from support.servers.ollama_backends import (
    NEEDS_OLLAMA,
    NEEDS_OLLAMA_API,
    identified,
    preview,
    url_under_test,
)
from support.servers.subject import Subject
from support.settings import ResolvedSettings, redact_url
from support.user_files import problem_of


def require_surroundings(tags: Collection[str], resolved: ResolvedSettings, target: Target) -> Subject:
    """What is tested. `tags`: of the scenarios. Raises `SettingsError` or `TargetError` in one line."""
    settings = resolved.settings
    if settings.test_port is not None and isinstance(target, CommandTarget):
        _require_free_port(settings.test_port)
    require_model_folder(settings.acceptance_cache_dir / "models")
    url, ollama_api = url_under_test(settings), preview(settings, target.label)
    if settings.ollama_url is not None and NEEDS_OLLAMA in tags and url != settings.ollama_url:
        _ollama_api("ollama_url", settings.ollama_url, resolved)
    if settings.ollama_api == "gateway" or NEEDS_OLLAMA_API not in tags:
        return Subject(target, ollama_api)
    if url is None:
        return Subject(target, ollama_api, OLLAMA, own_gateway=False)
    name = "ollama_url" if settings.ollama_api == "ollama" else "ollama_api"
    found = _ollama_api(name, url, resolved)
    if found.program != UNKNOWN:
        ollama_api = f"{found} at {redact_url(url)}"
    return Subject(target, ollama_api, found.program, own_gateway=False)


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":
            # As servers do: what an ended one has left does not count. Windows would share the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"setting test_port = {port}: no server can listen there ({problem_of(error)}); "
                "end the program that uses the port, choose another one, or leave it out for a free one"
            ) from None


def require_model_folder(folder: Path) -> None:
    """Make the folder of models in the cache; raises `SettingsError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"setting acceptance_cache_dir: {folder} cannot be created ({problem_of(error)}); "
            "choose a folder that can be written"
        ) from None


def _ollama_api(name: str, url: str, resolved: ResolvedSettings) -> ProgramVersion:
    try:
        return identified(url, resolved.settings)
    except TargetError as error:
        raise TargetError(f"setting {name} (from {resolved.origins.get(name, 'default')}): {error}") from None
