"""Ten exercises for a capable model (`exercises.toml`), and the figures of Aider's own benchmark.

Two tries for each exercise: before the second one, the output of the tests is sent to the model. The fields
of the record are those of Aider's leaderboards: https://aider.chat/docs/leaderboards/
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from support.aider.run import AiderRun
from support.programs.child_environment import child_environment
from support.programs.process import CommandTimeout, run_command

EXERCISES = Path(__file__).with_name("exercises.toml")
TRIES = 2
TEST_SECONDS = 20.0
TESTS_TIMED_OUT = "Tests timed out!"
# Of the output of tests, what is sent to the model.
MOST_LINES = 50
# What Aider prints for an answer in another format, and for an answer or a prompt beyond the limit.
_MALFORMED, _EXHAUSTED = "did not conform to the edit format", "has hit a token limit"
# The endpoint failed, not the model.
_SERVER_FAILURE = re.compile(r"litellm\.\w*(?:Error|Exception|Timeout)|Retrying in|ended by the suite: it")
_FILE_RULES = (
    "\nChange only {file}. Keep the names of its functions and classes: tests use them. Use the standard "
    "library only.\n"
)
_SECOND_TRY = "{output}\n\nThese tests of {file} fail. The tests are correct. Correct {file}.\n"


@dataclass(frozen=True)
class Exercise:
    """Complete a module, which its `tests` import by its `name`."""

    name: str
    instructions: str
    stub: str
    tests: str

    @property
    def file(self) -> str:
        return f"{self.name}.py"

    @property
    def task(self) -> str:
        """The message of the first try."""
        return self.instructions.strip() + _FILE_RULES.format(file=self.file)


@dataclass
class ExerciseResult:
    """What became of an exercise. `outcomes`: of the tests after each try."""

    name: str
    outcomes: list[bool] = field(default_factory=list)
    malformed: int = 0
    exhausted: int = 0
    syntax_errors: int = 0
    timeouts: int = 0
    seconds: float = 0.0
    server_failure: str = ""

    @property
    def solved(self) -> bool:
        return self.outcomes[-1:] == [True]


# Runs Aider: folder, file, message, and number of the try; a later one continues the conversation.
RunAider = Callable[[Path, str, str, int], AiderRun]


def load_exercises() -> list[Exercise]:
    """All of them in the order of the file."""
    table = tomllib.loads(EXERCISES.read_text(encoding="utf-8"))
    return [Exercise(**row) for row in table["exercises"]]


def work_on(exercise: Exercise, folder: Path, run_aider: RunAider, home: Path) -> ExerciseResult:
    """Up to two tries in `folder`, which is created. `home`: of the tests."""
    folder.mkdir(parents=True)
    (folder / exercise.file).write_text(exercise.stub.lstrip(), encoding="utf-8")
    result = ExerciseResult(exercise.name)
    message = exercise.task
    for number in range(1, TRIES + 1):
        run = run_aider(folder, exercise.file, message, number)
        result.seconds += run.seconds
        result.malformed += run.output.count(_MALFORMED)
        result.exhausted += run.output.count(_EXHAUSTED)
        if failure := _SERVER_FAILURE.search(run.output):
            result.server_failure = failure[0]
        output = run_tests(exercise, folder, home)
        result.outcomes.append(output is None)
        if output is None:
            break
        result.timeouts += output == TESTS_TIMED_OUT
        result.syntax_errors += sum(line.startswith("SyntaxError") for line in output.splitlines())
        message = _SECOND_TRY.format(output=output, file=exercise.file)
    return result


def run_tests(exercise: Exercise, folder: Path, home: Path, within: float = TEST_SECONDS) -> str | None:
    """The output of the tests where they fail; None where they pass.

    They come from the suite, in another folder: what Aider has written there does not count.
    """
    tests = folder.with_name(f"{folder.name}-tests")
    tests.mkdir(exist_ok=True)
    (tests / f"test_{exercise.file}").write_text(exercise.tests.lstrip(), encoding="utf-8")
    (tests / exercise.file).write_bytes((folder / exercise.file).read_bytes())
    command = [sys.executable, "-I", "-B", "-m", "unittest", "discover", "-s", str(tests)]
    try:
        done = run_command(command, within=within, env=child_environment(home), cwd=tests)
    except CommandTimeout:
        return TESTS_TIMED_OUT
    if done.exit_code == 0:
        return None
    lines = (done.stdout + done.stderr).replace(f"{tests}/", "").splitlines()
    return "\n".join(lines[:MOST_LINES])


@dataclass(frozen=True)
class BenchmarkRecord:
    """The fields of Aider's own record. Rates are percents of all cases."""

    model: str
    edit_format: str
    test_cases: int
    pass_rate_1: float
    pass_rate_2: float
    percent_cases_well_formed: float
    num_malformed_responses: int
    syntax_errors: int
    exhausted_context_windows: int
    test_timeouts: int
    seconds_per_case: float

    @classmethod
    def of(cls, model: str, edit_format: str, results: Sequence[ExerciseResult]) -> BenchmarkRecord:
        """The record of at least one exercise."""

        def percent(found: int) -> float:
            return round(100 * found / len(results), 1)

        return cls(
            model=model,
            edit_format=edit_format,
            test_cases=len(results),
            pass_rate_1=percent(sum(result.outcomes[:1] == [True] for result in results)),
            pass_rate_2=percent(sum(result.solved for result in results)),
            percent_cases_well_formed=percent(sum(not result.malformed for result in results)),
            num_malformed_responses=sum(result.malformed for result in results),
            syntax_errors=sum(result.syntax_errors for result in results),
            exhausted_context_windows=sum(result.exhausted for result in results),
            test_timeouts=sum(result.timeouts for result in results),
            seconds_per_case=round(sum(result.seconds for result in results) / len(results), 1),
        )

    @property
    def fields(self) -> Mapping[str, str | int | float]:
        return asdict(self)

    def as_yaml(self, results: Sequence[ExerciseResult]) -> str:
        """As in Aider's leaderboards, and then the exercises one by one."""
        lines = [f"{name}: {value}" for name, value in self.fields.items()]
        words = {True: "passed", False: "failed"}
        lines += ["exercises:"]
        for result in results:
            tries = ", ".join(words[outcome] for outcome in result.outcomes)
            lines.append(f"  {result.name}: [{tries}]")
        return "\n".join(lines) + "\n"
