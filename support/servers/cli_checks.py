"""The program under test as a command: called, and what it answers judged."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from support.http.exchange import strict_json
from support.programs.child_environment import child_environment
from support.programs.process import CompletedCommand, run_command
from support.servers.discovery import CommandTarget
from support.settings import Settings

CALLS = Path(__file__).with_name("calls.toml")
CALL_SECONDS = 20.0
EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_PANIC = 0, 1, 2, 101
# Rust's own words when a program gives up (std::panicking), and Python's.
CRASH = re.compile(r"panicked at|Traceback \(most recent call last\)|core dumped|Segmentation fault")


@cache
def calls(kind: str) -> dict[str, tuple[str, ...]]:
    """The words of a kind (`asking`, `mistaken`) and the arguments that they stand for."""
    table = tomllib.loads(CALLS.read_text(encoding="utf-8"))[kind]
    return {name: tuple(arguments) for name, arguments in table.items()}


def call(
    target: CommandTarget, arguments: Sequence[str], folder: Path, settings: Settings
) -> CompletedCommand:
    """Run the program once, with `folder` as its home and working directory."""
    return run_command(
        [target.path, *arguments],
        within=settings.seconds(CALL_SECONDS),
        folder=folder,
        env=child_environment(folder),
        cwd=folder,
    )


def check_file(path: Path) -> None:
    """The program is a regular file that the user may execute."""
    mode = path.stat().st_mode
    assert stat.S_ISREG(mode), f"{path} is not a regular file"
    assert os.access(path, os.X_OK), f"{path} may not be executed ({stat.filemode(mode)})"


def check_ended(outcome: CompletedCommand, exit_code: int, limit: float) -> None:
    """Ended with this exit code, in time (seconds), and without a crash: no panic, traceback or signal."""
    crash = CRASH.search(outcome.stdout + outcome.stderr)
    crashed = crash is not None or outcome.exit_code == EXIT_PANIC or outcome.exit_code < 0
    assert not crashed, f"the program crashed\n{outcome.describe()}"
    assert outcome.exit_code == exit_code, f"expected exit code {exit_code}\n{outcome.describe()}"
    assert outcome.seconds <= limit, f"expected an end within {limit} s\n{outcome.describe()}"


def listed_commands(outcome: CompletedCommand) -> list[str]:
    """The commands that a help text lists under `Commands:` (clap's layout, two blanks of indentation)."""
    section = outcome.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    commands = re.findall(r"^  ([a-z][a-z-]*)", section, flags=re.MULTILINE)
    assert commands, f"expected a list of commands\n{outcome.describe()}"
    return commands


def check_only_on(outcome: CompletedCommand, stream: str) -> None:
    """The text stands on one stream (`standard output`, `error output`), the other is empty."""
    texts = {"standard output": outcome.stdout, "error output": outcome.stderr}
    silent = "\n".join(text for name, text in texts.items() if name != stream)
    assert texts[stream].strip(), f"expected text on the {stream}\n{outcome.describe()}"
    assert not silent.strip(), f"expected text on the {stream} only\n{outcome.describe()}"


def check_mentions(outcome: CompletedCommand, words: str) -> None:
    """The text on either stream contains these words, whatever their case."""
    said = (outcome.stdout + outcome.stderr).lower()
    assert words.lower() in said, f"expected the words {words!r}\n{outcome.describe()}"


def check_version(outcome: CompletedCommand, target: CommandTarget) -> None:
    """Exactly one line: the program's name and a version of three numbers (semver.org)."""
    line = rf"{target.program} \d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?\n"
    assert re.fullmatch(line, outcome.stdout), (
        f"expected one line `{target.program} X.Y.Z`\n{outcome.describe()}"
    )


def check_diagnosis(outcome: CompletedCommand) -> None:
    """The diagnosis as data: what the machine has, and checks that each say how they went.

    Source: `mistralrs doctor --json` of 0.8.1 and 0.9.2.
    """
    document = strict_json(outcome.stdout.encode(), "doctor --json")
    system, checks = document.get("system"), document.get("checks")
    assert isinstance(system, dict), f"no object `system`\n{outcome.describe()}"
    assert system.get("cpu", {}).get("logical_cores", 0) >= 1, f"no processor named\n{outcome.describe()}"
    assert system.get("memory", {}).get("total_bytes", 0) > 0, f"no memory named\n{outcome.describe()}"
    assert isinstance(checks, list) and checks, f"no list `checks`\n{outcome.describe()}"
    for check in checks:
        assert check.get("name") and check.get("message"), f"a check says nothing: {check}"
        assert check.get("status") in ("ok", "warn", "error"), f"unknown status of a check: {check}"
