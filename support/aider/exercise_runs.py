"""Aider works on the ten exercises in one scenario; the record is evidence, and its figures are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from support.aider.exercises import BenchmarkRecord, ExerciseResult, load_exercises, work_on
from support.aider.run import AiderRun
from support.errors import CheckFailed
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.scenario import ScenarioContext

# Of the record: the figures that are shown as trends, and their units.
FIGURES = {
    **dict.fromkeys(("pass_rate_1", "pass_rate_2", "percent_cases_well_formed"), "%"),
    **dict.fromkeys(("num_malformed_responses", "syntax_errors", "exhausted_context_windows"), "count"),
    "test_timeouts": "count",
    "seconds_per_case": "s",
}
# Of a second try, which continues the conversation of the first one.
_CONTINUED = ("--restore-chat-history", "--max-chat-history-tokens", "8192")


class ExerciseRuns:
    """Fresh for each scenario. `home`: of the tests of the exercises."""

    def __init__(self, context: ScenarioContext, home: Path) -> None:
        self._context = context
        self._home = home
        self._results: MustCheck[list[ExerciseResult]] = context.must_check("result of the exercises")

    def work(
        self, model: str, edit_format: str, run_aider: Callable[[Sequence[str], Path], AiderRun]
    ) -> None:
        """Do all exercises. `run_aider`: with these arguments, in this folder."""

        def attempt(folder: Path, file: str, message: str, number: int) -> AiderRun:
            history = _CONTINUED if number > 1 else ()
            return run_aider(["--no-git", *history, "--message", message, file], folder)

        folder = self._context.folder / "exercises"
        results = [
            work_on(exercise, folder / exercise.name, attempt, self._home) for exercise in load_exercises()
        ]
        record = BenchmarkRecord.of(model, edit_format, results)
        text = record.as_yaml(results)
        self._context.evidence.append(Evidence.text("record of the exercises", text, "exercises.yml"))
        for name, unit in FIGURES.items():
            value = float(record.fields[name])
            self._context.record(
                f"aider.exercises.{edit_format}.{name}", f"Aider, {edit_format}: {name}", value, unit
            )
        self._results.set(results)

    def require_solved(self, number: int) -> None:
        """So many exercises are solved, and no request of any exercise failed at the server."""
        results = self._results.get()
        if failed := [
            f"{result.name} ({result.server_failure})" for result in results if result.server_failure
        ]:
            raise CheckFailed(f"failures of the server in the exercises {', '.join(failed)}")
        solved = [result.name for result in results if result.solved]
        if len(solved) < number:
            found = ", ".join(solved) or "none"
            raise CheckFailed(
                f"expected at least {number} solved exercises of {len(results)}, found: {found}"
            )
