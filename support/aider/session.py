"""An interactive session of Aider in a terminal: one line typed, and what comes until the next prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.terminal.pty_session import TerminalSession

COLUMNS = 200
# `> `, or `diff> ` where the edit format is not that of the model; and a question that waits for yes or no.
_PROMPT = re.compile(r"(?:\n(?:\w+> |> )|\(Y\)es/\(N\)o.*?: )$")


class AiderSession:
    """Aider in a terminal, just started. `timeout`: seconds for one turn."""

    def __init__(
        self, command: Sequence[str | Path], env: Mapping[str, str], folder: Path, timeout: float
    ) -> None:
        self.terminal = TerminalSession(command, env=env, cwd=folder, columns=COLUMNS)
        self._timeout = timeout

    def wait_for_prompt(self) -> str:
        """The first one; what Aider printed before. Raises `WaitTimeout`."""
        return self._read_until_prompt(0)

    def enter(self, line: str) -> str:
        """Type a line; what Aider prints until it waits for the next one. Raises `WaitTimeout`."""
        mark = len(self.terminal.output)
        self.terminal.write(f"{line}\r".encode(), self._timeout)
        return self._read_until_prompt(mark)

    def _read_until_prompt(self, mark: int) -> str:
        self.terminal.wait(
            "a prompt of Aider", lambda: bool(_PROMPT.search(self._since(mark))), self._timeout
        )
        return self._since(mark)

    def _since(self, mark: int) -> str:
        return self.terminal.output[mark:].decode(errors="replace").replace("\r", "")
