"""The real server, from its ordinary package (`cargo install mistralrs-cli --locked`)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from support.errors import ProgramUnavailable
from support.programs.install import build
from support.programs.process import CommandTimeout, run_command
from support.programs.program import InstalledProgram, ReportProgress
from support.programs.run_directory import temp_prefix

CRATE = "mistralrs-cli"
MINIMUM_RUST = (1, 88)
_RUST = ".".join(map(str, MINIMUM_RUST))
BUILD_SECONDS = 3600.0
VERSION_SECONDS = 10.0
_SUFFIX = ".exe" if os.name == "nt" else ""


class MistralRs:
    """Installs into `<cache>/mistralrs`; `find` looks only there (the PATH is the target's business)."""

    name = "mistralrs"
    purpose = "the real server under test"
    install_hint = "acceptance get mistralrs"

    def program(self, cache: Path) -> Path | None:
        """The installed program, not asked for anything yet."""
        path = cache / "mistralrs" / "bin" / f"mistralrs{_SUFFIX}"
        return path if path.is_file() else None

    def find(self, cache: Path) -> InstalledProgram | None:
        path = self.program(cache)
        return None if path is None else InstalledProgram(self.name, path, self._version(path), "cache")

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:
        """Build it when it is not there (about 15 minutes on 2 cores); raises `PartUnavailable`."""
        root = cache / "mistralrs"
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "mistralrs.lock"):
            found = self.find(cache)
            if found is None:
                self._install(root, report_progress)
                found = self.find(cache)
        if found is None:
            raise ProgramUnavailable(f"mistralrs: cargo reported success but {root}/bin holds no program")
        return found

    def _install(self, root: Path, report_progress: ReportProgress) -> None:
        cargo = self._cargo()
        log = root / "install.log"
        report_progress(
            f"mistralrs: cargo install {CRATE} --locked (about 15 minutes on 2 cores; log: {log})"
        )
        command: list[str | Path] = [cargo, "install", CRATE, "--locked", "--root", root]
        build(self.name, command, log=log, report_progress=report_progress, timeout=BUILD_SECONDS)

    @staticmethod
    def _cargo() -> str:
        """The cargo to use; says everything that is missing at once."""
        missing = [tool for tool in ("cargo", "cmake", "c++") if shutil.which(tool) is None]
        if missing:
            raise ProgramUnavailable(
                f"mistralrs: {', '.join(missing)} not found; install Rust {_RUST} "
                "or newer (rustup), cmake and a C++ compiler, or set MISTRALRS_BIN"
            )
        said = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=False).stdout
        match = re.search(r"(\d+)\.(\d+)", said)
        if match is None or (int(match[1]), int(match[2])) < MINIMUM_RUST:
            raise ProgramUnavailable(
                f"mistralrs: needs Rust {_RUST} or newer, found {said.strip()!r}; "
                "run `rustup update stable`, or set MISTRALRS_BIN"
            )
        return "cargo"

    @staticmethod
    def _version(path: Path) -> str:
        with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
            try:
                said = run_command([path, "--version"], within=VERSION_SECONDS, folder=Path(folder))
            except (CommandTimeout, OSError):
                return "unknown"
        return said.stdout.strip().rpartition(" ")[2] or "unknown"


MISTRALRS = MistralRs()
