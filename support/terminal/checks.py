"""Checks of what happened in a terminal. Control characters are made visible before anything is told."""

from __future__ import annotations

import re
from collections.abc import Sequence

from support.results.safe_text import visible
from support.terminal.chat import Chat, TerminalChat, Turn
from support.terminal.pty_session import TerminalSession
from support.terminal.scenario import Ending

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FIRST_TEXT = re.compile(r"ime to first token: \d+\.\d+s")
_PROMPT_TOKENS = re.compile(r"^Prompt: (\d+) tokens", re.MULTILINE)
_ANSWER_TOKENS = re.compile(r"^Decode: (\d+) tokens", re.MULTILINE)


def check_answer(turn: Turn, expected: str) -> None:
    """The answer was written to the letter, and nothing else before the statistics."""
    assert turn.answer == expected, (
        f"expected the answer {expected!r} to {turn.typed!r}, the terminal got:\n{visible(turn.output)}"
    )


def check_chunks(turn: Turn, least: int) -> None:
    """The answer's text came in at least so many pieces."""
    assert turn.chunks >= least, (
        f"expected the answer in {least} or more pieces, it came in {turn.chunks}:\n{visible(turn.output)}"
    )


def check_screen_contains(chat: Chat, words: str) -> None:
    """The words stand on the screen, or above it."""
    screen = chat.session.screen.whole_text
    assert words in screen, f"expected {words!r} on the screen:\n{screen}"


def check_output_contains(turn: Turn, words: str) -> None:
    """The words were written since the line was typed."""
    told = visible(turn.output)
    assert words in told, f"expected {words!r} after {turn.typed!r}, the terminal got:\n{told}"


def check_output_lacks(turn: Turn, words: str) -> None:
    """The words were not written since the line was typed."""
    told = visible(turn.output)
    assert words not in told, f"expected no {words!r} after {turn.typed!r}, the terminal got:\n{told}"


def check_truncation_shown(turn: Turn) -> None:
    """That the answer broke off can be read: dots at its end (0.9), or an error (0.8)."""
    told = turn.answer.endswith("...") or "ERROR" in turn.output
    assert told, f"expected a word about the cut, the terminal got:\n{visible(turn.output[-1500:])}"


def check_line(turn: Turn, text: str) -> None:
    """The line that was sent stood like this on the screen."""
    assert turn.typed == text, f"expected the line {text!r}, it was {turn.typed!r}"


def check_no_control_codes(turn: Turn) -> None:
    """The answer was written without control characters (ECMA-48), but for line feeds and tabs."""
    found = sorted(set(_CONTROLS.findall(turn.answer)))
    assert turn.answer.strip(), f"expected an answer, the terminal got:\n{visible(turn.output)}"
    assert not found, f"the answer's control characters went to the terminal: {visible(turn.answer)}"


def check_prompted(chat: TerminalChat) -> None:
    """The program runs, and its prompt waits for the next line."""
    assert chat.alive, f"the chat has ended; the screen:\n{chat.shown}"
    assert chat.prompted, f"expected a prompt on the last line:\n{chat.shown}"


def check_stats(turn: Turn, prompt: int, answer: Sequence[int]) -> None:
    """The statistics give the time to the first token, and the tokens that the tokenizer counts."""
    told = visible(turn.stats)
    assert _FIRST_TEXT.search(told), f"expected the time to the first token, got:\n{visible(turn.output)}"
    given, made = _PROMPT_TOKENS.search(told), _ANSWER_TOKENS.search(told)
    assert given and int(given[1]) == prompt, f"expected {prompt} tokens of prompt, got:\n{told}"
    assert made and int(made[1]) in answer, f"expected {' or '.join(map(str, answer))} tokens, got:\n{told}"


def check_ended(ending: Ending, exit_code: int, limit: float) -> None:
    """It ended with this exit code, in time (seconds)."""
    assert ending.exit_code == exit_code, (
        f"expected exit code {exit_code}, got {ending.exit_code}; the screen:\n{ending.screen}"
    )
    assert ending.seconds <= limit, f"expected an end within {limit} s, it took {ending.seconds:.1f} s"


def check_restored(session: TerminalSession) -> None:
    """It echoes, takes whole lines and obeys keys, as `stty sane` has it; no mode is left behind."""
    wrong = [f"-{name}" for name, on in session.line_settings().items() if not on]
    wrong += session.screen.unrestored_modes()
    assert not wrong, f"the terminal is not as it was: {', '.join(wrong)}; the screen:\n{session.screen.text}"
