"""Prometheus with promtool, Alertmanager with amtool: the user's own, else Debian's without root.

Debian has Prometheus 2.42; Prometheus 3 is built from its Go module. No other registry of packages has it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.errors import ProgramUnavailable, SettingsError
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    ExternalProgram,
    InstalledProgram,
    Origin,
    ReportProgress,
    build,
    install,
    printed_version,
    replacing,
    require_tools,
)
from support.settings import Settings

DOWNLOAD_SECONDS = 300.0
UNPACK_SECONDS = 60.0
# Its Go module has version 0.316.0 for release 3.16.0.
MODULE, MODULE_VERSION = "github.com/prometheus/prometheus", "v0.316.0"
PROMETHEUS_3_VERSION = "3.16.0"
MINIMUM_GO = (1, 26)
BUILD_MINUTES = 7
# Debian's Alertmanager reads its templates there, and does not start without them.
SHARED = "usr/share/prometheus/alertmanager"


@dataclass
class MonitoringProgram(ExternalProgram):
    """Found by its setting, on the PATH or in `<cache>/NAME`; its tool lies beside it in each of them.

    `programs`: the names of the program, as it is released and in the package. `tool`: checks what it reads.
    """

    name: str
    title: str
    purpose: str
    package: str
    programs: tuple[str, ...]
    tool: str
    minimum: tuple[int, int]
    size: str

    def __post_init__(self) -> None:
        self.install_hint = f"acceptance get {self.name}"
        self.unusable = f"{self.name}: it was installed, but {{folder}} holds no program that runs"

    @property
    def remedy(self) -> str:
        """How a user gets it."""
        return f"`{self.install_hint}` unpacks Debian's package ({self.size}), or set {self.name.upper()}_BIN"

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses, that of the setting first; raises `SettingsError` when that is none."""
        chosen: Path | None = getattr(settings, f"{self.name}_bin")
        if chosen is None:
            return self.find(settings.acceptance_cache_dir)
        found = self._examined(chosen.absolute(), "setting")
        if found is None:
            raise SettingsError(
                f"setting {self.name}_bin = {str(chosen)!r} is wrong: no {self.title} "
                f"{'.'.join(map(str, self.minimum))} or newer with {self.tool} beside it"
            )
        return found

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one on the PATH, else the one in the cache, each with its tool."""
        examined = (self._examined(path, origin) for path, origin in self._candidates(cache))
        return next(filter(None, examined), None)

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Unpack the package of Debian or Ubuntu; apt checks its signature."""
        missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
        if missing:
            oldest = ".".join(map(str, self.minimum)).removesuffix(".0")
            raise ProgramUnavailable(
                f"{self.name}: {' and '.join(missing)} not found; install {self.title} {oldest} or newer "
                f"with {self.tool} (https://prometheus.io/download, or `brew install {self.name}`)"
            )
        report_progress(f"{self.name}: fetching Debian's package {self.package} ({self.size})")
        with tempfile.TemporaryDirectory() as downloads, replacing(folder) as new:
            failure = (
                f"{self.name}: the package {self.package} could not be fetched; run `apt-get update` as root "
                "first"
            )
            command = ["apt-get", "download", self.package]
            install(failure, command, timeout=DOWNLOAD_SECONDS, cwd=Path(downloads))
            for package in Path(downloads).glob("*.deb"):
                unpack: list[str | Path] = ["dpkg-deb", "-x", package, new]
                install(f"{self.name}: {package.name} could not be unpacked", unpack, timeout=UNPACK_SECONDS)
            for name in self.programs:
                if (new / "usr" / "bin" / name).is_file():
                    _relocate(new / "usr" / "bin" / name)

    def command(self, found: InstalledProgram) -> list[str | Path]:
        """How it is started: one of the cache in the folder of its templates (see `_relocate`)."""
        shared = found.path.parents[2] / SHARED if found.origin == "cache" else None
        return ["env", "-C", shared, found.path] if shared and shared.is_dir() else [found.path]

    def tool_of(self, program: Path) -> Path:
        """The tool of the same package."""
        return program.with_name(self.tool)

    def _candidates(self, cache: Path) -> Iterator[tuple[Path, Origin]]:
        for name in self.programs:
            if (on_path := shutil.which(name)) is not None:
                yield Path(on_path), "PATH"
        for name in self.programs:
            yield self.folder(cache) / "usr" / "bin" / name, "cache"

    def _examined(self, path: Path, origin: Origin) -> InstalledProgram | None:
        """None when it is another program, too old, does not run, or has no tool beside it."""
        if not path.is_file() or not self.tool_of(path).is_file():
            return None
        version = printed_version(rf"{self.programs[0]}, version (\d+\.\d\S*)", path, "--version")
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if not version or numbers < self.minimum:
            return None
        return InstalledProgram(self.name, path, version, origin)


def _relocate(program: Path) -> None:
    """The copy in the cache looks for its templates in its working directory, not in a folder of the system.

    A path of the same length takes the place of the fixed one, as installers of relocatable packages do it.
    """
    content = program.read_bytes()
    fixed = f"/{SHARED}".encode()
    if fixed in content:
        program.write_bytes(content.replace(fixed, b".".ljust(len(fixed), b"/")))


class BuiltPrometheus(MonitoringProgram):
    """Prometheus 3: that of `prometheus_bin` or of the PATH where it is one, else built into the cache."""

    @property
    def remedy(self) -> str:
        """How a user gets it."""
        return (
            f"`{self.install_hint}` builds it with Go ({BUILD_MINUTES} minutes), or set PROMETHEUS_BIN to one"
        )

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses; a setting may well be an older one."""
        chosen = settings.prometheus_bin
        own = self._examined(chosen.absolute(), "setting") if chosen is not None else None
        return own or self.find(settings.acceptance_cache_dir)

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Build it; Go selects the same version of each dependency every time, and checks their sums."""
        advice = f"install Go {'.'.join(map(str, MINIMUM_GO))} or newer, or set PROMETHEUS_BIN"
        require_tools(self.name, ("go",), advice, "Go", MINIMUM_GO, "go", "version")
        folder.mkdir(parents=True, exist_ok=True)
        # Not in a workspace of the user.
        env = os.environ | {"GOWORK": "off"}
        if not (folder / "go.mod").is_file():
            made = ["go", "mod", "init", "acceptance/prometheus-3"]
            install(f"{self.name}: no Go module", made, timeout=UNPACK_SECONDS, env=env, cwd=folder)
        commands = [f"{MODULE}/cmd/{name}" for name in (*self.programs, self.tool)]
        # `go install PACKAGE@VERSION` is refused by a module that replaces others.
        fetched = ["go", "get", "-tool", *(f"{command}@{MODULE_VERSION}" for command in commands)]
        build(self.name, fetched, folder, report_progress, minutes=2, env=env)
        # The linker sets the version; without discovery in clouds it is half as large.
        linked = f"-s -w -X github.com/prometheus/common/version.Version={PROMETHEUS_3_VERSION}"
        flags = ["-v", "-tags", "remove_all_sd", "-ldflags", linked, "-o", f"{folder / 'bin'}{os.sep}"]
        build(self.name, ["go", "build", *flags, *commands], folder, report_progress, BUILD_MINUTES, env)

    def _candidates(self, cache: Path) -> Iterator[tuple[Path, Origin]]:
        if (on_path := shutil.which(self.programs[0])) is not None:
            yield Path(on_path), "PATH"
        yield self.folder(cache) / "bin" / f"{self.programs[0]}{EXECUTABLE_SUFFIX}", "cache"


PROMETHEUS = MonitoringProgram(
    "prometheus",
    "Prometheus",
    "scrapes the server and evaluates the alerts, for @needs.prometheus; its promtool tests the alerts",
    "prometheus",
    ("prometheus",),
    "promtool",
    minimum=(2, 0),
    size="19 MB",
)
PROMETHEUS_3 = BuiltPrometheus(
    "prometheus-3",
    "Prometheus 3",
    "the next generation, for @needs.prometheus_3",
    MODULE,
    ("prometheus",),
    "promtool",
    minimum=(3, 0),
    size="",
)
ALERTMANAGER = MonitoringProgram(
    "alertmanager",
    "Alertmanager",
    "delivers, silences and inhibits the alerts, for @needs.prometheus",
    "prometheus-alertmanager",
    ("alertmanager", "prometheus-alertmanager"),
    "amtool",
    minimum=(0, 22),
    size="11 MB",
)


def promtool_of(prometheus: Path) -> Path:
    """The tool of the same package: checks and tests rules."""
    return PROMETHEUS.tool_of(prometheus)
