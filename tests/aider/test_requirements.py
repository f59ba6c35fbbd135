"""What the exercises need, and that scripted conversations are skipped at a URL with the reason."""

from __future__ import annotations

import pytest

from support.results.outcome import TARGET_IS_URL
from support.runner.requirements import Requirements
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


def test_scripted_conversations_are_skipped_at_a_url() -> None:
    missing = str(Requirements(Settings.model_validate(OPENAI), URL).missing(SCRIPTED))
    assert missing == f"{TARGET_IS_URL}; with aider_model the exercises are run, not scripted conversations"
