"""The matrix of servers in the README, from the reports of finished runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.server_matrix import BEGIN, END, MatrixError, server_run, table, with_table


def report(folder: Path, **changes: object) -> Path:
    """Of a run with a group of three checks and a scenario without."""

    def row(kind: str, name: str, capability: str, status: str, scenario: str = "") -> dict[str, str]:
        found = {"kind": kind, "name": name, "capability": capability, "status": status}
        return {**found, "scenario": scenario} if scenario else found

    tests = [
        row("scenario", "stop sequences", "openai_api", "failed"),
        row("check", "one", "openai_api", "passed", "stop sequences"),
        row("check", "two", "openai_api", "known_issue", "stop sequences"),
        row("check", "three", "openai_api", "failed", "stop sequences"),
        row("scenario", "prints a version", "binary_health", "passed"),
        row("scenario", "a GPU is used", "performance", "skipped"),
    ]
    text: dict[str, object] = {
        "subject": "mistralrs 0.8.1",
        "timestamp": "2026-11-30T12:00:00Z",
        "tests": tests,
    }
    text |= {"exit_code": 1, "unselected": 0, "out_of_scope": 0, **changes}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(text), encoding="utf-8")
    return folder


def test_the_address_of_a_server_is_left_out(tmp_path: Path) -> None:
    run = server_run(report(tmp_path, subject="llama-cpp-python 0.3.36 at http://a.example:1234"))
    assert run.server == "llama-cpp-python 0.3.36"


def test_checks_count_and_their_group_does_not(tmp_path: Path) -> None:
    run = server_run(report(tmp_path))
    assert (run.cell("openai_api"), run.cell("binary_health"), run.cell("performance")) == (
        "1 of 3",
        "1 of 1",
        "-",
    )
    assert [run.all_with(status) for status in ("known_issue", "failed", "skipped")] == [1, 1, 1]
    row = table([run]).splitlines()[2]
    assert row.startswith("| mistralrs 0.8.1 | 1 of 1 | - | 1 of 3 |")
    assert row.endswith("| 1 | 1 | 1 | 2026-11-30 |")


def test_a_group_that_failed_beside_its_checks_counts(tmp_path: Path) -> None:
    place = {"capability": "openai_api", "name": "stop sequences"}
    tests = [
        {**place, "kind": "scenario", "status": "failed"},
        {**place, "kind": "check", "name": "one", "status": "passed", "scenario": "stop sequences"},
    ]
    run = server_run(report(tmp_path, tests=tests))
    assert run.cell("openai_api") == "1 of 2"
    assert run.all_with("failed") == 1


def test_a_selection_is_told_and_a_part_of_a_run_is_refused(tmp_path: Path) -> None:
    assert server_run(report(tmp_path, unselected=515)).server == "mistralrs 0.8.1, without 515 scenarios"
    with pytest.raises(MatrixError, match=r"did not come to its end \(exit code 130\)"):
        server_run(report(tmp_path, exit_code=130))


def test_the_table_stands_between_the_marks(tmp_path: Path) -> None:
    text = f"before\n{BEGIN}old\n{END}after\n"
    found = with_table(text, [server_run(report(tmp_path))])
    assert found.startswith(f"before\n{BEGIN}\n| server |")
    assert found.endswith(f"|\n{END}after\n")
    assert "old" not in found
    with pytest.raises(MatrixError, match="has no place for it"):
        with_table("no marks", [])


@pytest.mark.parametrize(
    "changes",
    [{"tests": 1}, {"tests": [{}]}, {"unselected": 1e999}, None],
    ids=["number", "empty", "infinite", "missing"],
)
def test_what_is_no_report_is_one_line(tmp_path: Path, changes: dict[str, object] | None) -> None:
    folder = tmp_path / "missing" if changes is None else report(tmp_path, **changes)
    with pytest.raises(MatrixError, match=r"report\.json is no report of a run \(") as found:
        server_run(folder)
    assert "\n" not in str(found.value)
