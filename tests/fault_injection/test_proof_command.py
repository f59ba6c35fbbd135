"""Which runs `acceptance prove` makes for a fault, and what becomes of their results, without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.errors import EXIT_FAILED, EXIT_PASSED, SettingsError, TargetError
from support.fault_injection import proof_command
from support.fault_injection.catalogue import CatalogueFault
from support.fault_injection.fault_notes import APPLIED
from support.fault_injection.fault_rates import at_rate
from support.fault_injection.proof import RunResult
from support.fault_injection.proof_command import ProofOptions, ProveCommand
from support.fault_injection.proof_runs import SuiteRun
from support.runner.entry_point import settings_of
from support.servers.discovery import CommandTarget
from support.settings import load_settings

EXPECTED, OTHER = "openai.chat.answer.single_choice", "openai.chat.stream.well_formed"
COUNTED = "exchanges of openai_api at target"
FAULT = CatalogueFault(
    "a.fault",
    "openai_api",
    "Counts are wrong.",
    "issue 1",
    "http",
    message="total_tokens",
    http=({"on": {}, "status": 500},),
    checks=(EXPECTED,),
)
VARIANT = replace(FAULT, id="a.variant", capability="harmless", checks=(), selects="openai_api")


def result(run: SuiteRun, **verdicts: str) -> RunResult:
    """As if the fault had been applied."""
    found = {EXPECTED: verdicts.get("expected", "passed")}
    if run.name.endswith((", all", "without a fault")):
        found[OTHER] = verdicts.get("other", "passed")
    notes = () if run.name.startswith("without") else (APPLIED,)
    notes = ("reached a.fault",) if run.name == COUNTED else notes
    code = 1 if "failed" in found.values() else 0
    return RunResult(code, found, dict.fromkeys(found, "total_tokens is 4, not 3"), notes=notes)


class Proving:
    """The command, with a function in the place of all runs. `names`: of the runs; `words`: their options."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, faults: Sequence[CatalogueFault]
    ) -> None:
        # With the configuration of behave, which has the form of titles.
        settings_of([])
        self.runs: dict[str, str] = {}
        self.jobs: dict[str, int] = {}
        self._folder = folder
        self._judge: Callable[[SuiteRun], RunResult] = result
        target = CommandTarget(Path("/bin/true"), "mistralrs", "0.9.5", "a test")
        for name, stand_in in (
            ("discover", lambda *_: target),
            ("import_suite", lambda: None),
            ("chosen", lambda *_: faults),
            ("run_all", self._run_all),
        ):
            monkeypatch.setattr(proof_command, name, stand_in)

    def prove(
        self, judge: Callable[[SuiteRun], RunResult], ids: Sequence[str] = (), **options: Any
    ) -> tuple[int, list[dict[str, Any]]]:
        """The exit code, and the faults in `proof.json`."""
        self._judge = judge
        command = ProveCommand(
            load_settings({}),
            [],
            jobs=2,
            reports=self._folder / "proof",
            main=print,
            print_line=lambda _: None,
        )
        code = command.prove(ids, [], ProofOptions(**options), "acceptance prove")
        return code, json.loads((self._folder / "proof" / "proof.json").read_text())["faults"]

    def _run_all(
        self, runs: Iterator[SuiteRun], jobs: int, ended: Callable[[SuiteRun, RunResult], None]
    ) -> None:
        for run in runs:
            self.jobs[run.name] = jobs
            self.runs[run.name] = " ".join(run.words)
            ended(run, self._judge(run))


def test_what_the_expected_check_misses_the_others_of_the_capability_may_detect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])

    def judge(run: SuiteRun) -> RunResult:
        return result(run, other="failed" if run.name == "a.fault, all" else "passed")

    code, (fault,) = proving.prove(judge)
    assert (code, fault["verdict"], fault["by"]) == (EXIT_PASSED, "detected by another check", [OTHER])
    assert (fault["others"], fault["all_others"]) == (1, True)
    assert list(proving.runs) == ["without a fault, checks 0", "a.fault", "a.fault, all", "without a fault"]
    assert proving.runs["a.fault, all"].endswith(" features/openai_api")
    assert f"acceptance_cases={OTHER}" in proving.runs["without a fault"]


def test_a_rate_makes_no_fault_more_frequent() -> None:
    rare = replace(FAULT, http=({"on": {"every": 7}, "status": 500}, {"on": {}, "status": 500}))
    assert [one["on"]["every"] for one in at_rate([rare], 5)[0].http] == [7, 5]
    assert at_rate([rare, VARIANT], 1) == [rare, VARIANT]


def test_a_rate_is_one_of_exchanges() -> None:
    of_program = replace(FAULT, id="a.program", means="program")
    assert [fault.id for fault in at_rate([FAULT, of_program, VARIANT], 5)] == ["a.fault"]
    with pytest.raises(SettingsError, match=r"a\.program is no fault of exchanges; leave out --every"):
        at_rate([FAULT, of_program], 5, ["a.program"])
    with pytest.raises(SettingsError, match="no fault of exchanges is selected"):
        at_rate([VARIANT], 5)


@pytest.mark.parametrize(
    ("failures", "expected", "red"),
    [
        ({OTHER: "total_tokens is 4, not 3"}, "detected by another check", "1 of 1 runs .* red, 0 of them"),
        ({OTHER: "no answer"}, "not named", "1 of 1 runs .* red, 1 of them"),
        ({}, "missed", "0 of 1 runs .* red, 0 of them"),
    ],
)
def test_a_rare_fault_is_detected_by_the_first_failure_of_its_capability(
    failures: dict[str, str],
    expected: str,
    red: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])

    def judge(run: SuiteRun) -> RunResult:
        if run.name.startswith(("without", COUNTED)):
            return result(run)
        found = {EXPECTED: "passed", **dict.fromkeys(failures, "failed")}
        return RunResult(1 if failures else 0, found, failures, notes=(APPLIED,))

    _, (fault,) = proving.prove(judge, every=5)
    assert fault["verdict"] == expected
    *paths, option = proving.runs["a.fault"].partition(" features/")[2].split()
    # That of the expected check first.
    assert (paths[0], paths[1], option) == (
        "openai_api/chat_requests.feature",
        "features/openai_api/anthropic_messages.feature",
        "--fail-fast",
    )
    assert len(paths) == len(list(Path("features/openai_api").glob("*.feature")))
    # Once is enough.
    assert "a.fault, all" not in proving.runs
    assert re.search(red, (tmp_path / "proof" / "proof.md").read_text())


def test_a_failure_that_is_there_without_the_rare_fault_detects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])

    def judge(run: SuiteRun) -> RunResult:
        if run.name == "a.fault":
            return RunResult(1, {OTHER: "failed"}, {OTHER: "total_tokens"}, notes=(APPLIED,))
        return result(run, other="failed")

    code, (fault,) = proving.prove(judge, every=5)
    assert (code, fault["verdict"]) == (EXIT_FAILED, "missed")
    # It has ended that run before the others.
    assert "a.fault, all" in proving.runs


def test_a_fault_that_no_exchange_would_have_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreached = replace(FAULT, id="another.fault")
    proving = Proving(tmp_path, monkeypatch, [FAULT, unreached])
    _, (fault, other) = proving.prove(result, every=20)
    assert (fault["verdict"], other["verdict"]) == ("missed", "not injected")
    assert other["message"] == ("all 1 checks and scenarios have fewer than 20 exchanges that it is for")
    assert "another.fault" not in proving.runs
    assert proving.runs[COUNTED].endswith(" features/openai_api")


def test_a_named_fault_that_is_too_rare_has_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreached = replace(FAULT, id="another.fault")
    proving = Proving(tmp_path, monkeypatch, [unreached])
    _, (fault,) = proving.prove(result, ids=["another.fault"], every=20)
    assert fault["verdict"] == "not injected"


def test_a_named_fault_whose_check_fails_without_it_has_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])
    code, (fault,) = proving.prove(lambda run: result(run, expected="failed"), ids=["a.fault"])
    assert (code, fault["verdict"]) == (EXIT_FAILED, "harness broken")


def test_where_not_all_was_counted_each_fault_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proving = Proving(tmp_path, monkeypatch, [replace(FAULT, id="another.fault")])
    proving.prove(lambda run: replace(result(run), is_whole=run.name != COUNTED), every=20)
    assert "another.fault" in proving.runs


def test_what_was_not_all_counted_replaces_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])

    def judge(run: SuiteRun) -> RunResult:
        whole = run.name != COUNTED
        return replace(result(run, expected="passed" if whole else "skipped"), is_whole=whole)

    _, (fault,) = proving.prove(judge, every=20)
    assert fault["verdict"] == "missed"


def test_what_measures_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = replace(FAULT, id="a.slow.fault", capability="performance")
    proving = Proving(tmp_path, monkeypatch, [measured, FAULT])
    proving.prove(lambda run: result(run, expected="passed" if run.name.startswith("without") else "failed"))
    assert proving.jobs == {
        "without a fault, checks 0": 2,
        "without a fault, alone, checks 0": 1,
        "a.fault": 2,
        "a.slow.fault": 1,
    }


def test_a_check_that_fails_without_the_fault_too_detects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])
    code, (fault,) = proving.prove(lambda run: result(run, other="failed"))
    assert (code, fault["verdict"]) == (EXIT_FAILED, "missed")


def test_narrow_runs_the_expected_checks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])
    code, (fault,) = proving.prove(result, narrow=True)
    assert (code, fault["verdict"], fault["others"]) == (EXIT_FAILED, "missed", 0)
    assert list(proving.runs) == ["without a fault, checks 0", "a.fault"]


def test_a_fault_that_the_target_cannot_show_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT])
    _, (fault,) = proving.prove(lambda run: result(run, expected="known_issue"))
    assert fault["verdict"] == "not applicable"
    assert list(proving.runs) == ["without a fault, checks 0"]


def test_a_named_fault_that_the_target_cannot_show_ends_the_command_before_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(FAULT, id="another.fault", checks=(OTHER,))
    proving = Proving(tmp_path, monkeypatch, [other, FAULT])

    def judge(_: SuiteRun) -> RunResult:
        messages = {EXPECTED: "it is known", OTHER: ""}
        return RunResult(0, {EXPECTED: "known_issue", OTHER: "passed"}, messages)

    with pytest.raises(TargetError, match=r"a\.fault cannot be shown on mistralrs 0\.9\.5: .* it is known"):
        proving.prove(judge, ids=["a.fault", "another.fault"])
    assert list(proving.runs) == ["without a fault, checks 0"]
    # Of a capability, or all: it is a row of the table.
    assert proving.prove(judge, ids=["another.fault"])[1][1]["verdict"] == "not applicable"


def test_a_variant_is_repeated_and_a_fault_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proving = Proving(tmp_path, monkeypatch, [FAULT, VARIANT])

    def judge(run: SuiteRun) -> RunResult:
        return result(run, expected="failed" if run.name in ("a.fault", "a.variant, 2") else "passed")

    code, (fault, variant) = proving.prove(judge, repeat=3)
    assert (code, fault["verdict"], variant["verdict"]) == (EXIT_FAILED, "detected", "false alarm")
    assert (variant["runs"], variant["alarms"]) == (3, 1)
    assert list(proving.runs)[1:] == ["a.fault", "a.variant", "a.variant, 1", "a.variant, 2"]
