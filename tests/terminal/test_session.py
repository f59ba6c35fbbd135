"""A program in a terminal is waited for by what is seen, and ends on every path with a transcript."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from support.programs.process import kill_all, managed_pids, process_tree
from support.runner.time_limits import BudgetExceeded, SoftLimit
from support.terminal.pty_session import TerminalSession
from support.waiting import WaitTimeout, wait_until
from tests.programs.vanishing import is_gone
from tests.terminal import fakes
from tests.terminal.conftest import Open
from tests.timeouts import PATIENCE

SOON = PATIENCE


def shows(session: TerminalSession, words: str) -> Callable[[], bool]:
    return lambda: words in session.screen.text


def gone(pids: list[int]) -> None:
    """All of them end, zombies apart."""

    def left() -> list[int]:
        return [pid for pid in pids if not is_gone(pid)]

    wait_until("the processes to end", lambda: not left(), timeout=SOON, seen=left)


def test_a_program_talks_and_ends(open_terminal: Open) -> None:
    session = open_terminal(fakes.CHAT)
    session.wait("the prompt", lambda: session.screen.before_cursor == "> ", SOON)
    session.write(b"/exit\r", SOON)
    assert session.wait_end(SOON) == 0
    assert session.screen.text == "Welcome\n> /exit"
    session.require_restored()
    assert (session.stop(), session.stop()) == (0, 0)


def test_a_program_that_dies_ends_the_wait_at_once(open_terminal: Open) -> None:
    session = open_terminal(fakes.CHAT)
    session.wait("the prompt", lambda: session.screen.before_cursor == "> ", SOON)
    session.write(b"die\r", SOON)
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"(?s)an answer: .*exit code -9; the screen:.*> die"):
        session.wait("an answer", lambda: False, timeout=60)
    assert time.monotonic() - began < 30
    assert session.exit_code == -signal.SIGKILL


def test_a_refusal_tells_its_exit_code_and_screen(open_terminal: Open) -> None:
    session = open_terminal(fakes.REFUSAL)
    with pytest.raises(WaitTimeout, match=r"(?s)ended with exit code 1; the screen:\nError: no such model"):
        session.wait("a prompt", lambda: False, timeout=60)


def test_an_output_without_end_is_cut_by_the_time(open_terminal: Open) -> None:
    session = open_terminal(fakes.TALKER)
    session.wait("its words", shows(session, "and so on"), SOON)
    with pytest.raises(
        WaitTimeout, match=r"(?s)a prompt: not seen within 0.3 s; it is still running.*and so on"
    ):
        session.wait("a prompt", lambda: False, timeout=0.3)
    session.stop()
    assert not session.alive


def test_a_budget_reaches_a_wait(open_terminal: Open) -> None:
    session = open_terminal(fakes.TALKER)
    with pytest.raises(BudgetExceeded), SoftLimit("the step exceeded its budget", 0.3):
        session.wait("a prompt", lambda: False, timeout=60)


def test_a_program_that_does_not_read_is_not_waited_for_for_ever(open_terminal: Open) -> None:
    session = open_terminal(fakes.STUBBORN)
    session.wait("its word", shows(session, "here"), SOON)
    with pytest.raises(WaitTimeout, match="were not taken"):
        session.write(b"word\r" * 40_000, timeout=0.5)


def test_typing_to_a_program_that_writes_all_the_time_does_not_lock(open_terminal: Open) -> None:
    session = open_terminal(fakes.TALKER)
    session.write(b"word\r" * 400, timeout=SOON)


def test_an_end_is_seen_though_a_child_keeps_the_terminal(open_terminal: Open) -> None:
    session = open_terminal(fakes.PARENT)
    assert session.wait_end(SOON) == 0
    assert "gone" in session.screen.text


def test_stopping_ends_the_whole_tree_whatever_it_ignores(open_terminal: Open) -> None:
    session = open_terminal(fakes.STUBBORN)
    session.wait("both", lambda: session.screen.text.count("here") == 2, SOON)
    pids = [process.pid for process in process_tree(session.pid)]
    assert len(pids) == 2
    assert session.pid in managed_pids()
    assert session.stop() == -signal.SIGKILL
    gone(pids)
    assert session.pid not in managed_pids()


def test_the_end_of_a_run_ends_terminals_too(open_terminal: Open) -> None:
    session = open_terminal(fakes.STUBBORN)
    assert kill_all() >= 1
    assert not session.alive


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_runner_takes_its_terminal_along(tmp_path: Path) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert runner.stdout is not None
    with runner:
        pid = int(runner.stdout.readline())
        os.kill(runner.pid, signal.SIGKILL)
    gone([pid])


RUNNER = """
import sys, time
from pathlib import Path
from support.terminal.pty_session import TerminalSession
from tests.terminal import fakes
home = Path(sys.argv[1])
session = TerminalSession(fakes.words(fakes.DEAF), env=fakes.environment(home), cwd=home)
session.wait("its word", lambda: "here" in session.screen.text, 60)
print(session.pid, flush=True)
time.sleep(600)
"""


def test_an_untidy_program_is_noticed(open_terminal: Open) -> None:
    session = open_terminal(fakes.SLOVEN)
    assert session.wait_end(SOON) == 0
    with pytest.raises(AssertionError, match=r"-echo, -icanon, mode \?25 is off, text goes on in colour"):
        session.require_restored()


def test_evidence_and_messages_hold_no_control_codes(open_terminal: Open) -> None:
    session = open_terminal(fakes.HOSTILE)
    with pytest.raises(WaitTimeout) as caught:
        session.wait("a prompt", lambda: False, timeout=SOON)
    screen, transcript = session.transcript("terminal 1").attachments(1)
    assert (screen.file, transcript.file) == ("screen-1.txt", "transcript-1.txt")
    for text in (str(caught.value), screen.data.decode(), transcript.data.decode()):
        assert not [sign for sign in text if ord(sign) < 32 and sign not in "\n\t"]
        assert "after" in text
    assert r"before \x1b[2J\x1b]0;owned\x07" in transcript.data.decode()


def test_a_transcript_tells_who_wrote_what(open_terminal: Open) -> None:
    session = open_terminal(fakes.CHAT)
    session.wait("the prompt", lambda: session.screen.before_cursor == "> ", SOON)
    session.write(b"hello\r", SOON)
    session.wait("the answer", shows(session, "You said hello."), SOON)
    told = session.transcript("terminal 1").raw
    assert told.index("written:\n") < told.index("typed:\nhello\r") < told.rindex("You said hello.")


def test_a_program_that_cannot_be_started_is_no_fault_of_the_product(tmp_path: Path) -> None:
    with pytest.raises((OSError, pexpect.ExceptionPexpect)):
        TerminalSession([tmp_path / "nothing"], env={}, cwd=tmp_path)
