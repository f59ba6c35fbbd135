"""The program under test on the command line: run it, and check its output and exit code."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from support.errors import CheckFailed
from support.http.exchange import strict_json
from support.programs.child_environment import child_environment
from support.programs.process import CompletedCommand, run_command
from support.results.causes import panic_in
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.servers import launch_plans
from support.servers.benchmark_table import DECODE, PREFILL, read_benchmark_table
from support.servers.command_line import command_line_of
from support.servers.discovery import CommandTarget
from support.settings import Settings

if TYPE_CHECKING:
    from support.models.store import ModelStore

# In a command line of the features: stands for each command that the help lists.
EACH_COMMAND = "COMMAND"
# ... and for the options of the scripted model.
MODEL = "MODEL"
PROGRAM = "mistralrs"
CALL_SECONDS = 20.0
EXIT_PANIC = 101
# Rust's own words when a program gives up (std::panicking), and Python's.
CRASH = re.compile(r"panicked at|Traceback \(most recent call last\)|core dumped|Segmentation fault")


def arguments_of(command_line: str, models: ModelStore) -> tuple[str, ...]:
    """The arguments in a command line of the features, which begins with `mistralrs`."""
    program, *arguments = shlex.split(command_line)
    if program != PROGRAM:
        raise ValueError(f"expected a command line of {PROGRAM}: {command_line!r}")
    if MODEL in arguments:
        at, model = arguments.index(MODEL), launch_plans.arguments_of(models.scripted())
        arguments[at : at + 1] = command_line_of(PROGRAM).model_options(model)
    return tuple(arguments)


def call(
    target: CommandTarget,
    arguments: Sequence[str],
    folder: Path,
    settings: Settings,
    stdin: int = subprocess.DEVNULL,
) -> CompletedCommand:
    """Run the program once, with `folder` as its home and working directory."""
    return run_command(
        [target.path, *arguments],
        within=settings.seconds(CALL_SECONDS),
        env=child_environment(folder),
        cwd=folder,
        stdin=stdin,
    )


def check_file(path: Path) -> None:
    """The program is a regular file that the user can execute."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise CheckFailed(f"{path} is not a regular file")
    if not os.access(path, os.X_OK):
        raise CheckFailed(f"{path} is not executable ({stat.filemode(mode)})")


def check_ended(outcome: CompletedCommand, exit_code: int, limit: float) -> None:
    """Exited with this code, in time (seconds), without a crash: no panic, traceback or signal."""
    crash = CRASH.search(outcome.stdout + outcome.stderr)
    crashed = crash is not None or outcome.exit_code == EXIT_PANIC or outcome.exit_code < 0
    if crashed:
        # In the first line: other panics are other causes.
        panic = panic_in(f"{outcome.stderr}\n{outcome.stdout}")
        raise CheckFailed(": ".join(filter(None, ("the program crashed", panic))) + f"\n{outcome.describe()}")
    if outcome.exit_code != exit_code:
        raise CheckFailed(f"expected exit code {exit_code}, got {outcome.exit_code}\n{outcome.describe()}")
    if outcome.seconds > limit:
        took = f"it took {outcome.seconds:.2f} s"
        raise CheckFailed(f"expected the program to exit within {limit} s, {took}\n{outcome.describe()}")


def listed_commands(outcome: CompletedCommand) -> list[str]:
    """The commands that a help text lists under `Commands:` (clap's layout, two blanks of indentation)."""
    section = outcome.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    commands = re.findall(r"^  ([a-z][a-z-]*)", section, flags=re.MULTILINE)
    if not commands:
        raise CheckFailed(f"expected a list of commands\n{outcome.describe()}")
    return commands


def check_only_on(outcome: CompletedCommand, stream: str) -> None:
    """One stream (`standard output`, `standard error`) has text, the other is empty."""
    texts = {"standard output": outcome.stdout, "standard error": outcome.stderr}
    silent = "\n".join(text for name, text in texts.items() if name != stream)
    if not texts[stream].strip():
        raise CheckFailed(f"expected text on the {stream}\n{outcome.describe()}")
    if silent.strip():
        raise CheckFailed(f"expected text on the {stream} only\n{outcome.describe()}")


def check_mentions(outcome: CompletedCommand, words: str) -> None:
    """Standard output or standard error contains these words, in upper or lower case."""
    written = (outcome.stdout + outcome.stderr).lower()
    if words.lower() not in written:
        raise CheckFailed(f"expected the words {words!r}\n{outcome.describe()}")


def check_version(outcome: CompletedCommand, target: CommandTarget) -> None:
    """Exactly one line: the program's name and a version of three numbers (semver.org)."""
    line = rf"{target.program} \d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?\n"
    if not re.fullmatch(line, outcome.stdout):
        expected = f"expected one line `{target.program} X.Y.Z` on standard output"
        raise CheckFailed(f"{expected}, got {outcome.stdout!r:.100}\n{outcome.describe()}")


def check_diagnosis(outcome: CompletedCommand, target: CommandTarget) -> None:
    """The diagnosis as JSON: processor and memory of the host, and the result of each check.

    Source: `mistralrs doctor --json` of 0.8.1 and 0.9.2.
    """
    document = strict_json(outcome.stdout.encode(), f"{target.program} doctor --json")
    system, checks = document.get("system"), document.get("checks")
    if not isinstance(system, dict):
        raise CheckFailed(f"no object `system`\n{outcome.describe()}")
    if system.get("cpu", {}).get("logical_cores", 0) < 1:
        raise CheckFailed(f"no processor in the diagnosis\n{outcome.describe()}")
    if system.get("memory", {}).get("total_bytes", 0) <= 0:
        raise CheckFailed(f"no memory in the diagnosis\n{outcome.describe()}")
    if not (isinstance(checks, list) and checks):
        raise CheckFailed(f"no list `checks`\n{outcome.describe()}")
    for check in checks:
        if not (check.get("name") and check.get("message")):
            raise CheckFailed(f"a check without name or message: {check}")
        if check.get("status") not in ("ok", "warn", "error"):
            raise CheckFailed(f"unknown status of a check: {check}")


def check_benchmark(outcome: CompletedCommand, target: CommandTarget) -> None:
    """A table with a speed of the prefill and one of the decode, whose figures agree with each other.

    The decode of a tiny model may be faster than the last digit of the table shows.
    """
    rows = read_benchmark_table(outcome.stdout)
    if [row.kind for row in rows] != [PREFILL, DECODE]:
        raise CheckFailed(f"expected a row of prefill and one of decode\n{outcome.describe()}")
    if rows[0].speed is None:
        raise CheckFailed(f"{target.program} bench measured no prefill\n{outcome.describe()}")
    if findings := [finding for row in rows for finding in row.findings]:
        raise CheckFailed(f"{'; '.join(findings)}\n{outcome.describe()}")


OUTPUT_FORMS: Mapping[str, Callable[[CompletedCommand, CommandTarget], None]] = {
    "the program name and a semantic version": check_version,
    "a JSON diagnosis of the host": check_diagnosis,
    "a table of prefill and decode speeds": check_benchmark,
}


class ProgramRuns(ScenarioResult):
    """Runs of the program, each to its end. `folder` is its home and working directory."""

    kind = "run of the program"

    def __init__(self, folder: Path) -> None:
        self.completed: MustCheck[CompletedCommand] = MustCheck(self.kind)
        self._folder = folder

    @property
    def available(self) -> bool:
        return self.completed.available

    def run(self, target: CommandTarget, arguments: Sequence[str], settings: Settings) -> None:
        """Run the program once; with `COMMAND` in the arguments, once for each command in its help."""
        if EACH_COMMAND not in arguments:
            self._run(target, arguments, settings)
            return
        listing = self._run(target, ["--help"], settings)
        for command in listed_commands(listing):
            words = [command if word == EACH_COMMAND else word for word in arguments]
            self._run(target, words, settings)

    def _run(self, target: CommandTarget, arguments: Sequence[str], settings: Settings) -> CompletedCommand:
        completed = call(target, arguments, self._folder, settings)
        self.completed.add(completed)
        return completed

    def require_contains(self, text: str) -> None:
        for completed in self.completed.all():
            check_mentions(completed, text)

    def require_exit(self, exit_code: int, limit: float) -> None:
        for completed in self.completed.all():
            check_ended(completed, exit_code, limit)
