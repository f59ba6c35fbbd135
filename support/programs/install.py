"""Parts made by their ecosystem's own command: built with a log and a word now and then, or installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from support.errors import PartUnavailable
from support.programs.process import CommandTimeout, ManagedProcess, run_command
from support.programs.program import Say

SAY_EVERY_SECONDS = 30.0


def build(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    say: Say,
    within: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run the command to its end, its output in `log`; raises `PartUnavailable` with the first error of it.

    `within` in seconds. `name` stands in front of everything that is said.
    """
    process = ManagedProcess(command, stdout=log, env=env, cwd=cwd)
    try:
        _follow(name, process, log, say, within)
    finally:
        process.stop()
    if process.exit_code != 0:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        cause = errors[0].strip() if errors else "it said nothing"
        words = " ".join(map(str, command[:2]))
        raise PartUnavailable(f"{name}: {words} failed: {cause}; full log: {log}")


def install(
    failure: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    within: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run an installer that is done soon; raises `PartUnavailable` with `failure` and its last words.

    `folder` takes what it says meanwhile. `within` in seconds.
    """
    try:
        outcome = run_command(command, within=within, folder=folder, env=env, cwd=cwd)
    except (OSError, CommandTimeout) as error:
        raise PartUnavailable(f"{failure}: {error}") from None
    if outcome.exit_code != 0:
        said = " ".join((outcome.stderr or outcome.stdout).split())[-300:]
        raise PartUnavailable(f"{failure}: {said}")


def _follow(name: str, process: ManagedProcess, log: Path, say: Say, within: float) -> None:
    waited = 0.0
    while waited < within:
        if process.ended_within(min(SAY_EVERY_SECONDS, within - waited)):
            return
        waited += SAY_EVERY_SECONDS
        lines = log.read_text(errors="replace").splitlines()
        last = lines[-1].strip() if lines else "nothing yet"
        say(f"{name}: {waited / 60:.1f} min, {len(lines)} steps, now: {last}")
    raise PartUnavailable(f"{name}: not built within {within / 60:.0f} min; log: {log}")
