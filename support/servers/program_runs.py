"""The program under test on the command line, in one scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from support.programs.process import CompletedCommand
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.servers import cli_checks
from support.servers.discovery import CommandTarget
from support.settings import Settings


class ProgramRuns(ScenarioResult):
    """Runs of the program, each to its end. `folder` is its home and working directory."""

    kind = "run of the program"

    def __init__(self, folder: Path) -> None:
        self.completed: MustCheck[CompletedCommand] = MustCheck("run of the program")
        self._folder = folder

    @property
    def available(self) -> bool:
        return self.completed.available

    def run(self, target: CommandTarget, arguments: Sequence[str], settings: Settings) -> None:
        """Run the program once; with `COMMAND` in the arguments, once for each command in its help."""
        if cli_checks.EACH_COMMAND not in arguments:
            self._run(target, arguments, settings)
            return
        listing = self._run(target, ["--help"], settings)
        for command in cli_checks.listed_commands(listing):
            words = [command if word == cli_checks.EACH_COMMAND else word for word in arguments]
            self._run(target, words, settings)

    def _run(self, target: CommandTarget, arguments: Sequence[str], settings: Settings) -> CompletedCommand:
        completed = cli_checks.call(target, arguments, self._folder, settings)
        self.completed.add(completed)
        return completed

    def require_contains(self, text: str) -> None:
        for completed in self.completed.all():
            cli_checks.check_mentions(completed, text)

    def require_exit(self, exit_code: int, limit: float) -> None:
        for completed in self.completed.all():
            cli_checks.check_ended(completed, exit_code, limit)
