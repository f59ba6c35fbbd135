"""The real server, from its ordinary package (`cargo install mistralrs-cli --locked`)."""

from __future__ import annotations

from pathlib import Path

from support.programs.install import (
    EXECUTABLE_SUFFIX,
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    build,
    printed_version,
    require_tools,
)

CRATE = "mistralrs-cli"
MINIMUM_RUST = (1, 88)


class MistralRs(ExternalProgram):
    """Installs into `<cache>/mistralrs`; `find` looks only there (`support.servers.discovery`: the PATH)."""

    name = "mistralrs"
    purpose = "the real server under test"
    install_hint = "acceptance get mistralrs"
    unusable = "mistralrs: cargo reported success but {folder}/bin holds no program"

    def program(self, cache: Path) -> Path | None:
        """The installed program; it is not run."""
        path = self.folder(cache) / "bin" / f"mistralrs{EXECUTABLE_SUFFIX}"
        return path if path.is_file() else None

    def find(self, cache: Path) -> InstalledProgram | None:
        path = self.program(cache)
        if path is None:
            return None
        version = printed_version(r"(\d+\.\d+\.\d+\S*)", path, "--version") or "unknown"
        return InstalledProgram(self.name, path, version, "cache")

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Build it (about 15 minutes on 2 cores)."""
        oldest = ".".join(map(str, MINIMUM_RUST))
        advice = (
            f"install Rust {oldest} or newer (`rustup update stable`), cmake and a C++ compiler, or set "
            "MISTRALRS_BIN"
        )
        tools = ("cargo", "cmake", "c++")
        require_tools(self.name, tools, advice, "Rust", MINIMUM_RUST, "cargo", "--version")
        folder.mkdir(exist_ok=True)
        command = ["cargo", "install", CRATE, "--locked", "--root", str(folder)]
        build(self.name, command, folder, report_progress, minutes=15)


MISTRALRS = MistralRs()
