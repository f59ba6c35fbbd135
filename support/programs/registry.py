"""The external programs by their names."""

from __future__ import annotations

from pathlib import Path

from support.programs.aider import AIDER
from support.programs.allure import AllureProgram, NodeProgram
from support.programs.install import ExternalProgram, ReportProgress
from support.programs.mistralrs import MISTRALRS
from support.programs.ollama import OLLAMA
from support.programs.smollm2 import smollm2
from support.programs.system_program import GIT, TMUX

PROGRAMS: dict[str, ExternalProgram] = {
    "mistralrs": MISTRALRS,
    "ollama": OLLAMA,
    "allure": AllureProgram(),
    "node": NodeProgram(),
    "tmux": TMUX,
    "git": GIT,
    "aider": AIDER,
}


def get_program(
    name: str, cache: Path, report_progress: ReportProgress, aider_version: str | None = None
) -> str:
    """Get a program (or the model `smollm2`) and describe it in one line.

    Raises `ProgramUnavailable`, or `SettingsError` for an `aider_version` that is too old.
    """
    if name == "smollm2":
        return f"smollm2: {smollm2(cache).path}"
    program = AIDER.with_version(aider_version) if name == AIDER.name else PROGRAMS[name]
    found = program.get(cache, report_progress)
    return f"{found.name} {found.version}: {found.path} ({found.origin})"
