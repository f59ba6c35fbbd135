"""What scenarios cannot run without (`@needs.*`), and what to do when it is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from support.errors import ProgramUnavailable
from support.programs.aider import AIDER, CECLI, CodingAssistant
from support.programs.independent_suites import SUITES
from support.programs.install import InstalledProgram, ReportProgress, find_uv
from support.programs.llama_cpp import LLAMA_CPP_PYTHON
from support.programs.ollama import OLLAMA
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS, PROMETHEUS_3
from support.programs.smollm2 import has_smollm2
from support.programs.system_program import GIT, TMUX
from support.results.behave_types import BehaveScenario
from support.results.outcome import NEEDS_PROGRAM, TARGET_IS_URL
from support.servers.capabilities import unmet_capability
from support.servers.dedicated import GATEWAY, REAL
from support.servers.discovery import CommandTarget, Target, UrlTarget, discover
from support.servers.ollama_backends import NEEDS_OLLAMA_API, OllamaAtUrl, missing_ollama
from support.servers.served_model import other_model_reason
from support.settings import OLLAMA_API_CHOICES, ResolvedSettings, Settings, redact_url

SCRIPTED_MODEL = "needs.scripted_model"
NEEDS_AIDER = "needs.aider"
NEEDS_AIDER_MODEL = "needs.aider_model"
# The programs that are installed at the start of the first run that needs them.
ASSISTANTS = {NEEDS_AIDER: AIDER, "needs.cecli": CECLI}
NEEDS_PROMETHEUS, NEEDS_PROMETHEUS_URL = "needs.prometheus", "needs.prometheus_url"
NEEDS_PROMETHEUS_3, NEEDS_GRAFANA = "needs.prometheus_3", "needs.grafana"
MONITORING = (PROMETHEUS, ALERTMANAGER)
METRICS, SECOND_MISTRALRS = "needs.metrics", "needs.second_mistralrs"
NEEDS_LLAMA_CPP_PYTHON = "needs.llama_cpp_python"
NEEDS_EMBEDDINGS = "needs.embeddings"
# Servers that a scenario compares: which of them serve the scripted model, and which are the suite's own.
SCRIPTED_GATEWAY, SCRIPTED_OLLAMA = "needs.scripted_gateway", "needs.scripted_ollama"
OWN_OLLAMA, MODEL_FILE, SAME_MODEL = "needs.own_ollama", "needs.model_file", "needs.same_model"
OLLAMA_COMMAND = "needs.ollama_command"
# Test suites of others, by their tags.
INDEPENDENT = {f"needs.{suite.name.replace('-', '_')}": suite for suite in SUITES}
NEEDS_LANGCHAIN, NEEDS_SCHEMATHESIS = "needs.langchain", "needs.schemathesis"


# The start of the step that names the server of the Ollama API under test.
OLLAMA_API_SERVER = "an Ollama API server with "


def find_target(scenarios: Iterable[BehaveScenario], resolved: ResolvedSettings) -> Target:
    """The target, at a URL with the model that it serves if a scenario depends on that.

    Raises `TargetError` in one line.
    """
    target = discover(resolved.settings, resolved.origins)
    tags = {str(tag) for scenario in scenarios for tag in scenario.effective_tags}
    if not isinstance(target, UrlTarget):
        return target
    # Not at the top: a run that tests a program sends HTTP requests in its workers only.
    from support.models.script import Script
    from support.servers.served_model import identify_model, require_embedding_model

    if NEEDS_EMBEDDINGS in tags and resolved.settings.target_embedding_model is not None:
        require_embedding_model(target, resolved)
    if not {SCRIPTED_MODEL, NEEDS_OLLAMA_API} & tags:
        return target
    return identify_model(target, resolved.settings, Script.standard())


def install_on_first_use(
    scenarios: Iterable[BehaveScenario], settings: Settings, report: ReportProgress, target: Target
) -> None:
    """Install Aider if a scenario needs it; where that fails, these are skipped, and the reason is shown.

    So with its successor cecli, and with Prometheus and Alertmanager for a target that has metrics.
    """
    wanted = {str(tag) for scenario in scenarios for tag in scenario.effective_tags}
    if NEEDS_PROMETHEUS in wanted and unmet_capability({METRICS}, target.program, target.version) is None:
        for part in MONITORING:
            try:
                if part.locate(settings) is None:
                    part.get(settings.acceptance_cache_dir, report)
            except ProgramUnavailable as error:
                report(str(error))
    for need, program in ASSISTANTS.items():
        if need in wanted and is_lacking(program, settings):
            try:
                program.chosen(settings).get(settings.acceptance_cache_dir, report)
            except ProgramUnavailable as error:
                report(str(error))


def is_lacking(program: CodingAssistant, settings: Settings) -> bool:
    """Whether it has to be installed: without git its scenarios are skipped, and 600 MB of no use."""
    return program.locate(settings) is None and not missing_git(settings)


def is_installed_at_start(need: str, settings: Settings) -> bool:
    """Whether a run installs what this need lacks; it may fail then."""
    if need == NEEDS_PROMETHEUS:
        lacks = any(part.locate(settings) is None for part in MONITORING)
        return lacks and all(map(shutil.which, ("apt-get", "dpkg-deb")))
    return need in ASSISTANTS and is_lacking(ASSISTANTS[need], settings) and find_uv() is not None


def missing_git(settings: Settings) -> str | None:
    """Why Aider and cecli have no git to work with, or None."""
    if GIT.find(settings.acceptance_cache_dir) is not None:
        return None
    return f"requires {GIT.needed} on the PATH; `{GIT.install_hint}`"


@dataclass(frozen=True)
class Requirements:
    """What this machine and the servers of a run have.

    `examined`: by URL, the servers of the Ollama API that were there before the run. A list asks them; a run
    finds out what they serve when a scenario uses them.
    """

    settings: Settings
    target: Target
    examined: Mapping[str, OllamaAtUrl] = field(default_factory=dict)

    def missing_of(self, scenario: BehaveScenario) -> str | None:
        """The reason (with its remedy) why this scenario cannot run, or None."""
        return self.missing(map(str, scenario.effective_tags)) or self.missing_gateway_of(scenario)

    def missing_gateway_of(self, scenario: BehaveScenario) -> str | None:
        """Why the gateway of this run is not the one that this scenario needs, or None."""
        if {NEEDS_PROGRAM, NEEDS_OLLAMA_API} <= {*scenario.effective_tags} and self._gateway_url is not None:
            return (
                f"{GATEWAY} at {redact_url(self._gateway_url)} is in front of a server that was there before "
                "this run; what may damage a server is tested with the bundled gateway only (leave "
                "ollama_api out)"
            )
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
        if SECOND_MISTRALRS in wanted and self.settings.second_mistralrs is None:
            return (
                "requires another mistral.rs; name it with -D acceptance_compare=real, reference, the path of"
                " a program or a URL"
            )
        if "needs.own_model" in wanted and self.settings.user_model is None:
            return "requires a model of your own; set TEST_MODEL_PATH (and TEST_MODEL_FILE)"
        if "needs.pty" in wanted and os.name == "nt":
            return "requires a pseudo-terminal, which pexpect does not have on Windows; run it in WSL"
        for need, program in ASSISTANTS.items():
            if need in wanted and (reason := self._missing_assistant(program)):
                return reason
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
        return (
            missing_ollama(wanted, self.settings, lambda: self._ollama)
            or self._missing_embedding_model(wanted)
            or self._missing_llama_cpp(wanted)
            or self._missing_command(wanted)
            or self._missing_model(wanted)
            or self._missing_extra(wanted)
        )

    def _missing_embedding_model(self, wanted: Collection[str]) -> str | None:
        named = self.settings.target_embedding_model is not None
        if NEEDS_EMBEDDINGS not in wanted or named or not isinstance(self.target, UrlTarget):
            return None
        return "requires an embedding model of the server at TARGET_URL; name it by TARGET_EMBEDDING_MODEL"

    def _missing_llama_cpp(self, wanted: Collection[str]) -> str | None:
        program = LLAMA_CPP_PYTHON
        if (
            NEEDS_LLAMA_CPP_PYTHON not in wanted
            or program.find(self.settings.acceptance_cache_dir) is not None
        ):
            return None
        return f"requires {program.name}; `{program.install_hint}` compiles it"

    def _missing_command(self, wanted: Collection[str]) -> str | None:
        if OLLAMA_COMMAND not in wanted or self._ollama is not None:
            return None
        return f"needs the program ollama; `{OLLAMA.install_hint}` builds one, or set OLLAMA_BIN"

    def _missing_model(self, wanted: Collection[str]) -> str | None:
        """Why a server of the Ollama API does not serve what a comparison needs, or None."""
        target, url = self.target, self.settings.ollama_url
        without_file = isinstance(target, UrlTarget) and not target.has_only_the_scripted_model
        if MODEL_FILE in wanted and self._gateway_url is None and without_file:
            return (
                "the bundled gateway does not have the file of a model that was served before this run, "
                "and so returns its name only (docs/gateway.md)"
            )
        if OWN_OLLAMA in wanted and url is not None:
            place = f"{REAL} at {redact_url(url)}"
            return f"{place} was there before this run: it is not changed, and its processes are not known"
        if SCRIPTED_OLLAMA in wanted and (reason := self._other_model_at(url, REAL)):
            return reason
        is_compared = SAME_MODEL in wanted and not self._is_gateway_of_target
        if not (is_compared or SCRIPTED_GATEWAY in wanted):
            return None
        reason = self._other_model_at(self._gateway_url, GATEWAY)
        # The target is behind the bundled gateway, or compared with the user's own.
        if reason is None and isinstance(target, UrlTarget) and (is_compared or self._gateway_url is None):
            return target.other_model_reason
        return reason

    @property
    def _gateway_url(self) -> str | None:
        """The user's own gateway, if one is tested; else it is the bundled one."""
        return None if self.settings.ollama_api in OLLAMA_API_CHOICES else self.settings.ollama_api

    @property
    def _is_gateway_of_target(self) -> bool:
        """True of the bundled one; assumed of the user's own when the target is the user's, too."""
        if self._gateway_url is None:
            return True
        found = self.examined.get(self._gateway_url)
        return isinstance(self.target, UrlTarget) and not (found and found.takes_models)

    def _other_model_at(self, url: str | None, server: str) -> str | None:
        found = self.examined.get(url or "")
        if found is None or found.other_answer is None:
            return None
        return other_model_reason(f"{server} at {redact_url(found.url)}", found.other_answer)

    def _missing_assistant(self, program: CodingAssistant) -> str | None:
        if reason := missing_git(self.settings):
            return reason
        return None if program.locate(self.settings) else f"requires {program.title}; {program.remedy}"

    def _target_is_url(self, wanted: Collection[str]) -> str:
        if NEEDS_AIDER in wanted and self.settings.aider_model is not None:
            return f"{TARGET_IS_URL}; with aider_model those of a capable model are run, not scripted ones"
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
        return unset or self._missing_monitoring(wanted) or self._missing_package(wanted)

    def _missing_monitoring(self, wanted: Collection[str]) -> str | None:
        if NEEDS_PROMETHEUS_URL in wanted and self.settings.prometheus_url is None:
            return "requires a Prometheus of your own; set PROMETHEUS_URL"
        if NEEDS_PROMETHEUS_URL in wanted and not isinstance(self.target, UrlTarget):
            return "requires the URL of the server that this Prometheus scrapes; set TARGET_URL"
        if NEEDS_GRAFANA in wanted and self.settings.grafana_url is None:
            return "requires a Grafana of your own; set GRAFANA_URL"
        started = {NEEDS_PROMETHEUS: MONITORING, NEEDS_PROMETHEUS_3: (PROMETHEUS_3,)}
        parts = [part for tag, parts in started.items() if tag in wanted for part in parts]
        missing = [part for part in parts if part.locate(self.settings) is None]
        return f"requires {missing[0].title}; {missing[0].remedy}" if missing else None

    def _missing_package(self, wanted: Collection[str]) -> str | None:
        # Not at the top: the packages are optional, and most runs need none.
        if NEEDS_LANGCHAIN in wanted:
            from support.clients import langchain

            return langchain.missing()
        if NEEDS_SCHEMATHESIS in wanted:
            from support.faults import fuzzing

            return fuzzing.missing(self.target.program)
        cache = self.settings.acceptance_cache_dir
        suites = (suite for need, suite in INDEPENDENT.items() if need in wanted)
        lacking = next((suite for suite in suites if suite.find(cache) is None), None)
        return f"requires {lacking.title}; {lacking.remedy}" if lacking else None

    @cached_property
    def _ollama(self) -> InstalledProgram | None:
        """Its search starts programs."""
        return OLLAMA.locate(self.settings)
