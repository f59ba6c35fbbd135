"""What this machine has of everything that a run may use, and how to get what is missing."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from support.errors import SettingsError, TargetError
from support.programs.install import InstalledProgram
from support.programs.mistralrs import MINIMUM_RUST
from support.programs.ollama import OLLAMA
from support.programs.registry import PROGRAMS
from support.programs.smollm2 import has_smollm2
from support.servers.discovery import discover
from support.settings import Settings, redact_url

COMMAND_SECONDS = 20.0
# The real server built from source leaves this much room for models and reports.
MIN_FREE_BYTES = 2_000_000_000
_RUST = ".".join(map(str, MINIMUM_RUST))


@dataclass(frozen=True)
class Finding:
    """One item: what was found (version, place), its purpose, how to install it. `required`: by every run."""

    name: str
    available: bool
    found: str
    purpose: str
    remedy: str
    required: bool = False

    def line(self) -> str:
        """`ok|missing  name  version and place  -- purpose`, with the remedy when it is missing."""
        state = "ok" if self.available else "missing"
        text = f"{state:<8} {self.name:<10} {self.found or '-'}  -- {self.purpose}"
        return text if self.available else f"{text}; {self.remedy}"


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one after the other: programs print their version, nothing is fetched."""
    cache = settings.acceptance_cache_dir
    found = sys.version_info[:2]
    yield Finding(
        "python",
        (3, 11) <= found <= (3, 13),
        f"{platform.python_version()} {sys.executable}",
        "runs the suite",
        "install Python 3.11, 3.12 or 3.13, then `python3 tools/setup.py`",
        required=True,
    )
    yield _engine()
    yield _mistralrs(settings)
    for name, part in PROGRAMS.items():
        if name == "ollama":
            yield _ollama(settings)
        elif name != "mistralrs":
            found_at = _place(part.find(cache))
            yield Finding(name, bool(found_at), found_at, part.purpose, f"`{part.install_hint}`")
    yield Finding(
        "smollm2",
        has_smollm2(cache),
        str(cache / "models"),
        "a small trained model, for @needs.smollm2",
        "`acceptance get smollm2`",
    )
    model = settings.user_model
    yield Finding(
        "own model",
        model is not None,
        "" if model is None else str(model[0] / (model[1] or "")),
        "your own model, for @needs.own_model",
        "`acceptance run --model PATH`",
    )
    yield _tool("cargo", f"install Rust {_RUST} or newer (https://rustup.rs)")
    yield _tool("cmake", "install the package cmake of your system")
    yield _tool("c++", "install a C++ compiler, such as the package g++ of your system")
    yield _disk(cache)
    yield _gpu()


def _engine() -> Finding:
    try:
        found_at = version("mistralrs")
    except PackageNotFoundError:
        found_at = ""
    return Finding(
        "engine",
        bool(found_at),
        f"{found_at} (Python package mistralrs)" if found_at else "",
        "verifies the suite's models and runs the reference server",
        "`python3 tools/setup.py` (Linux x86-64, macOS, Windows)",
        required=True,
    )


def _mistralrs(settings: Settings) -> Finding:
    """The program that `--target real` would test."""
    purpose, remedy = "the real server under test", "`acceptance get mistralrs`"
    try:
        target = discover(settings.model_copy(update={"acceptance_target": "real"}))
    except TargetError as error:
        # A program that was found and cannot be used has its own remedy.
        wrong = settings.mistralrs_bin is not None
        return Finding("mistralrs", False, "", purpose, str(error) if wrong else remedy)
    return Finding("mistralrs", True, f"{target.label} {getattr(target, 'path', '')}", purpose, remedy)


def _ollama(settings: Settings) -> Finding:
    """The one that a run would compare with: a server that is there already, else a program."""
    remedy = f"`{OLLAMA.install_hint}`, or set OLLAMA_URL"
    if settings.ollama_url is not None:
        return Finding("ollama", True, redact_url(settings.ollama_url), OLLAMA.purpose, remedy)
    try:
        found_at = _place(OLLAMA.locate(settings))
    except SettingsError as error:
        return Finding("ollama", False, "", OLLAMA.purpose, str(error))
    return Finding("ollama", bool(found_at), found_at, OLLAMA.purpose, remedy)


def _place(found: InstalledProgram | None) -> str:
    return "" if found is None else f"{found.version} {found.path} ({found.origin})"


def _tool(name: str, remedy: str) -> Finding:
    path = shutil.which(name)
    found_at = "" if path is None else f"{_version(path)} {path}"
    return Finding(name, path is not None, found_at, "builds mistralrs (`acceptance get mistralrs`)", remedy)


def _disk(cache: Path) -> Finding:
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return Finding(
        "disk",
        free >= MIN_FREE_BYTES,
        f"{free / 1e9:.1f} GB free {cache}",
        "the cache of programs and models",
        f"free {MIN_FREE_BYTES / 1e9:.0f} GB, or move it with ACCEPTANCE_CACHE_DIR",
    )


def _gpu() -> Finding:
    import pynvml

    found_at = ""
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
        found_at = f"{name}, driver {pynvml.nvmlSystemGetDriverVersion()}"
    return Finding(
        "gpu",
        bool(found_at),
        found_at,
        "speed and memory on a GPU",
        "not installable by a command: an NVIDIA card with its driver (`nvidia-smi` lists it)",
    )


def _version(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "(no version)"
    match = re.search(r"\d+(\.\d+)+", done.stdout)
    return match[0] if match else "(no version)"
