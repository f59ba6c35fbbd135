"""`acceptance compare`: two programs, URLs or earlier runs; what is no report yet is run first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.errors import COMPLETE_CODES, SettingsError
from support.reporting.comparison import compare, comparison_text, write_comparison
from support.reporting.files import lock_reports
from support.reporting.finished_run import FinishedRun, load_finished_run
from support.results.known_issues import KnownIssues
from support.results.redaction import redact
from support.results.standard_streams import output_is_lost
from support.runner.selection import target_settings
from support.suite_folder import user_path

FOLDER = "comparison"
Run = Callable[[Sequence[str]], int]
"""Runs `acceptance run` with these options; its exit code."""


@dataclass(frozen=True)
class Side:
    """OLD or NEW: an earlier run, or a target that is run, with its reports in `folder`."""

    name: str
    folder: Path
    finished: FinishedRun | None

    @classmethod
    def of(cls, name: str, folder: Path) -> Side:
        """Raises `SettingsError` for what is neither."""
        path = user_path(Path(name))
        if path.is_dir() or path.suffix == ".json":
            return cls(name, path, load_finished_run(path))
        try:
            target_settings(name)
        except SettingsError:
            raise SettingsError(
                f"{name!r} is no program, no URL and no folder of an earlier run; give one of them"
            ) from None
        return cls(name, folder, None)


def compare_targets(old: str, new: str, options: Sequence[str], reports: Path, run: Run) -> int:
    """Print the comparison and write its page to `reports`; the exit code.

    `options` of `acceptance run` are for the sides that are run. A run that did not check all ends the
    comparison with its exit code.
    """
    sides = Side.of(old, reports / FOLDER / "old"), Side.of(new, reports / FOLDER / "new")
    if old == new:
        raise SettingsError(f"OLD and NEW are the same: {old}")
    if options and all(side.finished for side in sides):
        raise SettingsError(f"{options[0]} is for runs, and both sides are reports of earlier runs")
    if any(side.finished is None for side in sides):
        # Reports that are only read need no lock, and the page is written whole.
        lock_reports(reports)
    finished = []
    for side in sides:
        if side.finished is None:
            code = run([*options, "--target", side.name, "-D", f"acceptance_reports_dir={side.folder}"])
            if code not in COMPLETE_CODES:
                print(f"acceptance: the run of {side.name} ended with exit code {code}: nothing is compared")
                return code
        finished.append(side.finished or load_finished_run(side.folder))
    comparison = compare(finished[0], finished[1], KnownIssues.load())
    # First the files: a closed pipe (`| head`) ends the output. What cannot be written costs no decision.
    files: tuple[Path, ...] = ()
    try:
        files = write_comparison(comparison, reports)
    finally:
        print("\n".join([comparison_text(comparison), *map(str, files)]), flush=True)
        if output_is_lost():
            print(redact(" ".join(comparison.sentences)), file=sys.stderr)
    return comparison.exit_code
