"""What this machine has of everything that a run may use, and how to get what is missing."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from support.errors import SettingsError, TargetError
from support.models.script import Script
from support.programs.aider import CodingAssistant
from support.programs.install import InstalledProgram, printed_version
from support.programs.mistralrs import MINIMUM_RUST
from support.programs.ollama import OLLAMA, OllamaProgram
from support.programs.prometheus import BuiltPrometheus, MonitoringProgram
from support.programs.registry import PROGRAMS
from support.programs.smollm2 import has_smollm2
from support.servers.discovery import UrlTarget, discover
from support.servers.ollama_backends import examined
from support.servers.served_model import identify_model
from support.settings import OLLAMA_API_CHOICES, Settings

TABLE = Path(__file__).with_name("doctor.toml")
# The longest name.
NAME_WIDTH = 19
# The real server built from source leaves this much room for models and reports.
MIN_FREE_BYTES = 2_000_000_000


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
        text = f"{state:<8} {self.name:<{NAME_WIDTH}} {self.found or '-'}  -- {self.purpose}"
        return text if self.available else f"{text}; {self.remedy}"


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one after the other: programs print their version, nothing is fetched."""
    cache, model = settings.acceptance_cache_dir, settings.user_model
    python = f"{platform.python_version()} {sys.executable}"
    yield _finding("python", python, available=(3, 11) <= sys.version_info[:2] <= (3, 13))
    yield _package("engine", "mistralrs")
    if settings.target_url is not None:
        yield _server(settings)
    if settings.ollama_api not in OLLAMA_API_CHOICES:
        yield _ollama_api(settings, settings.ollama_api)
    yield _mistralrs(settings)
    for name, part in PROGRAMS.items():
        if name == "ollama":
            yield _ollama(settings)
        elif isinstance(part, BuiltPrometheus):
            yield _located(part, settings, part.remedy)
        elif isinstance(part, CodingAssistant | MonitoringProgram):
            yield _located(part, settings, f"`{part.install_hint}`, or set {name.upper()}_BIN")
        elif name != "mistralrs":
            found_at = _place(part.find(cache))
            yield Finding(name, bool(found_at), found_at, part.purpose, f"`{part.install_hint}`")
    yield _finding("smollm2", str(cache / "models"), available=has_smollm2(cache))
    yield _finding("own model", "" if model is None else str(model[0] / (model[1] or "")))
    yield _package("langchain", "langchain-openai")
    for name in ("schemathesis", "locust"):
        yield _package(name, name)
    for name in ("cargo", "cmake", "c++"):
        yield _tool(name)
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    yield _finding("disk", f"{free / 1e9:.1f} GB free {cache}", available=free >= MIN_FREE_BYTES)
    yield _gpu()


def _finding(name: str, found: str, *, available: bool | None = None, remedy: str = "") -> Finding:
    """With its row of the table; available when something was found, if not given."""
    row = tomllib.loads(TABLE.read_text(encoding="utf-8"))[name]
    known = {"rust": ".".join(map(str, MINIMUM_RUST)), "free": f"{MIN_FREE_BYTES / 1e9:.0f}"}
    is_there = bool(found) if available is None else available
    remedy = remedy or row["remedy"].format(**known)
    return Finding(name, is_there, found, row["purpose"], remedy, row.get("required", False))


def _tool(name: str) -> Finding:
    """A tool that `acceptance get` takes: it has to run, and Rust has to be new enough."""
    path = shutil.which(name)
    printed = printed_version(r"(\d+(?:\.\d+)+)", path, "--version") if path else ""
    number = tuple(int(part) for part in printed.split(".")[:2] if part)
    usable = bool(printed) and (name != "cargo" or number >= MINIMUM_RUST)
    return _finding(name, f"{printed or '(prints no version)'} {path}" if path else "", available=usable)


def _package(name: str, package: str) -> Finding:
    try:
        return _finding(name, f"{version(package)} (Python package {package})")
    except PackageNotFoundError:
        return _finding(name, "")


def _mistralrs(settings: Settings) -> Finding:
    """The program that `--target real` would test."""
    try:
        target = discover(settings.model_copy(update={"acceptance_target": "real", "target_version": None}))
    except TargetError as error:
        # A program that was found and cannot be used has its own remedy.
        return _finding("mistralrs", "", remedy=str(error) if settings.mistralrs_bin is not None else "")
    return _finding("mistralrs", f"{target.label} {getattr(target, 'path', '')}")


def _server(settings: Settings) -> Finding:
    """The server at TARGET_URL, with the version that it states and the model that it serves."""
    try:
        target = discover(settings.model_copy(update={"acceptance_target": "auto"}))
    except TargetError as error:
        return _finding("server", "", remedy=str(error))
    assert isinstance(target, UrlTarget)
    target = identify_model(target, settings, Script.standard())
    failure = "".join(f"; {line}" for line in target.first_answer_failure.splitlines()[:1])
    return _finding("server", f"{target.label}{_model_of(target.other_answer)}{failure}")


def _ollama(settings: Settings) -> Finding:
    """The one that a run would compare with: a server that is there already, else a program."""
    if settings.ollama_url is not None:
        return replace(_ollama_api(settings, settings.ollama_url), name="ollama", purpose=OLLAMA.purpose)
    return _located(OLLAMA, settings, f"`{OLLAMA.install_hint}`, or set OLLAMA_URL")


def _ollama_api(settings: Settings, url: str) -> Finding:
    """A server of the Ollama API that was there before, as a run would use it."""
    try:
        found = examined(url, settings)
    except TargetError as error:
        return _finding("ollama api", "", remedy=str(error))
    return _finding("ollama api", f"{found.label}{_model_of(found.other_answer)}")


def _model_of(other_answer: str | None) -> str:
    """What a run skips on a server that gave the answer of another model."""
    return "" if other_answer is None else "; it serves another model than the suite's"


def _located(
    program: OllamaProgram | CodingAssistant | MonitoringProgram, settings: Settings, remedy: str
) -> Finding:
    """The one that a run would use."""
    try:
        found_at = _place(program.locate(settings))
    except SettingsError as error:
        found_at, remedy = "", str(error)
    return Finding(program.name, bool(found_at), found_at, program.purpose, remedy)


def _place(found: InstalledProgram | None) -> str:
    return "" if found is None else f"{found.version} {found.path} ({found.origin})"


def _gpu() -> Finding:
    import pynvml

    found_at = ""
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
        found_at = f"{name}, driver {pynvml.nvmlSystemGetDriverVersion()}"
    return _finding("gpu", found_at)
