"""The chat of `mistralrs run`: typing, answers, prompt.

The look is that of 0.8.1 and 0.9.2: a prompt `> `, the answer as it is made, then a block `Stats:`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from support.reporting.evidence import Transcript
from support.terminal.pty_session import TerminalSession

Message = dict[str, str]

# With tools their names stand before it.
PROMPT = re.compile(r"(?:\[[^\]]*\] )?> ")
STATS = "\n\nStats:\n"
EXACT_COMMANDS = ("/help", "/exit", "/clear")
COMMANDS_WITH_VALUE = ("/system", "/temperature", "/topk", "/topp")
# The slash of a command that begins the words or follows a back quote.
_COMMAND = re.compile(r"(?<![^`])/(?=[a-z])")
KEYS = {
    "Enter": b"\r",
    "Ctrl-C": b"\x03",
    "Ctrl-D": b"\x04",
    "Backspace": b"\x7f",
    "Arrow-Up": b"\x1b[A",
    "Arrow-Down": b"\x1b[B",
    "Arrow-Left": b"\x1b[D",
}
# These end the line, the answer or the chat; the others edit the line.
ENDING_KEYS = ("Ctrl-C", "Ctrl-D")
START_SECONDS = 30.0
ANSWER_SECONDS = 20.0
KEY_SECONDS = 5.0
_PASTE = "\x1b[200~{}\x1b[201~"
# A line editor submits the line: the end of bracketed paste, and a new line after (rustyline) or before
# it (GNU readline).
_LINE_SUBMITTED = re.compile(rb"\x1b\[\?2004l[\r\n]{1,2}")


@dataclass(frozen=True)
class Turn:
    """One line that was typed, and all that was written until the next prompt (or the end).

    `messages`: the conversation that the model got with it; empty when the line was a command. `chunks`: the
    number of reads in which the output came.
    """

    typed: str
    output: str
    messages: tuple[Message, ...]
    chunks: int

    @property
    def answer(self) -> str:
        """What was written before the statistics, line ends as `\\n`."""
        return self.output.rpartition(STATS)[0] if STATS in self.output else self.output

    @property
    def stats(self) -> str:
        """The statistics; empty when there are none."""
        return self.output.rpartition(STATS)[2] if STATS in self.output else ""


class Chat:
    """The conversation in a terminal session.

    `command_prefix`: `/`, up to 0.7 a backslash. `patience` multiplies every time limit.
    """

    def __init__(self, session: TerminalSession, command_prefix: str = "/", patience: float = 1.0) -> None:
        self.session = session
        self._command_prefix = command_prefix
        self._patience = patience
        # Since the chat began or was cleared.
        self._messages: list[Message] = []
        self._typed: str | None = None
        self._expects_answer = False
        self._since = 0
        self._reads = 0
        self._lines = -1

    def begin(self) -> None:
        """Wait for the first prompt. Raises `WaitTimeout` with the screen, at once when the program ends."""
        self._wait("the first prompt", lambda: self.prompted, START_SECONDS)

    @property
    def prompted(self) -> bool:
        """Whether a prompt has come since something was entered, and nothing stands behind it."""
        screen = self.session.screen
        free = PROMPT.fullmatch(screen.before_cursor) is not None and screen.awaits_line
        return free and screen.line_feeds > self._lines

    @property
    def alive(self) -> bool:
        return self.session.alive

    @property
    def shown(self) -> str:
        """The screen as it is."""
        return self.session.screen.text

    @property
    def whole_text(self) -> str:
        """With what was scrolled out of it."""
        return self.session.screen.whole_text

    def transcript(self, name: str) -> Transcript:
        return self.session.transcript(name)

    def send_line(self, text: str, keys: str | None = None) -> Turn:
        """Type a line, press Enter and wait for the next prompt, or for the end of the program."""
        self.enter(text, keys)
        return self.finish_turn()

    def enter(self, text: str, keys: str | None = None) -> None:
        """Type a line and press Enter. `keys`: what is typed for this line, itself by default."""
        self._begin_turn(text)
        if keys is None:
            keys = as_typed(text, self._command_prefix)
        self._type(keys + "\r")

    def paste(self, text: str) -> Turn:
        """Paste a text in brackets, as terminals do, and press Enter."""
        return self.send_line(text, _PASTE.format(text))

    def send_lines(self, lines: list[str]) -> Turn:
        """Send several lines at once, as a terminal without bracketed paste does; the turn of the first."""
        return self.send_line(lines[0], "\r".join(lines))

    def write(self, text: str) -> None:
        """Type without Enter, and wait until it stands before the cursor."""
        self._type(text)
        screen = self.session.screen
        self._wait(f"{text!r} in the line", lambda: screen.before_cursor.endswith(text), KEY_SECONDS)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key of the line editor; each time something has to change on the screen."""
        for _ in range(times):
            before = self.session.screen.cursor_state
            self.session.write(KEYS[key], KEY_SECONDS * self._patience)
            self._wait(
                f"an effect of {key}",
                lambda old=before: self.session.screen.cursor_state != old,  # type: ignore[misc]
                KEY_SECONDS,
            )

    def submit(self) -> Turn:
        """Press Enter on the line as it stands on the screen."""
        line = self.session.screen.cursor_state[0]
        return self.send_line(PROMPT.sub("", line, count=1), "")

    def interrupt(self, key: str) -> Turn:
        """Press Ctrl-C or Ctrl-D and wait for a new prompt, or for the end of the program."""
        if self._typed is None:
            self._begin_turn("")
        self._lines = self.session.screen.line_feeds
        self.session.write(KEYS[key], KEY_SECONDS * self._patience)
        return self.finish_turn(key)

    def await_text(self, text: str) -> None:
        """Wait until the current answer begins with this text."""
        self._wait(f"an answer that begins with {text!r}", lambda: self._written.startswith(text))

    def finish_turn(self, key: str = "") -> Turn:
        """Wait for the prompt after what was entered and this key, or for the end of the program."""
        typed = self._typed or ""
        entered = " and ".join(filter(None, (f"{typed[:60]!r}" if typed or not key else "", key)))
        awaited = f"the prompt or the end of the program after {entered}"
        self._wait(awaited, lambda: self.prompted or self.session.eof)
        pieces = sum(not part.typed for part in self.session.traffic[self._reads :])
        messages = tuple(self._messages) if self._expects_answer else ()
        turn = Turn(typed, self._written, messages, pieces)
        if self._expects_answer:
            self._messages.append({"role": "assistant", "content": turn.answer})
        self._typed, self._expects_answer = None, False
        return turn

    def run_once(self, question: str) -> Turn:
        """The output of a one-shot prompt, until the program has ended."""
        self._begin_turn(question)
        session = self.session
        self._wait("the end of the answer", lambda: session.eof, START_SECONDS + ANSWER_SECONDS)
        output = session.output.decode(errors="replace").replace("\r\n", "\n")
        return Turn(question, output, tuple(self._messages), len(session.traffic))

    def _begin_turn(self, text: str) -> None:
        session = self.session
        self._typed, self._expects_answer = text, False
        self._since, self._reads = len(session.output), len(session.traffic)
        self._lines = session.screen.line_feeds
        if text == "/clear":
            self._messages.clear()
        elif text.startswith("/system "):
            self._messages.append({"role": "system", "content": text.removeprefix("/system ")})
        elif text.strip() and not _is_command(text):
            self._messages.append({"role": "user", "content": text})
            self._expects_answer = True

    @property
    def _written(self) -> str:
        """The output since the line was submitted."""
        since = self.session.output[self._since :]
        submitted = _LINE_SUBMITTED.search(since)
        text = since[submitted.end() :] if submitted else since.partition(b"\n")[2]
        return text.decode(errors="replace").replace("\r\n", "\n")

    def _type(self, text: str) -> None:
        self.session.write(text.encode(), ANSWER_SECONDS * self._patience)

    def _wait(self, what: str, seen: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> None:
        self.session.wait(what, seen, seconds * self._patience)


def as_typed(line: str, command_prefix: str) -> str:
    """The line for a program whose commands begin with this prefix."""
    return command_prefix + line[1:] if _is_command(line) else line


def as_printed(words: str, command_prefix: str) -> str:
    """Words of the output of such a program: each command in them has its prefix."""
    # A function: in a text a backslash would be an escape.
    return _COMMAND.sub(lambda _: command_prefix, words)


def _is_command(text: str) -> bool:
    return text in EXACT_COMMANDS or text.startswith(COMMANDS_WITH_VALUE)
