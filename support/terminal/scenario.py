"""The terminal of one scenario: chats that are started in it, their input, checks of their output.

Error messages make control characters visible.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from support.errors import CheckFailed, SeveralFailures
from support.models.script import Script
from support.programs.child_environment import child_environment
from support.programs.never_ready import NEVER_READY
from support.programs.process import CompletedCommand
from support.programs.system_program import TMUX
from support.reporting.evidence import Transcript
from support.results.causes import why_ended
from support.results.must_check import MustCheck
from support.results.safe_text import visible
from support.results.scenario_result import ScenarioResult
from support.scenario import ScenarioContext
from support.servers.cli_checks import CRASH, call
from support.servers.command_line import ModelArguments, chat_command_prefix
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import LaunchResult, StartFailure
from support.terminal.chat import ENDING_KEYS, Chat, Turn, as_printed, as_typed
from support.terminal.pty_session import MESSAGE_CHARACTERS, TerminalSession
from support.terminal.tmux import TmuxWindow
from support.waiting import WaitTimeout

T = TypeVar("T")

# The script of a model that outputs control codes.
CONTROL_CODES = Path(__file__).parents[1] / "models" / "scripts" / "control_codes.toml"
# The smallest context of a model: an answer of half a second fills it.
SMALL_CONTEXT = 512
END_SECONDS = 10.0
# Kinds of starts, beside those of `CHAT_SETUPS`.
CHAT = "a terminal chat"
FAILING_CHAT = "a terminal chat that has to fail"
FILE, PIPE = SOURCES = ("a file", "a pipe")
CHAT_SETUPS = (
    "with that model",
    "with a 512-token context",
    "with a model that outputs control codes",
    "in a tmux window",
)
# What a screen may show, beside words in quotes.
EVERY_LINE, TRUNCATION = SCREEN_CONTENTS = ("every line", "that the answer was truncated")
# Of an answer, to know that it has begun.
BEGINNING = 12
# Until one arrives in chunks: what a buffered output never does.
MORE_ANSWERS = 2
# Text without any keyword of a script.
FILLER = "and so on, "

# ECMA-48, but for line feeds and tabs.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CRASHED = re.compile(rf"[^\n]*(?:{CRASH.pattern}).*", re.DOTALL)
_FIRST_TEXT = re.compile(r"ime to first token: \d+\.\d+s")
_PROMPT_TOKENS = re.compile(r"^Prompt: (\d+) tokens", re.MULTILINE)
_ANSWER_TOKENS = re.compile(r"^Decode: (\d+) tokens", re.MULTILINE)


class TerminalScenario(ScenarioResult):  # noqa: PLR0904 - one method for each step
    """Fresh for each scenario."""

    kind = "terminal chat"

    def __init__(self, context: ScenarioContext) -> None:
        self.turns: MustCheck[Turn] = context.must_check("answer in the terminal")
        self._suite = context.suite
        self._folder = context.folder
        self._cleanups = context.cleanups
        self._chats: list[Chat | TmuxWindow] = []
        self._script: Script | None = None
        self._given_outputs: list[str] = []

    # -- starting

    @property
    def chat(self) -> Chat:
        """The chat that was started last."""
        chat = self._latest_chat
        if not isinstance(chat, Chat):
            raise CheckFailed("this step needs a pseudo-terminal, the chat is in a tmux window")
        return chat

    @property
    def _latest_chat(self) -> Chat | TmuxWindow:
        if not self._chats:
            raise CheckFailed("a Given step that starts a chat has to come first")
        return self._chats[-1]

    def start(self, model: ModelArguments | None = None, kind: str = CHAT) -> None:
        """Start a chat, with the scripted model by default, and wait for its prompt.

        `kind`: a chat that shows no prompt, twice in a row, is not started again. Raises `CheckFailed` then.
        """
        words = self._suite.command.command_line.chat(model or self._suite.scripted())
        self._begin(kind, lambda: self.open(words))

    def _begin(self, kind: str, start: Callable[[], Chat | TmuxWindow]) -> None:
        # Where the plain chat shows no prompt, no other one does; one that has to fail shows none anyway.
        for checked in (kind,) if kind == FAILING_CHAT else (CHAT, kind):
            if reason := NEVER_READY.reason(checked):
                raise CheckFailed(reason)
        chat = start()
        try:
            chat.begin()
        except WaitTimeout as error:
            if not chat.alive:
                raise error from self._start_failure(chat, error)
            NEVER_READY.failed(kind, str(error).partition("\n")[0].partition("; the screen")[0])
            raise
        NEVER_READY.succeeded(kind)

    def _start_failure(self, chat: Chat | TmuxWindow, error: WaitTimeout) -> StartFailure:
        """Of a chat that has ended before its prompt: the cause is that of a server that does not start."""
        # Not the screen, which breaks lines.
        log = chat.session.output.decode(errors="replace") if isinstance(chat, Chat) else chat.whole_text
        log = log.replace("\r\n", "\n")
        code = chat.session.exit_code if isinstance(chat, Chat) else None
        cause = f"{self._suite.command.label} does not start: {why_ended(log)}"
        return StartFailure(visible(str(error)), exit_code=code, log=log, cause=cause)

    def start_with(self, setup: str, planned: Callable[[], ModelArguments]) -> None:
        """Start a chat in one of the ways of `CHAT_SETUPS`."""
        models, kind = self._suite.models, f"{CHAT} {setup}"
        match setup:
            case "with that model":
                model = planned()
                self.start(model, f"{kind} ({model.format})")
            case "with a 512-token context":
                self.start(arguments_of(models.scripted(self._suite.script, context=SMALL_CONTEXT)), kind)
            case "with a model that outputs control codes":
                self._script = Script.load(CONTROL_CODES)
                self.start(arguments_of(models.scripted(self._script)), kind)
            case _:
                self._begin(kind, self.open_window)

    def try_start(self, model: ModelArguments) -> LaunchResult:
        """Start a chat that has to fail: the program exits before any prompt."""
        began = time.monotonic()
        try:
            self.start(model, FAILING_CHAT)
        except WaitTimeout as error:
            failure = error.__cause__
            if not isinstance(failure, StartFailure):
                raise
            return LaunchResult(None, failure, time.monotonic() - began)
        raise CheckFailed(
            f"expected the start to fail, but there is a prompt:\n{self.chat.session.screen.text}"
        )

    def prompt_once(self, arguments: Sequence[str], question: str) -> None:
        """Run a one-shot prompt in the terminal; its output is the turn."""
        self.open(arguments)
        self.turns.add(self.chat.run_once(question))

    def open(self, words: Sequence[str]) -> Chat:
        """Start the program in a terminal with a home that all chats of the scenario share."""
        target, env = self._suite.command, child_environment(self._folder)
        session = TerminalSession([target.path, *words], env=env, cwd=self._folder)
        self._cleanups.callback(session.stop)
        patience = self._suite.settings.seconds(1.0)
        chat = Chat(session, self._command_prefix, patience)
        self._chats.append(chat)
        return chat

    @property
    def _command_prefix(self) -> str:
        return chat_command_prefix(self._suite.command.version)

    def open_window(self) -> TmuxWindow:
        """Start a chat in a window of tmux."""
        target, settings = self._suite.command, self._suite.settings
        tmux = TMUX.find(settings.acceptance_cache_dir)
        if tmux is None:
            raise CheckFailed("this scenario lacks the tag @needs.tmux")
        window = TmuxWindow(
            tmux.path,
            [target.path, *target.command_line.chat(self._suite.scripted())],
            env=child_environment(self._folder),
            cwd=self._folder,
            patience=settings.seconds(1.0),
        )
        self._cleanups.callback(window.stop)
        self._chats.append(window)
        return window

    def chat_from_input(self, arguments: Sequence[str], questions: str, source: str) -> CompletedCommand:
        """Run a chat that reads its lines from `a file` or `a pipe`."""
        path = self._folder / "questions.txt"
        lines = [as_typed(line, self._command_prefix) for line in questions.splitlines()]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        stream = os.open(path, os.O_RDONLY) if source == FILE else _pipe(path)
        try:
            return call(self._suite.command, arguments, self._folder, self._suite.settings, stream)
        finally:
            os.close(stream)

    # -- input

    def send_line(self, text: str) -> None:
        """Type a line; its turn has to be checked."""
        self.turns.add(self._latest_chat.send_line(text))

    def send_each(self, table: Iterable[Mapping[str, str]]) -> None:
        """Type each `line` of a table; a column `output` has texts that the outputs have to contain."""
        for row in table:
            self.send_line(row["line"])
            self._given_outputs.append(row.get("output", ""))

    def send_long_line(self, length: int, words: str) -> None:
        """Type a line of so many characters that ends with these words."""
        self.send_line((FILLER * length)[: length - len(words) - 1] + " " + words)

    def send_lines(self, lines: list[str], last: str) -> None:
        """Type several lines at once; after the first answer, type one more, whose turn is the last one."""
        self.turns.add(self.chat.send_lines(lines))
        self.send_line(last)

    def paste(self, text: str) -> None:
        self.turns.add(self.chat.paste(text))

    def interrupt_answer(self, text: str) -> Turn:
        """Type a line, and press Ctrl-C when its answer has begun."""
        self.chat.enter(text)
        self.chat.await_text(self._scripted_answer(text)[:BEGINNING])
        return self.chat.interrupt("Ctrl-C")

    def press_keys(self, keys: Iterable[tuple[str, int]]) -> None:
        """Press each key so many times, type text in double quotes. A turn that ends has to be checked."""
        for key, times in keys:
            if key.startswith('"'):
                self.chat.write(key.strip('"') * times)
            elif key == "Enter":
                self.turns.add(self.chat.submit())
            elif key in ENDING_KEYS:
                self.turns.add(self.chat.interrupt(key))
            else:
                self.chat.press(key, times)

    # -- checks of the answers

    @property
    def available(self) -> bool:
        return self.turns.available

    def require_scripted(self) -> None:
        """The output before the statistics is exactly the answer."""
        _check_each(self._answered(), self._check_answer)

    def _check_answer(self, turn: Turn) -> None:
        expected = self._scripted_answer("\n".join(message["content"] for message in turn.messages))
        if turn.answer != expected:
            # An engine that has crashed before answers nothing: then its crash is why.
            crashes = [] if CRASH.search(turn.output) else self.crashes()
            output = "\n".join([visible(turn.output), *crashes])
            found = f"got {turn.answer!r}; the output is:\n{output}"
            raise CheckFailed(f"expected the answer {expected!r} to {turn.typed!r}, {found}")

    def require_chunks(self, least: int) -> None:
        """The text of the answer arrived in at least so many chunks.

        Where other programs take the CPU, one read gets several: then the line is typed again.
        """
        turn = self.turns.get()
        for _ in range(MORE_ANSWERS):
            if turn.chunks < least and self._chats:
                self.send_line(turn.typed)
                turn = max(turn, self.turns.get(), key=lambda one: one.chunks)
        if turn.chunks < least:
            raise CheckFailed(
                f"expected the answer in {least} or more chunks, it arrived in {turn.chunks}:\n"
                f"{visible(turn.output)}"
            )

    def require_token_counts(self) -> None:
        """The statistics give the time to the first token, and the tokens that the tokenizer counts."""
        _check_each(self._answered(), self._check_stats)

    def _check_stats(self, turn: Turn) -> None:
        model = self._suite.models.compiled(self._suite.script)
        written = visible(turn.stats)
        if not _FIRST_TEXT.search(written):
            raise CheckFailed(f"expected the time to the first token, got:\n{visible(turn.output)}")
        given, made = _PROMPT_TOKENS.search(written), _ANSWER_TOKENS.search(written)
        prompt = model.count_prompt(turn.messages)
        if not (given and int(given[1]) == prompt):
            raise CheckFailed(f"expected {prompt} tokens of prompt, got:\n{written}")
        answer = len(model.answer_tokens(model.answer_to(turn.messages)))
        # Versions count the end of the answer, or not.
        if not (made and int(made[1]) in (answer, answer + 1)):
            raise CheckFailed(f"expected {answer} or {answer + 1} tokens, got:\n{written}")

    def require_no_control_codes(self) -> None:
        """The answers were written without control characters."""
        _check_each(self._answered(), _check_no_control_codes)

    def require_truncation_shown(self) -> None:
        """The truncation of the answer is shown: dots at its end (0.9), or an error (0.8)."""
        turn = self.turns.get()
        if not (turn.answer.endswith("...") or "ERROR" in turn.output):
            raise CheckFailed(f"expected a truncation notice, the output is:\n{visible(turn.output[-1500:])}")

    def _answered(self) -> list[Turn]:
        """Every turn but those of commands, which no model answers."""
        answered = [turn for turn in self.turns.all() if turn.messages]
        if not answered:
            raise CheckFailed("every line was a command, which no model answers")
        return answered

    def _scripted_answer(self, conversation: str) -> str:
        return (self._script or self._suite.script).answer_to(conversation).answer

    # -- checks of the output

    def require_contains(self, text: str) -> None:
        self._check_contains((self.turns.get(), text))

    def require_given_outputs(self) -> None:
        """Each line of `send_each` has the output that was given for it."""
        _check_each(zip(self.turns.all(), self._given_outputs, strict=True), self._check_contains)

    def _check_contains(self, turn_and_words: tuple[Turn, str]) -> None:
        turn, words = turn_and_words
        words, written = as_printed(words, self._command_prefix), visible(turn.output)
        if words not in written:
            raise CheckFailed(f"expected {words!r} after {turn.typed!r}, the output is:\n{written}")

    def require_lacks(self, text: str) -> None:
        """The text was not written since the first line was typed."""
        _check_each(self.turns.all(), lambda turn: _check_lacks(turn, text))

    def require_line(self, text: str) -> None:
        """The line that was sent stood like this on the screen."""
        typed = self.turns.get().typed
        if typed != text:
            raise CheckFailed(f"expected the line {text!r}, it was {typed!r}")

    def require_shown(self, content: str) -> None:
        """Words in quotes, or `SCREEN_CONTENTS`, are on the screen, or above it."""
        if content == TRUNCATION:
            self.require_truncation_shown()
        elif content == EVERY_LINE:
            _check_each(self.turns.all(), lambda turn: self._require_words(turn.typed))
        else:
            self._require_words(content.strip('"'))

    def _require_words(self, words: str) -> None:
        screen = self.chat.session.screen.whole_text
        if words not in screen:
            raise CheckFailed(f"expected {words!r} on the screen:\n{screen}")

    def require_prompt(self) -> None:
        """The chat shows a new prompt; the turns before it need no other check."""
        self.turns.all()
        check_prompted(self._latest_chat)

    # -- checks of the end

    def require_exit(self, exit_code: int, limit: float) -> None:
        """The program exits. The turn of its last line is checked by that."""
        self.turns.all()
        began, session = time.monotonic(), self.chat.session
        code = session.wait_end(self._suite.settings.seconds(END_SECONDS))
        seconds = time.monotonic() - began
        if code != exit_code:
            raise CheckFailed(
                f"expected exit code {exit_code}, got {code}; the screen:\n{session.screen.text}"
            )
        if seconds > limit:
            raise CheckFailed(f"expected the program to exit within {limit} s, it took {seconds:.1f} s")

    def require_restored(self) -> None:
        """The terminal is restored after the program has exited; one that still runs gets Ctrl-D."""
        session = self.chat.session
        if session.alive:
            self.chat.interrupt("Ctrl-D")
            self.turns.all()
            session.wait_end(self._suite.settings.seconds(END_SECONDS))
        session.require_restored()

    def crashes(self) -> list[str]:
        """What the screens show of a crash, also of one that was scrolled out: from its line on."""
        shown = (_CRASHED.search(chat.whole_text) for chat in self._chats)
        return [
            f"the screen shows a crash: {crash[0][:MESSAGE_CHARACTERS].lstrip()}" for crash in shown if crash
        ]

    def transcripts(self) -> list[Transcript]:
        """Of each terminal, in the order in which they were opened."""
        return [chat.transcript(f"terminal {number}") for number, chat in enumerate(self._chats, 1)]


def check_prompted(chat: Chat | TmuxWindow) -> None:
    """The program runs, and shows a prompt for the next line."""
    if not chat.alive:
        raise CheckFailed(f"the chat has ended; the screen:\n{chat.shown}")
    if not chat.prompted:
        raise CheckFailed(f"expected a prompt on the last line:\n{chat.shown}")


def _check_each(items: Iterable[T], check: Callable[[T], None]) -> None:
    """Check all of them; raises `SeveralFailures` with every failure, not only the first."""
    failures = []
    for item in items:
        try:
            check(item)
        except AssertionError as error:
            failures.append(str(error))
    if failures:
        raise SeveralFailures("\n\n".join(failures), failures)


def _check_lacks(turn: Turn, words: str) -> None:
    written = visible(turn.output)
    if words in written:
        raise CheckFailed(f"expected no {words!r} after {turn.typed!r}, the output is:\n{written}")


def _check_no_control_codes(turn: Turn) -> None:
    if not turn.answer.strip():
        raise CheckFailed(f"expected an answer, the output is:\n{visible(turn.output)}")
    if _CONTROLS.search(turn.answer):
        raise CheckFailed(f"the answer's control characters went to the terminal: {visible(turn.answer)}")


def _pipe(path: Path) -> int:
    """The read end of a pipe that contains the file; its write end is closed."""
    reading, writing = os.pipe()
    # It fits: a pipe takes 64 KiB on Linux, 16 on macOS.
    os.write(writing, path.read_bytes())
    os.close(writing)
    return reading
