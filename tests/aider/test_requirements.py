"""What the exercises need, what is reported of a program that is missing, and what is skipped at a URL."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from support.errors import ProgramUnavailable
from support.programs.aider import CodingAssistant
from support.results.behave_types import BehaveScenario
from support.results.outcome import TARGET_IS_URL
from support.runner.requirements import Requirements, install_on_first_use
from support.servers.discovery import Target, UrlTarget
from support.settings import Settings
from tests.results.test_verdicts import COMMAND

URL = UrlTarget("http://127.0.0.1:1", ("coder",), "a test")
EXERCISES, SCRIPTED = ["needs.aider_model"], ["needs.command", "needs.aider"]
OPENAI, OLLAMA = {"aider_model": "openai/coder"}, {"aider_model": "ollama_chat/coder"}


@pytest.mark.parametrize(
    ("chosen", "target", "reason"),
    [
        ({}, URL, "requires a capable model"),
        (OPENAI, COMMAND, "requires the server of aider_model"),
        (OLLAMA, COMMAND, "requires the server of aider_model"),
        (OPENAI, URL, ""),
        (OLLAMA, URL, ""),
        (OLLAMA | {"ollama_url": "http://127.0.0.1:2"}, COMMAND, ""),
    ],
)
def test_the_exercises_need_a_model_and_its_server(
    chosen: dict[str, str], target: Target, reason: str
) -> None:
    missing = Requirements(Settings.model_validate(chosen), target).missing(EXERCISES) or ""
    assert missing.startswith(reason)
    assert bool(missing) is bool(reason)


def test_a_missing_program_has_its_remedy(tmp_path: Path) -> None:
    settings = Settings.model_validate({"acceptance_cache_dir": tmp_path})
    for program, size in (("aider", "600 MB"), ("cecli", "1 GB")):
        missing = str(Requirements(settings, COMMAND).missing([f"needs.{program}"]))
        assert f"; `acceptance get {program}` installs it ({size}), or set {program.upper()}_BIN" in missing


def test_each_program_that_is_needed_is_installed_and_a_failure_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []

    def fail(program: CodingAssistant, folder: Path, _: object) -> None:
        raise ProgramUnavailable(f"no {program.name} in {folder.relative_to(tmp_path)}")

    monkeypatch.setattr(CodingAssistant, "install", fail)
    settings = Settings.model_validate({"acceptance_cache_dir": tmp_path, "cecli_version": "1.11.2"})
    scenarios = [SimpleNamespace(effective_tags=["slow", "needs.cecli"])]
    install_on_first_use(cast("list[BehaveScenario]", scenarios), settings, reports.append, COMMAND)
    assert reports == ["no cecli in cecli/1.11.2"]


def test_scripted_conversations_are_skipped_at_a_url() -> None:
    missing = str(Requirements(Settings.model_validate(OPENAI), URL).missing(SCRIPTED))
    assert missing == f"{TARGET_IS_URL}; with aider_model those of a capable model are run, not scripted ones"
