"""The command `acceptance` as a process of a test, with what it has printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.programs.output_limit import read_output
from support.programs.process import ManagedProcess
from support.waiting import wait_until
from tests.timeouts import PATIENCE

ACCEPTANCE = (sys.executable, "-c", "from support.cli import main; main()")


class Program:
    """A command in a process, with its output in a file."""

    def __init__(
        self,
        output: Path,
        *words: str,
        before: tuple[str, ...] = ACCEPTANCE,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self._output = output
        self.process = ManagedProcess([*before, *words], stdout=output, stdin=stdin)

    @property
    def output(self) -> str:
        return read_output(self._output)

    def printed(self, pattern: str) -> re.Match[str]:
        return wait_until(
            f"{pattern!r} in the output",
            lambda: re.search(pattern, self.output),
            timeout=PATIENCE,
            alive=lambda: self.process.alive,
            seen=lambda: self.output[-500:],
        )

    def ended(self) -> tuple[int, str]:
        """Its exit code, and the last line that it has printed."""
        code = self.process.wait(PATIENCE)
        return code, (self.output.splitlines() or [""])[-1]
