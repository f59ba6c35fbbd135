"""An interactive session of Aider in a terminal: one line typed, and what comes until the next prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from support.errors import CheckFailed
from support.terminal.pty_session import TerminalSession

COLUMNS = 200
SERVER_DIED = "the server died during the run"
# `> `, or `diff> ` where the edit format is not that of the model; and a question that waits for yes or no.
_PROMPT = re.compile(r"(?:\n(?:\w+> |> )|\(Y\)es/\(N\)o.*?: )$")


class AiderSession:
    """Aider in a terminal, just started. `timeout`: seconds for one turn.

    `server_alive`: whether its server is; without it Aider repeats its request for more than a minute.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        folder: Path,
        timeout: float,
        server_alive: Callable[[], bool],
    ) -> None:
        self.terminal = TerminalSession(command, env=env, cwd=folder, columns=COLUMNS)
        self._timeout = timeout
        self._server_alive = server_alive

    def wait_for_prompt(self) -> str:
        """The first one; what Aider printed before. Raises as `enter` does."""
        return self._read_until_prompt(0)

    def enter(self, line: str) -> str:
        """Type a line; what Aider prints until it waits for the next one.

        Raises `WaitTimeout`, and `CheckFailed` when the server has died.
        """
        mark = len(self.terminal.output)
        self.terminal.write(f"{line}\r".encode(), self._timeout)
        return self._read_until_prompt(mark)

    def _read_until_prompt(self, mark: int) -> str:
        self.terminal.wait("a prompt of Aider", lambda: self._at_prompt(mark), self._timeout)
        return self._since(mark)

    def _at_prompt(self, mark: int) -> bool:
        if _PROMPT.search(self._since(mark)):
            return True
        if not self._server_alive():
            raise CheckFailed(f"{SERVER_DIED}; Aider printed:\n{self._since(mark)[-2000:]}")
        return False

    def _since(self, mark: int) -> str:
        return self.terminal.output[mark:].decode(errors="replace").replace("\r", "")
