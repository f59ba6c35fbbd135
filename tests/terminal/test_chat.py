"""The chat as a person has it: turns, what they hold, and checks that notice what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.models.script import Script
from support.programs.process import process_tree
from support.programs.run_directory import temp_prefix
from support.programs.system_program import TMUX
from support.scenario import ScenarioContext
from support.terminal.chat import Chat, Turn
from support.terminal.scenario import END_SECONDS, TerminalScenario, check_prompted
from support.terminal.tmux import TmuxWindow
from support.waiting import WaitTimeout, wait_until
from tests.terminal import fakes
from tests.terminal.conftest import Open
from tests.terminal.test_session import gone
from tests.timeouts import PATIENCE

STATS = "\n\nStats:\nTime to first token: 0.01s\nPrompt: 17 tokens, 1 T/s\nDecode: 12 tokens, 1 T/s\n\n> "
TURN = Turn("Tell me", f"All is well.{STATS}", ({"role": "user", "content": "Tell me"},), 3)


@pytest.fixture
def chat(open_terminal: Open) -> Chat:
    chat = Chat(open_terminal(fakes.CHAT))
    chat.begin()
    return chat


def fails(check: Callable[[], None], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check()
    assert words in str(caught.value)


def test_a_turn_has_its_answer_and_the_conversation_before_it(chat: Chat) -> None:
    assert chat.send_line("/system Be brief.").messages == ()
    assert chat.send_line("hello").answer == "You said hello."
    turn = chat.send_line("again")
    assert [message["content"] for message in turn.messages] == [
        "Be brief.",
        "hello",
        "You said hello.",
        "again",
    ]
    assert "Prompt: 3 tokens" in turn.stats
    chat.send_line("/clear")
    assert [message["content"] for message in chat.send_line("anew").messages] == ["anew"]


def test_an_empty_line_and_a_command_are_no_messages(chat: Chat) -> None:
    for line in ("", "/help", "/temperature 3", "/topk"):
        turn = chat.send_line(line)
        assert (turn.messages, turn.stats) == ((), "")
        assert chat.prompted


def test_commands_of_old_versions_begin_with_a_backslash(open_terminal: Open) -> None:
    chat = Chat(open_terminal(fakes.CHAT), command_prefix="\\")
    chat.begin()
    assert chat.send_line("/clear").answer.startswith("You said \\clear.")


def test_an_endless_answer_is_stopped(chat: Chat) -> None:
    chat.enter("forever")
    # All of the first line: Ctrl-C drops what was not read yet.
    chat.await_text("round and round\n")
    assert not chat.prompted
    turn = chat.interrupt("Ctrl-C")
    assert turn.answer.startswith("round and round\n")
    assert chat.prompted


def test_an_endless_answer_that_nobody_stops_is_cut(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.enter("forever")
    chat.await_text("round and round")
    monkeypatch.setattr(chat, "_patience", 0.02)
    awaited = "the prompt or the end of the program after"
    with pytest.raises(WaitTimeout, match=rf"(?s){awaited} 'forever': .*round and round"):
        chat.finish_turn()
    with pytest.raises(WaitTimeout, match=rf"{awaited} 'forever' and Ctrl-D: "):
        chat.finish_turn("Ctrl-D")


def test_a_chat_that_dies_gives_what_it_said(chat: Chat) -> None:
    turn = chat.send_line("die")
    assert (chat.alive, chat.prompted, turn.stats) == (False, False, "")
    fails(lambda: check_prompted(chat), "the chat has ended")


def test_a_prompt_has_to_come_after_what_was_entered(chat: Chat) -> None:
    assert chat.prompted
    chat.enter("hello")
    assert not chat.prompted
    fails(lambda: check_prompted(chat), "expected a prompt on the last line")  # type: ignore[unreachable]  # the property changes
    chat.finish_turn()
    check_prompted(chat)


def model_of(script: Script) -> SimpleNamespace:
    """In place of the compiled model: 17 tokens of prompt and 12 of answer."""
    return SimpleNamespace(
        count_prompt=lambda _messages: 17,
        answer_to=lambda _messages: script.default_row,
        answer_tokens=lambda _row: ("token",) * 12,
    )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalScenario]:
    """A scenario in which each turn is TURN or one like it."""
    script = Script((), "All is well.")
    command = SimpleNamespace(path=sys.executable, version="0.8.1")
    models = SimpleNamespace(compiled=model_of)
    suite: Any = SimpleNamespace(
        script=script, models=models, command=command, settings=SimpleNamespace(seconds=float)
    )
    context = ScenarioContext(suite, tmp_path)
    yield TerminalScenario(context)
    context.cleanups.close()


def with_turns(terminal: TerminalScenario, *outputs: str) -> TerminalScenario:
    for output in outputs:
        terminal.turns.add(replace(TURN, output=output))
    return terminal


@pytest.mark.parametrize("answer", ["All is well", "All is well. Or not.", "", "All is\rwell."])
def test_another_answer_is_noticed(terminal: TerminalScenario, answer: str) -> None:
    with_turns(terminal, TURN.output).require_scripted()
    fails(with_turns(terminal, answer + STATS).require_scripted, "to 'Tell me'")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Time to first token: 0.01s", "", "the time to the first token"),
        ("Prompt: 17", "Prompt: 18", "17 tokens of prompt"),
        ("Decode: 12", "Decode: 11", "12 or 13 tokens"),
        ("Stats", "Numbers", "the time to the first token"),
    ],
)
def test_wrong_statistics_are_noticed(terminal: TerminalScenario, old: str, new: str, words: str) -> None:
    with_turns(terminal, TURN.output).require_token_counts()
    fails(with_turns(terminal, TURN.output.replace(old, new)).require_token_counts, words)


def test_control_codes_of_an_answer_are_noticed_and_told_visibly(terminal: TerminalScenario) -> None:
    with_turns(terminal, "line\n\ttab" + STATS).require_no_control_codes()
    for code in ("\x1b[2J", "\x07", "\x9b31m", "\x7f", "\r"):
        with_turns(terminal, f"before {code} after{STATS}")
        with pytest.raises(AssertionError) as caught:
            terminal.require_no_control_codes()
        assert "before \\x" in str(caught.value).split("\n\n")[-1]
    fails(with_turns(terminal, STATS).require_no_control_codes, "expected an answer")


@pytest.mark.parametrize(("chunks", "message"), [([1, 2, 5], ""), ([1, 2, 2, 5], "it arrived in 2")])
def test_an_answer_that_was_read_at_once_is_asked_for_again(
    terminal: TerminalScenario, monkeypatch: pytest.MonkeyPatch, chunks: list[int], message: str
) -> None:
    turns = [replace(TURN, chunks=number) for number in chunks]
    terminal.turns.add(turns.pop(0))
    monkeypatch.setattr(terminal, "_chats", [None])
    monkeypatch.setattr(terminal, "send_line", lambda _line: terminal.turns.add(turns.pop(0)))
    if message:
        fails(lambda: terminal.require_chunks(3), message)
    else:
        terminal.require_chunks(3)


def test_small_checks_notice_the_opposite(terminal: TerminalScenario) -> None:
    with_turns(terminal, TURN.output)
    terminal.require_chunks(3)
    fails(lambda: terminal.require_chunks(4), "it arrived in 3")
    terminal.require_contains("All is")
    fails(lambda: terminal.require_contains("all is"), "expected 'all is'")
    terminal.require_lacks("ERROR")
    fails(lambda: terminal.require_lacks("Stats:"), "expected no 'Stats:'")
    terminal.require_line("Tell me")
    fails(lambda: terminal.require_line("Tell"), "it was 'Tell me'")
    fails(terminal.require_truncation_shown, "expected a truncation notice")
    with_turns(terminal, "All is..." + STATS).require_truncation_shown()
    with_turns(terminal, "All isERROR no room").require_truncation_shown()


def test_what_the_screen_lacks_is_noticed(terminal: TerminalScenario) -> None:
    terminal.open(fakes.words(fakes.CHAT)[1:])
    terminal.chat.begin()
    terminal.require_shown("Welcome")
    fails(lambda: terminal.require_shown("Farewell"), "expected 'Farewell' on the screen")


def test_a_wrong_end_is_noticed(terminal: TerminalScenario) -> None:
    terminal.open(fakes.words(fakes.REFUSAL)[1:])
    terminal.require_exit(1, END_SECONDS)
    fails(lambda: terminal.require_exit(0, END_SECONDS), "got 1; the screen:\nError: no such model")
    fails(lambda: terminal.require_exit(1, -1.0), "within -1.0 s")


needs_tmux = pytest.mark.skipif(TMUX.find(Path()) is None, reason=f"needs tmux: {TMUX.install_hint}")


@pytest.fixture
def window(tmp_path: Path) -> Iterator[TmuxWindow]:
    tmux = TMUX.find(tmp_path)
    assert tmux is not None
    window = TmuxWindow(
        tmux.path,
        fakes.words(fakes.CHAT),
        env=fakes.environment(tmp_path),
        cwd=tmp_path,
        rows=20,
        columns=60,
        patience=4,
    )
    yield window
    window.stop()


@needs_tmux
def test_a_window_of_tmux_draws_a_chat(window: TmuxWindow) -> None:
    window.begin()
    turn = window.send_line("hello")
    assert turn.answer == "You said hello."
    check_prompted(window)


@needs_tmux
def test_a_window_ends_with_all_that_runs_in_it(window: TmuxWindow) -> None:
    window.begin()
    pids = [process.pid for process in process_tree(window.pid)]
    assert len(pids) == 2
    window.stop()
    gone(pids)
    assert not list(Path(tempfile.gettempdir()).glob(f"{temp_prefix()}tmux-*"))
    fails(lambda: check_prompted(window), "the chat has ended")


@needs_tmux
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_runner_takes_its_window_along(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUNNER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        pids = [int(pid) for pid in runner.stdout.readline().split()]
        os.kill(runner.pid, signal.SIGKILL)
    assert len(pids) == 2
    gone(pids)


RUNNER = """
import sys, time
from pathlib import Path
from support.programs.process import process_tree
from support.terminal.tmux import TmuxWindow
from support.programs.run_directory import temp_prefix
from support.programs.system_program import TMUX
from tests.terminal import fakes
home = Path(sys.argv[1])
program = TMUX.find(home).path
window = TmuxWindow(program, fakes.words(fakes.CHAT), env=fakes.environment(home), cwd=home)
window.begin()
print(*[process.pid for process in process_tree(window.pid)], flush=True)
time.sleep(600)
"""


@needs_tmux
def test_a_program_that_dies_in_a_window_is_told_at_once(window: TmuxWindow) -> None:
    window.begin()
    with pytest.raises(WaitTimeout, match=r"(?s)the prompt after 'die': the process ended.*> die"):
        window.send_line("die")


@needs_tmux
def test_a_window_without_a_prompt_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux = TMUX.find(tmp_path)
    assert tmux is not None
    window = TmuxWindow(
        tmux.path, fakes.words(fakes.TALKER), env=fakes.environment(tmp_path), cwd=tmp_path, patience=4
    )
    # For the prompt alone: tmux itself may take its time.
    monkeypatch.setattr("support.terminal.tmux.SERVER_SECONDS", 0.25)
    try:
        wait_until("its words", lambda: "and so on" in window.shown, timeout=PATIENCE)
        with pytest.raises(WaitTimeout, match=r"(?s)the first prompt.*and so on"):
            window.begin()
    finally:
        window.stop()
    wait_until("tmux to end", lambda: not window.alive, timeout=PATIENCE)


def test_every_turn_is_checked_after_one_has_failed(terminal: TerminalScenario) -> None:
    for line in ("first", "second", "third"):
        terminal.turns.add(Turn(line, f"output of {line}", (), 1))
    with pytest.raises(AssertionError, match=r"(?s)'ir' after 'first'.*'ir' after 'third'") as caught:
        terminal.require_lacks("ir")
    assert "after 'second'" not in str(caught.value)
    terminal.require_lacks("fourth")
