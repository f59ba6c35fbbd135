"""Prometheus with promtool: the user's own, else that of Debian's package, unpacked without root."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import (
    ExternalProgram,
    InstalledProgram,
    Origin,
    ReportProgress,
    install,
    printed_version,
    replacing,
)

PACKAGE = "prometheus"
DOWNLOAD_SECONDS = 300.0
UNPACK_SECONDS = 60.0
MINIMUM_MAJOR = 2


class PrometheusProgram(ExternalProgram):
    """Found on the PATH or in `<cache>/prometheus`; promtool lies beside it in both."""

    name = "prometheus"
    purpose = "the monitoring server; its promtool tests the alerts"
    install_hint = "acceptance get prometheus"
    unusable = "prometheus: the package was unpacked, but {folder}/usr/bin holds no program that runs"

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one on the PATH, else the one in the cache, each with its promtool."""
        on_path = shutil.which(self.name)
        candidates: list[tuple[Path, Origin]] = [(Path(on_path), "PATH")] if on_path else []
        candidates.append((self.folder(cache) / "usr" / "bin" / self.name, "cache"))
        for path, origin in candidates:
            if path.is_file() and promtool_of(path).is_file():
                version = printed_version(r"prometheus, version (\d\S*)", path, "--version")
                if version and int(version.partition(".")[0]) >= MINIMUM_MAJOR:
                    return InstalledProgram(self.name, path, version, origin)
        return None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Unpack Debian's or Ubuntu's package (19 MB); apt checks its signature."""
        missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
        if missing:
            raise ProgramUnavailable(
                f"prometheus: {' and '.join(missing)} not found; install Prometheus 2 or newer with promtool "
                "(https://prometheus.io/download, or `brew install prometheus`)"
            )
        report_progress(f"prometheus: fetching Debian's package {PACKAGE}")
        with tempfile.TemporaryDirectory() as downloads, replacing(folder) as new:
            failure = (
                f"prometheus: the package {PACKAGE} could not be fetched; run `apt-get update` as root first"
            )
            install(failure, ["apt-get", "download", PACKAGE], timeout=DOWNLOAD_SECONDS, cwd=Path(downloads))
            for package in Path(downloads).glob("*.deb"):
                unpack: list[str | Path] = ["dpkg-deb", "-x", package, new]
                install(f"prometheus: {package.name} could not be unpacked", unpack, timeout=UNPACK_SECONDS)


def promtool_of(prometheus: Path) -> Path:
    """The tool of the same package: checks and tests rules."""
    return prometheus.with_name("promtool")


PROMETHEUS = PrometheusProgram()
