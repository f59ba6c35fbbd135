"""`mistralrs-reference run`: a conversation in the terminal, or one answer with `-i`.

It looks as in 0.8.1 and 0.9.2 of the binary. Lines are edited by Python's readline, where there is
one; the binary has rustyline.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from support.bundled.reference_server import logs
from support.bundled.reference_server.engine import Call, Engine, EngineError, Message
from support.bundled.reference_server.json_fields import JsonObject
from support.bundled.reference_server.loading import ModelOptions, resolve_model
from support.bundled.reference_server.serve import load_engine

echo = partial(print, flush=True)
ALARM_SECONDS = 0.1
_BAR = "=" * 20
_COMMANDS = """Welcome to interactive mode! \
Because this model is a text model, you can enter prompts and chat with the model.

Commands:
- `/help`: Display this message.
- `/exit`: Quit interactive mode.
- `/system <system message here>`:
    Add a system message to the chat without running the model.
    Ex: `/system Always respond as a pirate.`
- `/clear`: Clear the chat history.
- `/temperature <float>`: Set sampling temperature (0.0 to 2.0).
- `/topk <int>`: Set top-k sampling value (>0).
- `/topp <float>`: Set top-p sampling value in (0.0 to 1.0)."""


@dataclass
class Sampling:
    """What `run` samples with; the defaults are the binary's, unless the model brings its own."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05

    @classmethod
    def of_model(cls, folder: Path) -> Sampling:
        """With the values of the model's `generation_config.json`, where there are any."""
        try:
            given = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls()
        return cls(**{f.name: given[f.name] for f in fields(cls) if given.get(f.name) is not None})

    def __str__(self) -> str:
        return f"temp={self.temperature}, top_k={self.top_k}, top_p={self.top_p}, min_p={self.min_p}"


@dataclass
class Conversation:
    """The history and the sampling of a chat."""

    engine: Engine
    sampling: Sampling
    request_log: Path | None = None
    messages: list[Message] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def answer(self, text: str) -> None:
        """Print the model's answer, and keep it in the history. Raises `EngineError`."""
        self.messages.append({"role": "user", "content": text})
        call = Call(list(self.messages), vars(self.sampling).copy())
        if self.request_log is not None:
            with self.request_log.open("a", encoding="utf-8") as log:
                body = json.dumps({"messages": self.messages, **call.parameters}, ensure_ascii=False)
                log.write(f"Request at {datetime.now(UTC).isoformat()}: {body}\n\n")
        self.cancelled.clear()
        parts, first, usage = [], None, None
        started = time.monotonic()
        with closing(self.engine.stream(call)) as chunks:
            for chunk in chunks:
                first = first or time.monotonic() - started
                usage = chunk.usage
                for piece in chunk.deltas:
                    if piece.reasoning:
                        _write(f"\x1b[90m{piece.reasoning}\x1b[0m")
                    parts.append(piece.text or "")
                    _write(parts[-1] + ("..." if piece.finish_reason == "length" else ""))
                if self.cancelled.is_set():
                    break
        self.messages.append({"role": "assistant", "content": "".join(parts)})
        self._stats(first or 0.0, usage, len(parts), time.monotonic() - started)

    def _stats(self, first: float, usage: JsonObject | None, pieces: int, seconds: float) -> None:
        echo("\n\nStats:")
        echo(f"CLI time to first token: {first:.2f}s")
        if usage is not None:
            prompt, decode = usage["avg_prompt_tok_per_sec"], usage["avg_compl_tok_per_sec"]
            echo(f"Prompt: {usage['prompt_tokens']} tokens, {prompt:.2f} T/s")
            echo(f"Decode: {usage['completion_tokens']} tokens, {decode:.2f} T/s")
        else:
            # A cancelled answer has no usage: the received pieces are counted.
            echo(f"Decode: {pieces} tokens, {pieces / max(seconds - first, 1e-9):.2f} T/s")
        echo(f"Sampling: {self.sampling}\n")

    def run_command(self, line: str) -> bool:
        """Run a command; False when the line is a message for the model."""
        command, _, rest = line.partition(" ")
        if line == "/help":
            echo(f"{_BAR}\n{_COMMANDS}\n{_BAR}")
        elif line == "/clear":
            self.messages.clear()
            logs.log(logs.RUN, "Cleared chat history.")
        elif command == "/system":
            self.messages.append({"role": "system", "content": rest.strip()})
            logs.log(logs.RUN, f"Set system message to `{rest.strip()}`.")
        elif command == "/temperature":
            self._set("temperature", rest, float, lambda v: 0 <= v <= 2, "temperature must be in [0.0, 2.0]")
        elif command == "/topk":
            self._set("top_k", rest, int, lambda v: v > 0, "top-k must be a positive integer")
        elif command == "/topp":
            self._set("top_p", rest, float, lambda v: 0 < v <= 1, "top-p must be in (0.0, 1.0]")
        else:
            return False
        return True

    def _set(self, name: str, text: str, kind: Any, valid: Any, message: str) -> None:
        command = name.replace("_", "")
        try:
            value = kind(text)
        except ValueError:
            echo(f"Error: format is `/{command} <{kind.__name__}>`")
            return
        if not valid(value):
            echo(f"Error: {message}")
            return
        setattr(self.sampling, name, value)
        logs.log(logs.RUN, f"Set {name.replace('_', '-')} to {value}")


def run_interactive(model: ModelOptions, text: str | None, request_log: Path | None) -> None:
    """Load the model, then answer one message or a whole conversation. Raises what `load` raises."""
    engine = load_engine(model)
    chat = Conversation(engine, Sampling.of_model(Path(resolve_model(model).model_id)), request_log)
    if text is not None:
        logs.log(logs.RUN, "Model loaded, running one-shot mode...")
        _answer(chat, text)
        return
    logs.log(logs.RUN, "Model loaded, starting interactive mode...")
    logs.log(logs.RUN, f"Starting interactive loop with sampling params: {chat.sampling}")
    echo(f"{_BAR}\n{_COMMANDS}\n\nSampling: {chat.sampling}\n{_BAR}")
    with _line_editor():
        _loop(chat)


@contextmanager
def _line_editor() -> Iterator[None]:
    """Arrow keys, bracketed paste, and the history of earlier chats in the file that the binary uses."""
    if not sys.stdin.isatty():
        yield
        return
    try:
        # `input` uses it from then on. Windows has none; its console edits lines itself.
        import readline
    except ImportError:
        yield
        return
    # Python switches it off: its own prompt would take pasted lines as one statement.
    readline.parse_and_bind("set enable-bracketed-paste on")
    place = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mistral.rs" / "history.txt"
    with suppress(OSError):
        readline.read_history_file(place)
    try:
        yield
    finally:
        place.parent.mkdir(parents=True, exist_ok=True)
        readline.write_history_file(place)


def _write(text: str) -> None:
    """A part of an answer, visible at once."""
    echo(text, end="")


def _loop(session: Conversation) -> None:
    while True:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            line = _read_line()
            # From here on Ctrl-C cancels the answer at its next token.
            signal.signal(signal.SIGINT, lambda *_: session.cancelled.set())
        except (EOFError, KeyboardInterrupt):
            return
        if line == "/exit":
            return
        if line and not session.run_command(line) and not _answer(session, line):
            return


def _read_line() -> str:
    if sys.stdin.isatty():
        with _repeated_alarm():
            return input("> ").strip()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


@contextmanager
def _repeated_alarm() -> Iterator[None]:
    """A Ctrl-C just before `input` waits is noticed when something else interrupts the wait."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, ALARM_SECONDS, ALARM_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(session: Conversation, text: str) -> bool:
    """False when the engine failed: reported in the log, not by the exit code, as in the binary."""
    try:
        session.answer(text)
    except EngineError as error:
        logs.log(logs.RUN, f"Got a model error: {error}", level="ERROR")
        return False
    return True
