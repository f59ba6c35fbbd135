"""Allure 3, which turns results into a page; it needs Node.js, no Java."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from support.programs.install import InstalledProgram, ReportProgress, find_or_install, install
from support.programs.node import NodeProgram, npm_command

SOURCE = Path(__file__).parent.parent / "reporting" / "allure3"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
GET_SECONDS = 300.0


class AllureProgram:
    """npm's `allure`, exactly as locked in support/reporting/allure3. The path is that of its `cli.js`."""

    name = "allure"
    purpose = "makes the HTML report"
    install_hint = "acceptance get allure"

    def find(self, cache: Path) -> InstalledProgram | None:
        """The installation that belongs to the present lock file."""
        program = _folder(cache) / "node_modules" / "allure" / "cli.js"
        manifest = program.with_name("package.json")
        if not program.is_file() or not manifest.is_file():
            return None
        return InstalledProgram(
            self.name, program, str(json.loads(manifest.read_bytes())["version"]), "cache"
        )

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:
        """Idempotent, Node.js included. Raises `ProgramUnavailable` with the output of npm."""
        folder = _folder(cache)

        def install_with_npm() -> None:
            node = NodeProgram().get(cache, report_progress)
            report_progress("getting Allure 3 (npm ci)")
            _install(folder, node)

        failure = f"npm succeeded, but there is no Allure in {folder}; remove that folder and repeat"
        return find_or_install(lambda: self.find(cache), folder, install_with_npm, failure)


def node_environment(node: InstalledProgram) -> dict[str, str]:
    """The environment for Node's programs: this Node first on the PATH, no user options, no telemetry."""
    env = {name: value for name, value in os.environ.items() if name not in ("NODE_OPTIONS", "NODE_PATH")}
    env["PATH"] = os.pathsep.join([str(node.path.parent), env.get("PATH", "")])
    env["ALLURE_NO_ANALYTICS"] = "true"
    env["NO_UPDATE_NOTIFIER"] = "1"
    return env


def _folder(cache: Path) -> Path:
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in LOCKED)).hexdigest()
    return cache / "allure" / digest[:16]


def _install(folder: Path, node: InstalledProgram) -> None:
    with tempfile.TemporaryDirectory(prefix=".allure-", dir=folder.parent) as name:
        place = Path(name) / "package"
        place.mkdir()
        for file in LOCKED:
            shutil.copy(SOURCE / file, place / file)
        command = [*npm_command(node), "ci", "--loglevel=error"]
        failure = "Allure could not be installed with npm"
        env = node_environment(node)
        install(failure, command, timeout=GET_SECONDS, env=env, cwd=place)
        shutil.rmtree(folder, ignore_errors=True)
        place.replace(folder)
