"""A real Ollama: the user's own, else one built by the ordinary `go install`.

Ollama's docs/development.md lists what a release needs beside Go and g++. The module lacks the headers below
because Go leaves folders named `vendor` out of a module (golang.org/ref/mod).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from support.errors import ProgramUnavailable, SettingsError
from support.programs.child_environment import BLACKHOLE_PROXY, child_environment
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    ExternalProgram,
    InstalledProgram,
    Origin,
    ReportProgress,
    build,
    printed_version,
    require_tools,
)
from support.programs.process import CommandTimeout, run_command
from support.settings import Settings

MODULE = "github.com/ollama/ollama"
# The last series with an engine of its own that go builds alone: later ones start a separate llama-server.
VERSION = "0.17.4"
MINIMUM_GO = (1, 24)
# From Debian's nlohmann-json3-dev and libstb-dev, or the packages of those names elsewhere.
HEADERS = {"nlohmann/json.hpp": "nlohmann-json3-dev", "stb/stb_image.h": "libstb-dev"}
# This Go module has the third one, miniaudio.h, in its root.
MINIAUDIO = "github.com/gen2brain/malgo@v0.11.24"
DOWNLOAD_SECONDS = 120.0


class OllamaProgram(ExternalProgram):
    """Found by OLLAMA_BIN (`locate`), on the PATH or in `<cache>/ollama`; got into the latter."""

    name = "ollama"
    purpose = "the real Ollama, for comparison and as a server of its own API"
    install_hint = "acceptance get ollama"
    unusable = "ollama: go reported success but {folder}/bin holds no program that runs"

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses, OLLAMA_BIN first; raises `SettingsError` when that is none."""
        chosen = settings.ollama_bin
        if chosen is None:
            return self.find(settings.acceptance_cache_dir)
        found = _installed_version(chosen, "setting")
        if found is None:
            raise SettingsError(
                f"setting ollama_bin = {str(chosen)!r} is wrong: no Ollama that runs; "
                "give the path of an ollama program"
            )
        return found

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one on the PATH, else the one in the cache."""
        on_path = shutil.which("ollama")
        if on_path and (found := _installed_version(Path(on_path), "PATH")) is not None:
            return found
        return _installed_version(self.folder(cache) / "bin" / f"ollama{EXECUTABLE_SUFFIX}", "cache")

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Build it (5 minutes on 2 cores)."""
        _check_tools()
        include = folder / "include"
        _get_miniaudio(include)
        flags = f"-O2 -I{include}"
        env = os.environ | {
            "CGO_ENABLED": "1",
            "GOBIN": str(folder / "bin"),
            "CGO_CFLAGS": flags,
            "CGO_CXXFLAGS": flags,
        }
        # The linker sets the version; without it the program reports 0.0.0.
        linked = f"-s -w -X={MODULE}/version.Version={VERSION}"
        command = ["go", "install", "-v", "-ldflags", linked, f"{MODULE}@v{VERSION}"]
        # Not in a Go module, whose go.mod would be read.
        build("ollama", command, folder, report_progress, minutes=5, env=env)


def _installed_version(path: Path, origin: Origin) -> InstalledProgram | None:
    """The program with its version; None when it is no Ollama or does not run."""
    if not path.is_file() or not os.access(path, os.X_OK):
        return None
    # It requests the version of a server first: nothing listens on the port of this variable.
    version = printed_version(
        r"version is (\S+)",
        path.absolute(),
        "--version",
        environment=lambda home: child_environment(home, OLLAMA_HOST=BLACKHOLE_PROXY),
    )
    return InstalledProgram("ollama", path.absolute(), version, origin) if version else None


def _check_tools() -> None:
    """Raises `ProgramUnavailable` with everything that is missing."""
    advice = f"install Go {'.'.join(map(str, MINIMUM_GO))} or newer and g++, or set OLLAMA_BIN"
    require_tools("ollama", ("go", "g++"), advice, "Go", MINIMUM_GO, "go", "version")
    missing = [package for header, package in HEADERS.items() if not _has_header(header)]
    if missing:
        raise ProgramUnavailable(
            f"ollama: C++ headers not found; install the packages {', '.join(missing)}, or set OLLAMA_BIN"
        )


def _has_header(name: str) -> bool:
    """Whether the compiler finds it."""
    source = f"#if !__has_include(<{name}>)\n#error missing\n#endif\n"
    tried = subprocess.run(
        ["g++", "-E", "-x", "c++", "-", "-o", os.devnull],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.returncode == 0


def _get_miniaudio(include: Path) -> None:
    """Puts miniaudio/miniaudio.h into the folder; raises `ProgramUnavailable`."""
    header = include / "miniaudio" / "miniaudio.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "mod", "download", "-json", MINIAUDIO]
    try:
        # Not in a Go module, whose go.mod would be read.
        outcome = run_command(command, within=DOWNLOAD_SECONDS, cwd=include, env=os.environ)
        shutil.copyfile(Path(json.loads(outcome.stdout)["Dir"]) / "miniaudio.h", header)
    except (CommandTimeout, OSError, ValueError, KeyError) as error:
        raise ProgramUnavailable(f"ollama: no header from the Go module {MINIAUDIO}: {error}") from None


OLLAMA = OllamaProgram()
