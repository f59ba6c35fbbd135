"""Several runs are compared by their verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.runner.rerun import run_repeatedly

SUMMARY = {"passed": 0, "failed": 0, "skipped": 0}


@pytest.mark.parametrize(
    ("verdicts", "code", "text"),
    [
        (["known_issue", "known_issue"], 0, "2 runs, identical verdicts"),
        (["known_issue", "passed"], 0, "1 x known_issue, 1 x passed, listed as flaky"),
        (["passed", "broken"], 1, "1 x passed, 1 x broken"),
        (["passed", "skipped"], 1, "1 x passed, 1 x skipped"),
        (["passed", None], 1, "1 x passed, 1 x not reported"),
        (["known_issue", None], 1, "1 x known_issue, 1 x not reported"),
    ],
)
def test_only_flaky_known_issues_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verdicts: list[str | None], code: int, text: str
) -> None:
    left = iter(verdicts)

    def run(_: Sequence[str]) -> int:
        verdict = next(left)
        tests = [{"location": "a.feature:1", "name": "It works", "verdict": verdict}] if verdict else []
        report = {"tests": tests, "summary": SUMMARY, "duration": 1.0}
        (tmp_path / "report.json").write_text(json.dumps(report))
        return 0

    assert run_repeatedly(run, 2, tmp_path) == code
    output = capsys.readouterr().out
    assert text in output
    assert ("listed as flaky" in output) == ("listed as flaky" in text)


def test_the_last_run_knows_the_earlier_ones_that_are_no_go(tmp_path: Path) -> None:
    given: list[list[str]] = []

    def run(more: Sequence[str]) -> int:
        given.append([one for one in more if "earlier" in one])
        (tmp_path / "report.json").write_text(json.dumps({"tests": [], "summary": SUMMARY, "duration": 1.0}))
        return [1, 0, 1, 1][len(given) - 1]

    assert run_repeatedly(run, 4, tmp_path) == 1
    assert given == [
        [],
        [],
        [],
        ["--define=earlier_no_go=1, 3"],
    ]
