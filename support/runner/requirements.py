"""What scenarios cannot run without (`@needs.*`), and what to do when it is missing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from support.errors import ProgramUnavailable
from support.programs.aider import AIDER
from support.programs.install import InstalledProgram, ReportProgress
from support.programs.ollama import OLLAMA
from support.programs.smollm2 import has_smollm2
from support.programs.system_program import GIT, TMUX
from support.results.behave_types import BehaveScenario
from support.results.outcome import NEEDS_PROGRAM, TARGET_IS_URL
from support.servers.capabilities import unmet_capability
from support.servers.discovery import CommandTarget, Target, UrlTarget, discover
from support.servers.ollama_backends import NEEDS_OLLAMA_API, missing_ollama
from support.settings import ResolvedSettings, Settings

SCRIPTED_MODEL = "needs.scripted_model"
NEEDS_AIDER = "needs.aider"
NEEDS_AIDER_MODEL = "needs.aider_model"
NEEDS_LANGCHAIN, NEEDS_SCHEMATHESIS = "needs.langchain", "needs.schemathesis"


# The start of the step that names the server of the Ollama API under test.
OLLAMA_API_SERVER = "an Ollama API server with "


def find_target(scenarios: Iterable[BehaveScenario], resolved: ResolvedSettings) -> Target:
    """The target, at a URL with the model that it serves if a scenario depends on that.

    Raises `TargetError` in one line.
    """
    target = discover(resolved.settings, resolved.origins)
    needed = any({SCRIPTED_MODEL, NEEDS_OLLAMA_API} & {*scenario.effective_tags} for scenario in scenarios)
    if not needed or not isinstance(target, UrlTarget):
        return target
    # Not at the top: a run that tests a program sends HTTP requests in its workers only.
    from support.models.script import Script
    from support.servers.served_model import identify_model

    return identify_model(target, resolved.settings, Script.standard())


def install_on_first_use(
    scenarios: Iterable[BehaveScenario], settings: Settings, report: ReportProgress
) -> None:
    """Install Aider if a scenario needs it; where that fails, these are skipped, and the reason is shown."""
    if not any(NEEDS_AIDER in scenario.effective_tags for scenario in scenarios) or not lacks_aider(settings):
        return
    try:
        AIDER.with_version(settings.aider_version).get(settings.acceptance_cache_dir, report)
    except ProgramUnavailable as error:
        report(str(error))


def lacks_aider(settings: Settings) -> bool:
    """Whether Aider has to be installed: without git its scenarios are skipped, and 600 MB of no use."""
    return AIDER.locate(settings) is None and not missing_git(settings)


def missing_git(settings: Settings) -> str | None:
    """Why Aider has no git to work with, or None."""
    if GIT.find(settings.acceptance_cache_dir) is not None:
        return None
    return f"requires {GIT.needed} on the PATH; `{GIT.install_hint}`"


@dataclass(frozen=True)
class Requirements:
    """What this machine and the target of a run have."""

    settings: Settings
    target: Target

    def missing_of(self, scenario: BehaveScenario) -> str | None:
        """The reason (with its remedy) why this scenario cannot run, or None."""
        return self.missing(map(str, scenario.effective_tags)) or self.missing_model_of(scenario)

    def missing_model_of(self, scenario: BehaveScenario) -> str | None:
        """Why the bundled gateway does not have the model of this scenario: the target has another."""
        if self.settings.ollama_api != "gateway" or not isinstance(self.target, UrlTarget):
            return None
        is_scripted = any(str(step.name).startswith(OLLAMA_API_SERVER) for step in scenario.all_steps)
        return self.target.other_model_reason if is_scripted else None

    def missing(self, tags: Iterable[str]) -> str | None:
        """The reason (with its remedy) why a scenario with these tags cannot run, or None."""
        wanted = {tag for tag in tags if tag.startswith("needs.")}
        if NEEDS_PROGRAM in wanted and not isinstance(self.target, CommandTarget):
            return self._target_is_url(wanted)
        if SCRIPTED_MODEL in wanted and isinstance(self.target, UrlTarget) and self.target.other_model_reason:
            return self.target.other_model_reason
        if "needs.smollm2" in wanted and not has_smollm2(self.settings.acceptance_cache_dir):
            return "requires the trained model SmolLM2 (98 MB); `acceptance get smollm2` fetches it"
        if "needs.own_model" in wanted and self.settings.user_model is None:
            return "requires a model of your own; set TEST_MODEL_PATH (and TEST_MODEL_FILE)"
        if "needs.pty" in wanted and os.name == "nt":
            return "requires a pseudo-terminal, which pexpect does not have on Windows; run it in WSL"
        if NEEDS_AIDER in wanted and (reason := missing_git(self.settings)):
            return reason
        if NEEDS_AIDER in wanted and AIDER.locate(self.settings) is None:
            return f"requires Aider; `{AIDER.install_hint}` installs it (600 MB), or set AIDER_BIN"
        if "needs.tmux" in wanted and TMUX.find(self.settings.acceptance_cache_dir) is None:
            return f"requires the terminal program tmux; `{TMUX.install_hint}`"
        if (
            "needs.subcommands" in wanted
            and isinstance(self.target, CommandTarget)
            and self.target.program == "mistralrs-server"
        ):
            return "requires the command line of mistralrs 0.7 or newer, mistralrs-server has another one"
        if unmet := unmet_capability(wanted, self.target.program, self.target.version):
            return unmet
        return missing_ollama(wanted, self.settings, lambda: self._ollama) or self._missing_extra(wanted)

    def _target_is_url(self, wanted: Collection[str]) -> str:
        if NEEDS_AIDER in wanted and self.settings.aider_model is not None:
            return f"{TARGET_IS_URL}; with aider_model the exercises are run, not scripted conversations"
        return f"{TARGET_IS_URL}; set MISTRALRS_BIN instead of TARGET_URL"

    def _missing_aider_model(self) -> str | None:
        settings = self.settings
        if settings.aider_model is None:
            return "requires a capable model; name it with -D aider_model=openai/NAME or ollama_chat/NAME"
        over_ollama = settings.aider_model.startswith("ollama_chat/")
        if over_ollama and settings.ollama_url is not None:
            return None
        if isinstance(self.target, UrlTarget) or (settings.user_model is not None and not over_ollama):
            return None
        return "requires the server of aider_model; set TARGET_URL or TEST_MODEL_PATH, or OLLAMA_URL"

    def _missing_extra(self, wanted: Collection[str]) -> str | None:
        unset = self._missing_aider_model() if NEEDS_AIDER_MODEL in wanted else None
        return unset or self._missing_package(wanted)

    def _missing_package(self, wanted: Collection[str]) -> str | None:
        # Not at the top: the packages are optional, and most runs need none.
        if NEEDS_LANGCHAIN in wanted:
            from support.clients import langchain

            return langchain.missing()
        if NEEDS_SCHEMATHESIS in wanted:
            from support.faults import fuzzing

            return fuzzing.missing(self.target.program)
        return None

    @cached_property
    def _ollama(self) -> InstalledProgram | None:
        """Its search starts programs."""
        return OLLAMA.locate(self.settings)
