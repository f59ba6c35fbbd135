"""Several runs of one command (`--iterations`): the process and the last reports have one outcome."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runs import toy_suite
from tests.runs.launching import ACCEPTANCE, Launched


def test_runs_that_differ_without_a_failure_are_no_go_in_the_reports(tmp_path: Path) -> None:
    toy_suite.make(tmp_path, "It passes", "It is skipped in turns")
    environment = {
        "ACCEPTANCE_HTML": "false",
        "MISTRALRS_BIN": str(toy_suite.program(tmp_path, "good", executable=True)),
    }
    run = Launched(tmp_path, (*ACCEPTANCE, "--iterations", "2"), environment).end()
    assert run.exit_code == 1, run.output
    assert "2 runs, 1 scenario with different verdicts:" in run.stdout
    report = run.report
    assert (report["decision"], report["exit_code"]) == ("NO-GO", 1)
    why = "1 verdict with another result in an earlier run of `--iterations` ('It is skipped in turns')"
    assert report["reasons"] == [why]
    assert why in (run.reports / "summary.md").read_text().replace("\\", "")
    assert "<failure" in (run.reports / "junit" / "TESTS-decision.xml").read_text()
    first = json.loads((run.reports / "iterations" / "1.json").read_bytes())
    assert (first["decision"], first["exit_code"]) == ("GO", 0)
