"""Scenarios in a terminal with programs that are broken: each scenario fails, and none takes long."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from behave.model import Scenario
from behave.parser import parse_file

from support.errors import SeveralFailures, cause_of
from support.models.script import Script
from support.servers.command_line import ModelArguments
from support.terminal import chat as chat_module
from support.terminal.scenario import TerminalScenario
from support.units import repeated_keys
from support.waiting import WaitTimeout
from tests.terminal import fakes

Make = Callable[..., TerminalScenario]
TYPING = Path(__file__).parents[2] / "features" / "terminal_chat" / "typing.feature"
BACKSPACE = [
    scenario
    for scenario in parse_file(str(TYPING)).walk_scenarios()
    if scenario.name.startswith("Backspace deletes")
]
ANY_MODEL = ModelArguments(Path(), "broken.gguf", "gguf")


# -- a program that shows no prompt


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "START_SECONDS", 0.5)


@pytest.mark.usefixtures("_impatient")
def test_a_chat_that_shows_no_prompt_twice_is_not_started_again(terminal_scenario: Make) -> None:
    for _ in range(2):
        with pytest.raises(WaitTimeout, match="the first prompt: not seen within"):
            terminal_scenario(fakes.DEAF).start()
    for setup in (None, "with a 512-token context", "in a tmux window"):
        terminal = terminal_scenario(fakes.CHAT)
        with pytest.raises(AssertionError, match=r"a terminal chat was not started again: .*running\)$"):
            terminal.start_with(setup, lambda: ANY_MODEL) if setup else terminal.start()
        assert not terminal.transcripts(), "it was started"


@pytest.mark.usefixtures("_impatient")
def test_a_chat_that_has_to_fail_is_counted_by_itself(
    terminal_scenario: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with pytest.raises(WaitTimeout):
            terminal_scenario(fakes.DEAF).try_start(ANY_MODEL)
    with pytest.raises(AssertionError, match="a terminal chat that has to fail was not started again"):
        terminal_scenario(fakes.DEAF).try_start(ANY_MODEL)
    monkeypatch.undo()
    terminal_scenario(fakes.CHAT).start()


def test_a_program_that_ends_before_its_prompt_is_started_again(terminal_scenario: Make) -> None:
    for _ in range(3):
        with pytest.raises(WaitTimeout, match="exit code 1") as caught:
            terminal_scenario(fakes.REFUSAL).start()
        assert cause_of(caught.value) == "mistralrs 0.8.1 does not start: Error: no such model"
    terminal_scenario(fakes.CHAT).start()


def test_a_crash_that_was_scrolled_out_is_part_of_the_failure(
    terminal_scenario: Make,
) -> None:
    terminal = terminal_scenario(fakes.CRASHED_BEFORE)
    terminal.start()
    assert "panicked" not in terminal.chat.shown
    terminal.send_line("Tell me about the lighthouse")
    with pytest.raises(
        SeveralFailures, match=r"(?s), got '> '; the output is:.*panicked at .*must have a model metadata"
    ):
        terminal.require_scripted()
    (crash,) = terminal.crashes()
    assert re.match(r"(?s)the screen shows a crash: thread .*must have a model metadata", crash)


# -- Backspace over characters of several bytes


def run_scenario(terminal: TerminalScenario, scenario: Scenario) -> None:
    """The steps of a scenario about keys: a chat, the keys, the submitted line, the answer."""
    terminal.start()
    terminal.press_keys(repeated_keys(next(step.table for step in scenario.steps if step.table)))
    submitted = next(step.name for step in scenario.steps if step.name.startswith("the submitted line is"))
    assert scenario.steps[-1].name == "the answer matches the script"
    terminal.require_line(re.findall('"(.*)"', submitted)[0])
    terminal.require_scripted()


@pytest.mark.parametrize("scenario", BACKSPACE, ids=lambda scenario: scenario.name)
def test_backspace_over_whole_characters_passes(
    terminal_scenario: Make, script: Script, scenario: Scenario
) -> None:
    answer = script.answer_to("Tell me about the violin").answer
    run_scenario(terminal_scenario(fakes.EDITOR, answer, "good"), scenario)


@pytest.mark.parametrize("fault", ["byte", "hidden", "panic"])
@pytest.mark.parametrize("scenario", BACKSPACE, ids=lambda scenario: scenario.name)
def test_backspace_that_breaks_a_character_fails(
    terminal_scenario: Make, script: Script, scenario: Scenario, fault: str
) -> None:
    answer = script.answer_to("Tell me about the violin").answer
    with pytest.raises(AssertionError):
        run_scenario(terminal_scenario(fakes.EDITOR, answer, fault), scenario)


def test_the_scenarios_have_characters_of_two_three_and_four_bytes() -> None:
    keys = "".join(
        row["key"] for scenario in BACKSPACE for step in scenario.steps for row in step.table or ()
    )
    assert {len(character.encode()) for character in keys} == {1, 2, 3, 4}
