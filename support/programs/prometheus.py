"""Prometheus with promtool, Alertmanager with amtool: the user's own, else Debian's without root."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.errors import ProgramUnavailable, SettingsError
from support.programs.install import (
    ExternalProgram,
    InstalledProgram,
    Origin,
    ReportProgress,
    install,
    printed_version,
    replacing,
)
from support.settings import Settings

DOWNLOAD_SECONDS = 300.0
UNPACK_SECONDS = 60.0
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
        self.unusable = (
            f"{self.name}: the package was unpacked, but {{folder}}/usr/bin holds no program that runs"
        )

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
        version = printed_version(rf"{self.name}, version (\d+\.\d\S*)", path, "--version")
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
