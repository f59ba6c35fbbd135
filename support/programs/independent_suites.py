"""Test suites that others have written: where they are installed, each in a fixed version.

SDKs of OpenAI and Anthropic have their tests in the source distribution only (PyPI), Ollama's integration
tests are a package of its Go module, the conformance suite of the Model Context Protocol is a package of npm.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.allure import NodeProgram, node_environment, npm_command
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    SCRIPTS_FOLDER,
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    install,
    last_words,
    replacing,
    require_tools,
    require_uv,
    wheel_installer,
)
from support.programs.ollama import MINIMUM_GO, MODULE, VERSION
from support.programs.process import CommandTimeout, run_command

INSTALL_SECONDS = 600.0
DOWNLOAD_SECONDS = 300.0
# Where a suite is in its folder.
ENVIRONMENT, SOURCE = "environment", "source"
DEPENDENCIES = Path(__file__).with_name("dependencies")
LOCK = Path(__file__).parent.parent / "independent" / "mcp_conformance"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
# The suite uses `fs.globSync`.
CONFORMANCE_NODE = NodeProgram(minimum=22)


class IndependentSuite(ExternalProgram):
    """A suite in `<cache>/<name>/<version>`. `title`: its name in a sentence."""

    unusable = "the installer succeeded, but there are no tests in {folder}; remove that folder and repeat"

    def __init__(self, name: str, version: str, title: str, size: str) -> None:
        self.name = name
        self.version = version
        self.title = title
        self.purpose = f"{title}, for @needs.{name.replace('-', '_')}"
        self.install_hint = f"acceptance get {name}"
        self._size = size

    @property
    def remedy(self) -> str:
        """How to get it, where it is missing."""
        return f"`{self.install_hint}` installs them ({self._size})"

    def folder(self, cache: Path) -> Path:
        return cache / self.name / self.version

    def entry(self, folder: Path) -> Path:
        """The file without which it is not installed."""
        raise NotImplementedError

    def find(self, cache: Path) -> InstalledProgram | None:
        """The pinned version in the cache; `path` is its `entry`."""
        entry = self.entry(self.folder(cache))
        return InstalledProgram(self.name, entry, self.version, "cache") if entry.is_file() else None


class SdkTests(IndependentSuite):
    """The tests of a Python SDK: its source distribution beside an environment with their dependencies."""

    def __init__(self, package: str, version: str, title: str) -> None:
        super().__init__(f"{package}-tests", version, title, "90 MB")
        self._package = package

    @property
    def dependencies(self) -> Path:
        """The file with the versions of the SDK, of pytest and of all that they need."""
        return DEPENDENCIES / f"{self.name}-{self.version}.txt"

    def folder(self, cache: Path) -> Path:
        """Another one for other dependencies."""
        digest = hashlib.sha256(self.dependencies.read_bytes()).hexdigest()[:8]
        return cache / self.name / f"{self.version}-{digest}"

    def entry(self, folder: Path) -> Path:
        return folder / SOURCE / "tests" / "conftest.py"

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        uv = require_uv(self.name)
        report_progress(f"getting the tests of {self._package} {self.version} (source distribution, pytest)")
        failure = f"{self.name} {self.version} could not be installed"
        with replacing(folder) as new:
            environment = new / ENVIRONMENT
            made = [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(environment)]
            install(failure, made, timeout=INSTALL_SECONDS)
            pinned = ["--python", str(environment), "--requirements", str(self.dependencies)]
            install(failure, [uv, "pip", "install", "--quiet", *pinned], timeout=INSTALL_SECONDS)
            sdist = ["--no-deps", "--no-binary", ":all:", f"{self._package}=={self.version}"]
            # uv downloads no source distributions.
            python = environment / SCRIPTS_FOLDER / f"python{EXECUTABLE_SUFFIX}"
            quiet = ["--quiet", "--disable-pip-version-check", "--dest", str(new)]
            install(failure, [python, "-m", "pip", "download", *quiet, *sdist], timeout=DOWNLOAD_SECONDS)
            archive = new / f"{self._package}-{self.version}.tar.gz"
            with tarfile.open(archive) as opened:
                opened.extractall(new, filter="data")
            (new / f"{self._package}-{self.version}").rename(new / SOURCE)
            archive.unlink()


class McpConformance(IndependentSuite):
    """npm's `@modelcontextprotocol/conformance`, exactly as locked; the entry is its program."""

    def find(self, cache: Path) -> InstalledProgram | None:
        """Together with a new enough Node.js."""
        return super().find(cache) if CONFORMANCE_NODE.find(cache) is not None else None

    def entry(self, folder: Path) -> Path:
        return folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With a new enough Node.js, if that is missing."""
        node = CONFORMANCE_NODE.get(folder.parents[1], report_progress)
        report_progress(f"getting {self.title} {self.version} (npm ci)")
        with replacing(folder) as new:
            new.mkdir()
            for file in LOCKED:
                shutil.copy(LOCK / file, new / file)
            command = [*npm_command(node), "ci", "--loglevel=error"]
            failure = f"{self.name} could not be installed with npm"
            install(failure, command, timeout=INSTALL_SECONDS, env=node_environment(node), cwd=new)


class OpenResponsesTypes(IndependentSuite):
    """The types of PyPI's `openresponses-types`: its wheel, unpacked."""

    def entry(self, folder: Path) -> Path:
        return folder / "openresponses_types" / "__init__.py"

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        package = f"{self.name}=={self.version}"
        report_progress(f"getting {package}")
        with replacing(folder) as new:
            failure = f"{package} could not be installed"
            install(failure, wheel_installer(package, new), timeout=DOWNLOAD_SECONDS)


class OllamaTests(IndependentSuite):
    """The integration tests of Ollama's Go module as a program, with the texts that they send."""

    def entry(self, folder: Path) -> Path:
        return folder / f"integration.test{EXECUTABLE_SUFFIX}"

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        advice = f"install Go {'.'.join(map(str, MINIMUM_GO))} or newer"
        require_tools(self.name, ("go",), advice, "Go", MINIMUM_GO, "go", "version")
        report_progress(f"building {self.title} {self.version} (go test -c, half a minute)")
        failure = f"{self.name} {self.version} could not be built"
        with replacing(folder) as new:
            new.mkdir()
            module = _module(f"{MODULE}@v{self.version}", new, failure)
            build = ["go", "test", "-c", "-tags=integration", "-o", str(self.entry(new)), "./integration"]
            install(failure, build, timeout=INSTALL_SECONDS, env=os.environ, cwd=module)
            shutil.copytree(module / "integration" / "testdata", new / "testdata", dirs_exist_ok=True)


def _module(module: str, folder: Path, failure: str) -> Path:
    """The folder of a Go module, downloaded if that is missing; raises `ProgramUnavailable`."""
    command = ["go", "mod", "download", "-json", module]
    try:
        # Not in a Go module, whose go.mod would be read.
        done = run_command(command, within=DOWNLOAD_SECONDS, cwd=folder, env=os.environ)
    except (CommandTimeout, OSError) as error:
        raise ProgramUnavailable(f"{failure}: {error}") from None
    try:
        found = json.loads(done.stdout)
        if done.exit_code == 0:
            return Path(found["Dir"])
        # Of a module; stderr has errors of the command line and of the environment.
        problem = found["Error"]
    except (ValueError, KeyError):
        problem = done.stderr or done.stdout
    raise ProgramUnavailable(f"{failure}: no Go module {module}: {last_words(problem)}")


OPENAI_TESTS = SdkTests("openai", "3.57.0", "the tests of OpenAI's Python SDK")
ANTHROPIC_TESTS = SdkTests("anthropic", "2.14.0", "the tests of Anthropic's Python SDK")
MCP_CONFORMANCE = McpConformance(
    "mcp-conformance", "0.2.0-alpha.12", "the conformance tests of the Model Context Protocol", "50 MB"
)
OPEN_RESPONSES = OpenResponsesTypes("openresponses-types", "2.4.0", "the types of Open Responses", "1 MB")
OLLAMA_TESTS = OllamaTests("ollama-tests", VERSION, "Ollama's integration tests", "15 MB")
SUITES = (MCP_CONFORMANCE, OPENAI_TESTS, ANTHROPIC_TESTS, OPEN_RESPONSES, OLLAMA_TESTS)
