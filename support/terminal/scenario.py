"""The terminal of one scenario: chats are started in it, talked to and looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from support.models.script import Script
from support.programs.child_environment import child_environment
from support.programs.process import CompletedCommand, run_command
from support.programs.tmux import TMUX
from support.reporting.evidence import Transcript
from support.results.must_check import MustCheck
from support.results.safe_text import visible
from support.servers.cli_checks import CALL_SECONDS, CRASH
from support.servers.command_line import ModelArguments, chat_command_prefix
from support.servers.launch import LaunchResult
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import StartFailure
from support.suite import RunContext
from support.terminal.chat import ENDING_KEYS, Chat, TerminalChat, Turn
from support.terminal.pty_session import TerminalSession
from support.terminal.tmux import TmuxWindow
from support.waiting import WaitTimeout

# What a hostile model says.
CONTROL_CODES = Path(__file__).parents[1] / "models" / "scripts" / "control_codes.toml"
# The smallest context that models are made with: half a second of talking fills it.
SMALL_CONTEXT = 512
END_SECONDS = 10.0
FILE, PIPE = SOURCES = ("a file", "a pipe")
# Of an answer, to know that it has begun.
BEGINNING = 12
# Words that no script has a marker for.
FILLER = "and so on, "


@dataclass(frozen=True)
class Ending:
    """How a program ended in the terminal: exit code (negative: signal), seconds that it was waited for."""

    exit_code: int
    seconds: float
    screen: str


class Terminal:
    """What happens in the terminals of a scenario. What it starts is ended through `cleanups`."""

    def __init__(self, suite: RunContext, folder: Path, cleanups: ExitStack) -> None:
        self.turns: MustCheck[Turn] = MustCheck("answer in the terminal")
        self._suite = suite
        self._folder = folder
        self._cleanups = cleanups
        self._chats: list[TerminalChat] = []
        self._script: Script | None = None

    # -- starting

    @property
    def chat(self) -> Chat:
        """The chat that was started last."""
        chat = self._latest_chat
        assert isinstance(chat, Chat), "this is about a pseudo-terminal, the chat is in a window"
        return chat

    @property
    def _latest_chat(self) -> TerminalChat:
        assert self._chats, "a step that starts a chat has to come first"
        return self._chats[-1]

    def prompting(self) -> TerminalChat:
        """The chat, to see whether it asks for the next line: a look at what became of the last one."""
        self.turns.all()
        return self._latest_chat

    def start(self, model: ModelArguments | None = None) -> None:
        """Start a chat, with the speaking model unless told otherwise, and wait for its prompt."""
        self.open(self._suite.command.command_line.chat(model or self._suite.scripted()))
        self.chat.begin()

    def start_with_small_context(self) -> None:
        """Start a chat with a model that remembers no more than some hundred words."""
        files = self._suite.models.scripted(self._suite.script, context=SMALL_CONTEXT)
        self.start(arguments_of(files))

    def start_with_control_codes(self) -> None:
        """Start a chat with a model that says control codes."""
        self._script = Script.load(CONTROL_CODES)
        self.start(arguments_of(self._suite.models.scripted(self._script)))

    def try_start(self, model: ModelArguments) -> LaunchResult:
        """Start a chat that may be refused: then it has ended by itself before any prompt."""
        began = time.monotonic()
        try:
            self.start(model)
        except WaitTimeout as error:
            session = self.chat.session
            code = session.exit_code
            if code is None:
                raise
            log = session.output.decode(errors="replace").replace("\r\n", "\n")
            failure = StartFailure(visible(str(error)), exit_code=code, log=log)
            return LaunchResult(None, failure, time.monotonic() - began)
        raise AssertionError(f"expected a refusal, but there is a prompt:\n{self.chat.session.screen.text}")

    def ask_once(self, question: str) -> None:
        """Have one question answered in the terminal, without a chat; what is written is its turn."""
        self.open(self._suite.command.command_line.ask_once(self._suite.scripted(), question))
        self.turns.add(self.chat.run_once(question))

    def open(self, words: Sequence[str]) -> None:
        """Start the program in a terminal with a home that all chats of the scenario share."""
        target, settings = self._suite.command, self._suite.settings
        session = TerminalSession(
            [target.path, *words], env=child_environment(self._folder), cwd=self._folder
        )
        self._cleanups.callback(session.stop)
        patience = settings.seconds(1.0)
        self._chats.append(Chat(session, chat_command_prefix(target.version), patience))

    def open_window(self) -> None:
        """Start a chat in a window of tmux, and wait for its prompt."""
        target, settings = self._suite.command, self._suite.settings
        tmux = TMUX.find(settings.acceptance_cache_dir)
        assert tmux is not None, "this scenario lacks the tag @needs.tmux"
        window = TmuxWindow(
            tmux.path,
            [target.path, *target.command_line.chat(self._suite.scripted())],
            env=child_environment(self._folder),
            cwd=self._folder,
            patience=settings.seconds(1.0),
        )
        self._cleanups.callback(window.stop)
        self._chats.append(window)
        window.begin()

    def chat_from_input(self, questions: str, source: str) -> CompletedCommand:
        """Run a chat whose lines come from `a file` or `a pipe` instead of a person."""
        path = self._folder / "questions.txt"
        path.write_text(questions + "\n", encoding="utf-8")
        target, settings = self._suite.command, self._suite.settings
        with ExitStack() as opened:
            stream = os.open(path, os.O_RDONLY) if source == FILE else _pipe(path)
            opened.callback(os.close, stream)
            return run_command(
                [target.path, *target.command_line.chat(self._suite.scripted())],
                within=settings.seconds(CALL_SECONDS),
                folder=self._folder,
                env=child_environment(self._folder),
                cwd=self._folder,
                stdin=stream,
            )

    # -- talking

    def send_line(self, text: str) -> None:
        """Type a line; its turn is to be looked at."""
        self.turns.add(self._latest_chat.send_line(text))

    def send_long_line(self, length: int, words: str) -> None:
        """Type a line of so many characters that ends with these words."""
        self.send_line((FILLER * length)[: length - len(words) - 1] + " " + words)

    def send_lines(self, lines: list[str]) -> None:
        self.turns.add(self.chat.send_lines(lines))

    def paste(self, text: str) -> None:
        self.turns.add(self.chat.paste(text))

    def begin_answer(self, text: str) -> None:
        """Type a line, and see its answer begin: it is still being made then."""
        self.chat.enter(text)
        self.chat.await_text(self._scripted_answer(text)[:BEGINNING])

    def stop_answer(self, text: str) -> None:
        """Type a line, and stop its answer when it has begun."""
        self.begin_answer(text)
        self.chat.interrupt("Ctrl-C")

    def press(self, key: str, times: int = 1) -> None:
        """Press a key; a turn that ends by it is to be looked at."""
        if key == "Enter":
            self.turns.add(self.chat.submit())
        elif key in ENDING_KEYS:
            self.turns.add(self.chat.interrupt(key))
        else:
            self.chat.press(key, times)

    def end(self) -> Ending:
        """How the program ended; waits for it. What its last line gave is seen by that."""
        self.turns.all()
        began = time.monotonic()
        session = self.chat.session
        code = session.wait_end(self._suite.settings.seconds(END_SECONDS))
        return Ending(code, time.monotonic() - began, session.screen.text)

    def after_exit(self) -> TerminalSession:
        """The terminal after the program has ended; it is asked to, if it still runs."""
        if self.chat.alive:
            self.chat.interrupt("Ctrl-D")
            self.end()
        return self.chat.session

    # -- what is known beforehand

    def expected_answer(self) -> str:
        """What the script says to the latest turn."""
        said = [message["content"] for message in self.turns.get().messages]
        assert said, "the latest line was a command, which no model answers"
        return self._scripted_answer("\n".join(said))

    def expected_token_counts(self) -> tuple[int, tuple[int, int]]:
        """Prompt tokens of the latest turn; tokens of its answer, without and with the end."""
        model, messages = self._suite.compiled, list(self.turns.get().messages)
        made = len(model.answer_tokens(model.answer_to(messages)))
        return len(model.vocabulary.encode(model.prompt(messages))), (made, made + 1)

    def _scripted_answer(self, conversation: str) -> str:
        return (self._script or self._suite.script).answer_to(conversation).answer

    # -- what remains

    def check_at_end(self) -> None:
        """Turns were looked at, and no screen tells of a crash."""
        self.turns.require_checked()
        for talk in self._chats:
            crash = CRASH.search(talk.shown)
            assert crash is None, f"the screen tells of a crash:\n{talk.shown}"

    def transcripts(self) -> list[Transcript]:
        """Of each terminal, in the order in which they were opened."""
        return [talk.transcript(f"terminal {number}") for number, talk in enumerate(self._chats, 1)]


def _pipe(path: Path) -> int:
    """The reading end of a pipe that holds the file, and is shut at the other end."""
    reading, writing = os.pipe()
    # It fits: a pipe takes 64 KiB on Linux, 16 on macOS.
    os.write(writing, path.read_bytes())
    os.close(writing)
    return reading
