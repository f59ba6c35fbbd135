"""Parts made by their ecosystem's own command: built with a log and a word now and then, or installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.process import CommandTimeout, ManagedProcess, run_command
from support.programs.program import ReportProgress

PROGRESS_INTERVAL = 30.0


def build(  # noqa: PLR0913 - a command with its surroundings, as `subprocess.run`
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    report_progress: ReportProgress,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run the command to its end, its output in `log`; raises `PartUnavailable` with the first error of it.

    `within` in seconds. `name` stands in front of everything that is said.
    """
    process = ManagedProcess(command, stdout=log, env=env, cwd=cwd)
    try:
        _wait_with_progress(name, process, log, report_progress, timeout)
    finally:
        process.stop()
    if process.exit_code != 0:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        cause = errors[0].strip() if errors else "it said nothing"
        words = " ".join(map(str, command[:2]))
        raise ProgramUnavailable(f"{name}: {words} failed: {cause}; full log: {log}")


def install(
    failure: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run an installer that is done soon; raises `PartUnavailable` with `failure` and its last words.

    `folder` takes what it says meanwhile. `within` in seconds.
    """
    try:
        outcome = run_command(command, within=timeout, folder=folder, env=env, cwd=cwd)
    except (OSError, CommandTimeout) as error:
        raise ProgramUnavailable(f"{failure}: {error}") from None
    if outcome.exit_code != 0:
        said = " ".join((outcome.stderr or outcome.stdout).split())[-300:]
        raise ProgramUnavailable(f"{failure}: {said}")


def _wait_with_progress(
    name: str, process: ManagedProcess, log: Path, report_progress: ReportProgress, timeout: float
) -> None:
    waited = 0.0
    while waited < timeout:
        if process.exited_within(min(PROGRESS_INTERVAL, timeout - waited)):
            return
        waited += PROGRESS_INTERVAL
        lines = log.read_text(errors="replace").splitlines()
        last = lines[-1].strip() if lines else "nothing yet"
        report_progress(f"{name}: {waited / 60:.1f} min, {len(lines)} steps, now: {last}")
    raise ProgramUnavailable(f"{name}: not built within {timeout / 60:.0f} min; log: {log}")
