"""Checks of the output in a terminal. Error messages make control characters visible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from support.errors import CheckFailed, SeveralFailures
from support.results.safe_text import visible
from support.terminal.chat import Chat, Ending, Turn
from support.terminal.pty_session import TerminalSession
from support.terminal.tmux import TmuxWindow

T = TypeVar("T")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FIRST_TEXT = re.compile(r"ime to first token: \d+\.\d+s")
_PROMPT_TOKENS = re.compile(r"^Prompt: (\d+) tokens", re.MULTILINE)
_ANSWER_TOKENS = re.compile(r"^Decode: (\d+) tokens", re.MULTILINE)


def check_each(items: Iterable[T], check: Callable[[T], None]) -> None:
    """Check all of them; raises `SeveralFailures` with every failure, not only the first."""
    failures = []
    for item in items:
        try:
            check(item)
        except AssertionError as error:
            failures.append(str(error))
    if failures:
        raise SeveralFailures("\n\n".join(failures), failures)


def check_answer(turn: Turn, expected: str) -> None:
    """The output before the statistics is exactly the answer."""
    if turn.answer != expected:
        raise CheckFailed(
            f"expected the answer {expected!r} to {turn.typed!r}, the output is:\n{visible(turn.output)}"
        )


def check_chunks(turn: Turn, least: int) -> None:
    """The text of the answer arrived in at least so many chunks."""
    if turn.chunks < least:
        raise CheckFailed(
            f"expected the answer in {least} or more chunks, it arrived in {turn.chunks}:\n"
            f"{visible(turn.output)}"
        )


def check_screen_contains(chat: Chat, words: str) -> None:
    """The words are on the screen, or above it."""
    screen = chat.session.screen.whole_text
    if words not in screen:
        raise CheckFailed(f"expected {words!r} on the screen:\n{screen}")


def check_output_contains(turn: Turn, words: str) -> None:
    """The words were written since the line was typed."""
    written = visible(turn.output)
    if words not in written:
        raise CheckFailed(f"expected {words!r} after {turn.typed!r}, the output is:\n{written}")


def check_output_lacks(turn: Turn, words: str) -> None:
    """The words were not written since the line was typed."""
    written = visible(turn.output)
    if words in written:
        raise CheckFailed(f"expected no {words!r} after {turn.typed!r}, the output is:\n{written}")


def check_truncation_shown(turn: Turn) -> None:
    """The truncation of the answer is shown: dots at its end (0.9), or an error (0.8)."""
    shown = turn.answer.endswith("...") or "ERROR" in turn.output
    if not shown:
        raise CheckFailed(f"expected a truncation notice, the output is:\n{visible(turn.output[-1500:])}")


def check_line(turn: Turn, text: str) -> None:
    """The line that was sent stood like this on the screen."""
    if turn.typed != text:
        raise CheckFailed(f"expected the line {text!r}, it was {turn.typed!r}")


def check_no_control_codes(turn: Turn) -> None:
    """The answer was written without control characters (ECMA-48), but for line feeds and tabs."""
    found = sorted(set(_CONTROLS.findall(turn.answer)))
    if not turn.answer.strip():
        raise CheckFailed(f"expected an answer, the output is:\n{visible(turn.output)}")
    if found:
        raise CheckFailed(f"the answer's control characters went to the terminal: {visible(turn.answer)}")


def check_prompted(chat: Chat | TmuxWindow) -> None:
    """The program runs, and shows a prompt for the next line."""
    if not chat.alive:
        raise CheckFailed(f"the chat has ended; the screen:\n{chat.shown}")
    if not chat.prompted:
        raise CheckFailed(f"expected a prompt on the last line:\n{chat.shown}")


def check_stats(turn: Turn, prompt: int, answer: Sequence[int]) -> None:
    """The statistics give the time to the first token, and the tokens that the tokenizer counts."""
    written = visible(turn.stats)
    if not _FIRST_TEXT.search(written):
        raise CheckFailed(f"expected the time to the first token, got:\n{visible(turn.output)}")
    given, made = _PROMPT_TOKENS.search(written), _ANSWER_TOKENS.search(written)
    if not (given and int(given[1]) == prompt):
        raise CheckFailed(f"expected {prompt} tokens of prompt, got:\n{written}")
    if not (made and int(made[1]) in answer):
        raise CheckFailed(f"expected {' or '.join(map(str, answer))} tokens, got:\n{written}")


def check_ended(ending: Ending, exit_code: int, limit: float) -> None:
    """The program exited with this code, in time (seconds)."""
    if ending.exit_code != exit_code:
        raise CheckFailed(
            f"expected exit code {exit_code}, got {ending.exit_code}; the screen:\n{ending.screen}"
        )
    if ending.seconds > limit:
        raise CheckFailed(f"expected the program to exit within {limit} s, it took {ending.seconds:.1f} s")


def check_restored(session: TerminalSession) -> None:
    """The line settings are those of `stty sane` (echo, whole lines, signal keys), and no mode is left on."""
    wrong = [f"-{name}" for name, on in session.line_settings().items() if not on]
    wrong += session.screen.unrestored_modes()
    if wrong:
        raise CheckFailed(
            f"the terminal is not restored: {', '.join(wrong)}; the screen:\n{session.screen.text}"
        )
