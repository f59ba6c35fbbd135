"""The chat as a person has it: turns, what they hold, and checks that notice what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.programs.process import process_tree
from support.programs.tmux import TMUX
from support.terminal import checks
from support.terminal.chat import Chat, Ending, Turn
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
    chat.await_text("round and")
    assert not chat.prompted
    turn = chat.interrupt("Ctrl-C")
    assert turn.answer.startswith("round and round\n")
    assert chat.prompted


def test_an_endless_answer_that_nobody_stops_is_cut(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.enter("forever")
    chat.await_text("round and round")
    monkeypatch.setattr(chat, "_patience", 0.02)
    with pytest.raises(WaitTimeout, match=r"(?s)the prompt after 'forever': .*round and round"):
        chat.finish_turn()


def test_a_chat_that_dies_gives_what_it_said(chat: Chat) -> None:
    turn = chat.send_line("die")
    assert (chat.alive, chat.prompted, turn.stats) == (False, False, "")
    fails(lambda: checks.check_prompted(chat), "the chat has ended")


def test_a_prompt_has_to_come_after_what_was_entered(chat: Chat) -> None:
    assert chat.prompted
    chat.enter("hello")
    assert not chat.prompted
    fails(lambda: checks.check_prompted(chat), "expected a prompt on the last line")  # type: ignore[unreachable]  # the property changes
    chat.finish_turn()
    checks.check_prompted(chat)


@pytest.mark.parametrize("answer", ["All is well", "All is well. Or not.", "", "All is\rwell."])
def test_another_answer_is_noticed(answer: str) -> None:
    checks.check_answer(TURN, "All is well.")
    fails(lambda: checks.check_answer(replace(TURN, output=answer + STATS), "All is well."), "to 'Tell me'")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Time to first token: 0.01s", "", "the time to the first token"),
        ("Prompt: 17", "Prompt: 18", "17 tokens of prompt"),
        ("Decode: 12", "Decode: 11", "12 or 13 tokens"),
        ("Stats", "Numbers", "the time to the first token"),
    ],
)
def test_wrong_statistics_are_noticed(old: str, new: str, words: str) -> None:
    checks.check_stats(TURN, 17, (12, 13))
    wrong = replace(TURN, output=TURN.output.replace(old, new))
    fails(lambda: checks.check_stats(wrong, 17, (12, 13)), words)


def test_control_codes_of_an_answer_are_noticed_and_told_visibly() -> None:
    checks.check_no_control_codes(replace(TURN, output="line\n\ttab" + STATS))
    for code in ("\x1b[2J", "\x07", "\x9b31m", "\x7f", "\r"):
        wrong = replace(TURN, output=f"before {code} after{STATS}")
        fails(lambda wrong=wrong: checks.check_no_control_codes(wrong), "before \\x")  # type: ignore[misc]
    fails(lambda: checks.check_no_control_codes(replace(TURN, output=STATS)), "expected an answer")


def test_small_checks_notice_the_opposite(chat: Chat) -> None:
    checks.check_chunks(TURN, 3)
    fails(lambda: checks.check_chunks(TURN, 4), "it arrived in 3")
    checks.check_output_contains(TURN, "All is")
    fails(lambda: checks.check_output_contains(TURN, "all is"), "expected 'all is'")
    checks.check_output_lacks(TURN, "ERROR")
    fails(lambda: checks.check_output_lacks(TURN, "Stats:"), "expected no 'Stats:'")
    checks.check_line(TURN, "Tell me")
    fails(lambda: checks.check_line(TURN, "Tell"), "it was 'Tell me'")
    checks.check_truncation_shown(replace(TURN, output="All is..." + STATS))
    checks.check_truncation_shown(replace(TURN, output="All isERROR no room"))
    fails(lambda: checks.check_truncation_shown(TURN), "expected a truncation notice")
    checks.check_screen_contains(chat, "Welcome")
    fails(lambda: checks.check_screen_contains(chat, "Farewell"), "expected 'Farewell' on the screen")


@pytest.mark.usefixtures("chat")
def test_a_wrong_end_is_noticed() -> None:
    checks.check_ended(Ending(0, 1.0, ""), 0, 2.0)
    fails(lambda: checks.check_ended(Ending(-9, 1.0, "killed"), 0, 2.0), "got -9; the screen:\nkilled")
    fails(lambda: checks.check_ended(Ending(0, 2.5, ""), 0, 2.0), "within 2.0 s")


needs_tmux = pytest.mark.skipif(TMUX.find(Path()) is None, reason=f"needs tmux: {TMUX.install_hint}")


@pytest.fixture
def window(tmp_path: Path) -> Iterator[TmuxWindow]:
    tmux = TMUX.find(tmp_path)
    assert tmux is not None
    window = TmuxWindow(
        tmux.path, fakes.words(fakes.CHAT), env=fakes.environment(tmp_path), cwd=tmp_path, rows=20, columns=60
    )
    yield window
    window.stop()


@needs_tmux
def test_a_window_of_tmux_draws_a_chat(window: TmuxWindow) -> None:
    window.begin()
    turn = window.send_line("hello")
    assert turn.answer == "You said hello."
    checks.check_prompted(window)


@needs_tmux
def test_a_window_ends_with_all_that_runs_in_it(window: TmuxWindow) -> None:
    window.begin()
    pids = [process.pid for process in process_tree(window.pid)]
    assert len(pids) == 2
    window.stop()
    gone(pids)
    fails(lambda: checks.check_prompted(window), "the chat has ended")


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
from support.programs.tmux import TMUX
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


def test_every_turn_is_checked_after_one_has_failed() -> None:
    turns = [Turn(line, f"output of {line}", (), 1) for line in ("first", "second", "third")]

    def check(turn: Turn) -> None:
        checks.check_output_contains(turn, "second")

    with pytest.raises(AssertionError, match=r"(?s)'second' after 'first'.*'second' after 'third'"):
        checks.check_each(turns, check)
    checks.check_each(turns[1:2], check)
