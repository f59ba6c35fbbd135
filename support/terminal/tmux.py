"""A chat in a window of tmux, whose contents can be read."""

from __future__ import annotations

import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from support.programs.process import ManagedProcess, run_command
from support.programs.run_directory import temp_prefix
from support.reporting.evidence import Transcript
from support.results.safe_text import visible
from support.terminal.chat import STATS, Turn
from support.terminal.screen import COLUMNS, ROWS
from support.waiting import wait_until

CLIENT_SECONDS = 10.0
SERVER_SECONDS = 10.0
WINDOW = "chat"
# As it is drawn: a window has no blanks at the ends of its rows.
PROMPT = ">"


def _is_listening(path: Path) -> bool:
    """The file is there some moments before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class TmuxWindow:
    """One window with one program in it, on a tmux server of its own.

    The server stays in the foreground, so it ends with its owner; its program then gets SIGHUP.
    """

    def __init__(  # noqa: PLR0913 - a program with its terminal
        self,
        tmux: Path,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        rows: int = ROWS,
        columns: int = COLUMNS,
        patience: float = 1.0,
    ) -> None:
        """Raises WaitTimeout, CommandTimeout or OSError when there is no window; nothing is left then."""
        # Not in `cwd`: the path of a socket has to be short (unix(7): 108 bytes).
        self._folder = Path(tempfile.mkdtemp(prefix=f"{temp_prefix()}tmux-"))
        self._env = {**env, "TERM": "xterm"}
        path = self._folder / "socket"
        self._client = [str(tmux), "-u", "-S", str(path), "-f", "/dev/null"]
        self._patience = patience
        self._shown = ""
        self._typed: list[str] = []
        self._opened = False
        self._server = ManagedProcess(
            [*self._client, "-D"], stdout=self._folder / "server.log", env=self._env, cwd=cwd
        )
        try:
            self._wait("the socket of tmux", lambda: _is_listening(path))
            size = ["-x", str(columns), "-y", str(rows)]
            self._call("set-option", "-wg", "remain-on-exit", "on")
            words = shlex.join(map(str, command))
            self._call("new-session", "-d", "-s", WINDOW, *size, "-c", str(cwd), f"exec {words}")
            self._opened = True
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The server's."""
        return self._server.pid

    @property
    def alive(self) -> bool:
        """Whether the program runs. What it wrote last is shown after its end, too."""
        if not self._server.alive:
            return False
        return self._call("display-message", "-p", "-t", WINDOW, "#{pane_dead}").strip() == "0"

    @property
    def shown(self) -> str:
        """What the window shows now, without the blank rows below."""
        if self._server.alive:
            self._shown = visible(self._call("capture-pane", "-p", "-t", WINDOW)).rstrip()
        return self._shown

    @property
    def whole_text(self) -> str:
        """With what was scrolled out of it."""
        if not self._server.alive:
            return self._shown
        return visible(self._call("capture-pane", "-p", "-S", "-", "-t", WINDOW)).rstrip()

    @property
    def prompted(self) -> bool:
        """Whether a prompt stands on the last row, and nothing behind it."""
        return self.shown.rpartition("\n")[2].strip() == PROMPT

    def begin(self) -> None:
        """Wait for the first prompt; raises `WaitTimeout` with what is shown."""
        self._wait("the first prompt", lambda: self.prompted)

    def send_line(self, text: str) -> Turn:
        """Type a line, press Enter, and wait for statistics and a prompt below: its turn, as it is drawn."""
        self._typed.append(text)
        line = f"{PROMPT} {text}\n"
        self._call("send-keys", "-t", WINDOW, "-l", "--", text)
        self._call("send-keys", "-t", WINDOW, "Enter")
        self._wait(f"the prompt after {text!r}", lambda: self.prompted and STATS in self._below(line))
        return Turn(text, self._below(line), ({"role": "user", "content": text},), 1)

    def _below(self, line: str) -> str:
        return self._shown.rpartition(line)[2]

    def stop(self) -> None:
        """End tmux and what runs in it, and remove its folder. May be called twice."""
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def transcript(self, name: str) -> Transcript:
        """What the window showed when it was read last, and what was typed."""
        return Transcript(f"{name} (tmux)", "\n".join(self._typed), self._shown)

    def _wait(self, what: str, check: Callable[[], bool]) -> None:
        wait_until(
            what,
            check,
            timeout=SERVER_SECONDS * self._patience,
            alive=lambda: not self._opened or self.alive,
            seen=lambda: f"the window:\n{self._shown or '(blank)'}",
        )

    def _call(self, *words: str) -> str:
        """Run a command of a tmux client; its output."""
        outcome = run_command(
            [*self._client, *words],
            within=CLIENT_SECONDS * self._patience,
            env=self._env,
        )
        if outcome.exit_code != 0:
            raise OSError(f"tmux could not do `{words[0]}`: {outcome.describe()}")
        return outcome.stdout
