"""The real server, from its ordinary package (`cargo install mistralrs-cli --locked`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
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
# Of release 0.8.1.
ABOUT_CRATES = 530


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
        """Build it (18 to 28 minutes on 2 cores). After an interruption the next call continues."""
        oldest = ".".join(map(str, MINIMUM_RUST))
        advice = (
            f"install Rust {oldest} or newer (`rustup update stable`), cmake and a C++ compiler, or set "
            "MISTRALRS_BIN"
        )
        tools = ("cargo", "cmake", "c++")
        require_tools(self.name, tools, advice, "Rust", MINIMUM_RUST, "cargo", "--version")
        # Cargo's own choice is a temporary folder: an interruption would lose what was compiled.
        target = folder / "target"
        target.mkdir(parents=True, exist_ok=True)
        earlier = _compiled_before(folder / "install.log", target / "compiled.txt")

        def progress_of(lines: Sequence[str]) -> str:
            return f"crate {len(earlier | _compiled(lines))} of about {ABOUT_CRATES}"

        command = ["cargo", "install", CRATE, "--locked", "--root", str(folder), "--target-dir", str(target)]
        if earlier:
            report_progress(f"{self.name}: continues an earlier build of {progress_of(())}")
        build(self.name, command, folder, report_progress, minutes=15, progress_of=progress_of)
        shutil.rmtree(target, ignore_errors=True)


def _compiled(lines: Iterable[str]) -> set[str]:
    """`serde v1.0.228` for each crate that cargo has started to compile."""
    return {
        line.split("Compiling ", 1)[1].strip() for line in lines if line.lstrip().startswith("Compiling ")
    }


def _compiled_before(log: Path, kept: Path) -> set[str]:
    """The crates of interrupted builds: cargo names each once, and the next log replaces theirs."""
    files = [file.read_text(errors="replace") for file in (kept, log) if file.is_file()]
    found = _compiled("\n".join(files).splitlines())
    kept.write_text("".join(f"Compiling {crate}\n" for crate in sorted(found)))
    return found


MISTRALRS = MistralRs()
