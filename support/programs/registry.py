"""The external programs by their names."""

from __future__ import annotations

from support.programs.aider import AIDER, CECLI, CodingAssistant
from support.programs.allure import AllureProgram, NodeProgram
from support.programs.browser import Browser
from support.programs.grafana_components import GrafanaComponents
from support.programs.independent_suites import SUITES
from support.programs.install import ExternalProgram, ReportProgress
from support.programs.llama_cpp import LLAMA_CPP_PYTHON
from support.programs.mistralrs import MISTRALRS
from support.programs.ollama import OLLAMA
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS, PROMETHEUS_3
from support.programs.smollm2 import smollm2
from support.programs.system_program import GIT, TMUX
from support.settings import Settings

PROGRAMS: dict[str, ExternalProgram] = {
    "mistralrs": MISTRALRS,
    "ollama": OLLAMA,
    "llama-cpp-python": LLAMA_CPP_PYTHON,
    "allure": AllureProgram(),
    "node": NodeProgram(),
    "tmux": TMUX,
    "git": GIT,
    "aider": AIDER,
    "cecli": CECLI,
    "prometheus": PROMETHEUS,
    "prometheus-3": PROMETHEUS_3,
    "alertmanager": ALERTMANAGER,
    "grafana-components": GrafanaComponents(),
    "chromium": Browser(),
    **{suite.name: suite for suite in SUITES},
}


def get_program(name: str, settings: Settings, report_progress: ReportProgress) -> str:
    """Get a program (or the model `smollm2`) and describe it in one line.

    Raises `ProgramUnavailable`, or `SettingsError` for a version in the settings that is too old.
    """
    cache = settings.acceptance_cache_dir
    if name == "smollm2":
        return f"smollm2: {smollm2(cache).path}"
    program = PROGRAMS[name]
    if isinstance(program, CodingAssistant):
        program = program.chosen(settings)
    found = program.get(cache, report_progress)
    return f"{found.name} {found.version}: {found.path} ({found.origin})"
