"""A real Ollama: the user's own, else one built by the ordinary `go install`.

What a release needs beside Go and g++ is told in Ollama's own docs/development.md; that the module lacks the
headers below comes from Go, which leaves folders named `vendor` out of a module (golang.org/ref/mod).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from support.errors import ProgramUnavailable, SettingsError
from support.programs.child_environment import BLACKHOLE_PROXY, child_environment
from support.programs.install import build
from support.programs.process import CommandTimeout, run_command
from support.programs.program import InstalledProgram, Origin, ReportProgress
from support.programs.run_directory import temp_prefix
from support.settings import Settings

MODULE = "github.com/ollama/ollama"
# The last series with an engine of its own that go builds alone: later ones start a separate llama-server.
VERSION = "0.17.4"
MINIMUM_GO = (1, 24)
_GO = ".".join(map(str, MINIMUM_GO))
# From Debian's nlohmann-json3-dev and libstb-dev, or the packages of those names elsewhere.
HEADERS = {"nlohmann/json.hpp": "nlohmann-json3-dev", "stb/stb_image.h": "libstb-dev"}
# This Go module has the third one, miniaudio.h, in its root.
MINIAUDIO = "github.com/gen2brain/malgo@v0.11.24"
BUILD_SECONDS = 3600.0
DOWNLOAD_SECONDS = 120.0
VERSION_SECONDS = 10.0
_SUFFIX = ".exe" if os.name == "nt" else ""
_VERSION_OUTPUT = re.compile(r"version is (\S+)")


class OllamaProgram:
    """Found by OLLAMA_BIN (`locate`), on the PATH or in `<cache>/ollama`; got into the latter."""

    name = "ollama"
    purpose = "the real Ollama, for comparison and as a server of its own API"
    install_hint = "acceptance get ollama"

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
        return _installed_version(_program(cache), "cache")

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:
        """Build it when there is none (5 minutes on 2 cores); raises `PartUnavailable`."""
        found = self.find(cache)
        if found is not None:
            return found
        root = cache / "ollama"
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "ollama.lock"):
            found = self.find(cache)
            if found is None:
                _install(root, report_progress)
                found = self.find(cache)
        if found is None:
            raise ProgramUnavailable(f"ollama: go reported success but {root}/bin holds no program that runs")
        return found


def _program(cache: Path) -> Path:
    return cache / "ollama" / "bin" / f"ollama{_SUFFIX}"


def _installed_version(path: Path, origin: Origin) -> InstalledProgram | None:
    """The program with the version that it tells; None when it is none or does not run."""
    if not path.is_file() or not os.access(path, os.X_OK):
        return None
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as name:
        folder = Path(name)
        # It would ask a server for its version first: at the closed port of that environment there is none.
        env = child_environment(folder, OLLAMA_HOST=BLACKHOLE_PROXY)
        try:
            said = run_command([path.absolute(), "--version"], within=VERSION_SECONDS, folder=folder, env=env)
        except (CommandTimeout, OSError):
            return None
    match = _VERSION_OUTPUT.search(said.stdout + said.stderr)
    return InstalledProgram("ollama", path.absolute(), match[1], origin) if match else None


def _install(root: Path, report_progress: ReportProgress) -> None:
    _check_tools()
    include = root / "include"
    _get_miniaudio(include)
    flags = f"-O2 -I{include}"
    env = os.environ | {
        "CGO_ENABLED": "1",
        "GOBIN": str(root / "bin"),
        "CGO_CFLAGS": flags,
        "CGO_CXXFLAGS": flags,
    }
    # A release is told its version by the linker; without it calls itself 0.0.0.
    linked = f"-s -w -X={MODULE}/version.Version={VERSION}"
    log = root / "install.log"
    report_progress(f"ollama: go install {MODULE}@v{VERSION} (about 5 minutes on 2 cores; log: {log})")
    command = ["go", "install", "-v", "-ldflags", linked, f"{MODULE}@v{VERSION}"]
    # Elsewhere than in a Go module, whose go.mod would be asked.
    build(
        "ollama", command, log=log, report_progress=report_progress, timeout=BUILD_SECONDS, env=env, cwd=root
    )


def _check_tools() -> None:
    """Everything that is missing, at once."""
    missing = [tool for tool in ("go", "g++") if shutil.which(tool) is None]
    if missing:
        raise ProgramUnavailable(
            f"ollama: {', '.join(missing)} not found; install Go {_GO} or newer and g++, or set OLLAMA_BIN"
        )
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"go(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_GO:
        raise ProgramUnavailable(
            f"ollama: needs Go {_GO} or newer, found {said.strip()!r}; or set OLLAMA_BIN"
        )
    lacking = [package for header, package in HEADERS.items() if not _has_header(header)]
    if lacking:
        raise ProgramUnavailable(
            f"ollama: C++ headers not found; install the packages {', '.join(lacking)}, or set OLLAMA_BIN"
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
    """Puts miniaudio/miniaudio.h into the folder; raises `PartUnavailable` with what go said."""
    header = include / "miniaudio" / "miniaudio.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "mod", "download", "-json", MINIAUDIO]
    try:
        with tempfile.TemporaryDirectory(prefix=temp_prefix()) as name:
            folder = Path(name)
            outcome = run_command(command, within=DOWNLOAD_SECONDS, folder=folder, cwd=folder, env=os.environ)
        shutil.copyfile(Path(json.loads(outcome.stdout)["Dir"]) / "miniaudio.h", header)
    except (CommandTimeout, OSError, ValueError, KeyError) as error:
        raise ProgramUnavailable(f"ollama: no header from the Go module {MINIAUDIO}: {error}") from None


OLLAMA = OllamaProgram()
