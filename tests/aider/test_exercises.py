"""The exercises can be solved; the record counts tries, malformed answers, syntax errors and time-outs."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.aider.exercises import (
    TESTS_TIMED_OUT,
    BenchmarkRecord,
    Exercise,
    ExerciseResult,
    RunAider,
    load_exercises,
    run_tests,
    work_on,
)
from support.aider.run import AiderRun

SERVER = "openai/default at http://127.0.0.1:1"
SOLUTIONS = {
    "leap": "def is_leap(y):\n    return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)\n",
    "palindrome": """
def is_palindrome(text):
    text = [letter for letter in text.lower() if letter.isalnum()]
    return text == text[::-1]
""",
    "roman": """
def to_roman(n):
    text = ""
    for value, letters in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        "M CM D CD C XC L XL X IX V IV I".split(),
    ):
        text += letters * (n // value)
        n %= value
    return text
""",
    "runs": """
import itertools, re
def encode(text):
    runs = [(len(list(run)), letter) for letter, run in itertools.groupby(text)]
    return "".join((str(length) if length > 1 else "") + letter for length, letter in runs)
def decode(text):
    return "".join(letter * int(length or 1) for length, letter in re.findall(r"(\\d*)(\\D)", text))
""",
    "brackets": """
def is_balanced(text):
    text = "".join(c for c in text if c in "()[]{}")
    for _ in text:
        text = text.replace("()", "").replace("[]", "").replace("{}", "")
    return not text
""",
    "account": """
class Account:
    def __init__(self):
        self.balance = 0
    def deposit(self, amount):
        if amount <= 0:
            raise ValueError
        self.balance += amount
    def withdraw(self, amount):
        if not 0 < amount <= self.balance:
            raise ValueError
        self.balance -= amount
""",
    "words": """
import collections, re
def count_words(text):
    return dict(collections.Counter(re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())))
""",
    "triangle": """
def kind(a, b, c):
    a, b, c = sorted((a, b, c))
    if a <= 0 or a + b <= c:
        raise ValueError
    return ["equilateral", "isosceles", "scalene"][len({a, b, c}) - 1]
""",
    "matrix": """
def transpose(rows):
    return [list(row) for row in zip(*rows)]
def is_magic(rows):
    n = range(len(rows))
    diagonals = [[rows[i][i] for i in n], [rows[i][-1 - i] for i in n]]
    return len({sum(line) for line in [*rows, *transpose(rows), *diagonals]}) == 1
""",
    "duration": """
def describe(seconds):
    if seconds < 0:
        raise ValueError
    parts = (seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
""",
}
LEAP = next(exercise for exercise in load_exercises() if exercise.name == "leap")
MALFORMED = "The LLM did not conform to the edit format.\n"


def aider(*tries: str, output: str = "") -> RunAider:
    """Writes one of these modules at each try; an empty one leaves the file as it is."""
    messages = []

    def run(folder: Path, file: str, message: str, number: int) -> AiderRun:
        messages.append(message)
        assert number == len(messages)
        if number > 1:
            assert "These tests of leap.py fail" in message
            assert "Traceback" in message or TESTS_TIMED_OUT in message
        if tries[number - 1]:
            (folder / file).write_text(tries[number - 1])
        return AiderRun(output, 0, (), (), 2.0, "", SERVER)

    return run


def worked_on(tmp_path: Path, run: RunAider) -> ExerciseResult:
    return work_on(LEAP, tmp_path / "leap", run, tmp_path / "home")


def test_there_are_ten_exercises_each_with_a_solution() -> None:
    assert [exercise.name for exercise in load_exercises()] == [*SOLUTIONS]
    assert len(SOLUTIONS) == 10


@pytest.mark.parametrize("exercise", load_exercises(), ids=lambda exercise: exercise.name)
def test_an_exercise_fails_as_it_is_and_passes_when_solved(exercise: Exercise, tmp_path: Path) -> None:
    folder = tmp_path / exercise.name
    folder.mkdir()
    (folder / exercise.file).write_text(exercise.stub)
    assert "NotImplementedError" in str(run_tests(exercise, folder, tmp_path))
    (folder / exercise.file).write_text(SOLUTIONS[exercise.name])
    assert run_tests(exercise, folder, tmp_path) is None


def test_the_first_try_is_enough(tmp_path: Path) -> None:
    result = worked_on(tmp_path, aider(SOLUTIONS["leap"]))
    assert (result.outcomes, result.seconds) == ([True], 2.0)


def test_the_second_try_gets_the_output_of_the_tests(tmp_path: Path) -> None:
    result = worked_on(tmp_path, aider("def is_leap(y) return 1\n", SOLUTIONS["leap"]))
    assert (result.outcomes, result.syntax_errors, result.seconds) == ([False, True], 1, 4.0)


def test_tests_that_aider_writes_do_not_count(tmp_path: Path) -> None:
    def run(folder: Path, file: str, message: str, number: int) -> AiderRun:
        assert (file, number) in (("leap.py", 1), ("leap.py", 2)), message
        (folder / "test_leap.py").write_text("")
        return AiderRun("", 0, (), (), 1.0, "", SERVER)

    assert worked_on(tmp_path, run).outcomes == [False, False]


def test_malformed_answers_and_full_contexts_are_counted(tmp_path: Path) -> None:
    output = MALFORMED * 4 + "Model openai/x has hit a token limit!\n"
    result = worked_on(tmp_path, aider("", "", output=output))
    assert (result.malformed, result.exhausted, result.server_failure) == (8, 2, "")


def test_a_failure_of_the_server_is_kept(tmp_path: Path) -> None:
    result = worked_on(tmp_path, aider("", "", output="litellm.NotFoundError: no such model"))
    assert result.server_failure == "litellm.NotFoundError"


def test_tests_have_a_time_limit(tmp_path: Path) -> None:
    folder = tmp_path / "leap"
    folder.mkdir()
    (folder / "leap.py").write_text("while True: pass\n")
    assert run_tests(LEAP, folder, tmp_path, within=0.5) == TESTS_TIMED_OUT


def test_the_record_has_the_fields_of_aiders_benchmark() -> None:
    results = [
        ExerciseResult("first", [True], seconds=1.0),
        ExerciseResult("second", [False, True], syntax_errors=1, seconds=2.0),
        ExerciseResult("never", [False, False], timeouts=2, exhausted=1, seconds=3.0),
        ExerciseResult("malformed", [False, False], malformed=8, seconds=4.0),
    ]
    record = BenchmarkRecord.of("openai/x", "diff", results)
    assert record.fields == {
        "model": "openai/x",
        "edit_format": "diff",
        "test_cases": 4,
        "pass_rate_1": 25.0,
        "pass_rate_2": 50.0,
        "percent_cases_well_formed": 75.0,
        "num_malformed_responses": 8,
        "syntax_errors": 1,
        "exhausted_context_windows": 1,
        "test_timeouts": 2,
        "seconds_per_case": 2.5,
    }
    assert "  second: [failed, passed]\n" in record.as_yaml(results)
