"""One rule for the exit code, from the records; and a reason for each scenario that did not run."""

from __future__ import annotations

import pytest

from support.results.decision import Decision
from support.results.outcome import Status
from support.results.record import Record
from support.runner.exit_code import exit_code, scenarios_not_run

A, B = "features/a.feature:1", "features/b.feature:1"
OVER = "the step exceeded its budget of 1 s in Then x"


def record(place: str, status: Status, error: str = "", feature: str = "A") -> Record:
    return Record(place, feature, place, "toy", status, error=error, timed_out=error == OVER)


@pytest.mark.parametrize(
    ("records", "broken", "code"),
    [
        ([record(A, "passed"), record(B, "passed")], False, 0),
        ([record(A, "passed"), record(B, "skipped")], False, 0),
        ([record(A, "known_issue"), record(B, "skipped")], False, 0),
        ([record(A, "skipped"), record(B, "skipped")], False, 3),
        ([], False, 3),
        ([record(A, "failed", "x"), record(B, "passed")], False, 1),
        ([record(A, "broken", "x"), record(B, "passed")], True, 1),
        ([record(A, "failed", OVER), record(B, "passed")], False, 5),
        ([record(A, "failed", OVER), record(B, "failed", "x")], False, 1),
        ([record(A, "failed", OVER), record("environment.py:1", "broken", "x")], False, 4),
        ([record(A, "passed"), record("environment.py:1", "broken", "x")], False, 4),
        ([record(A, "passed"), record(B, "passed")], True, 4),
    ],
)
def test_exit_code(records: list[Record], *, broken: bool, code: int) -> None:
    assert exit_code(records, {A, B}, Decision("release"), broken=broken) == code


SELECTED = {A: "A", B: "B"}


def test_scenarios_that_ran_need_no_reason() -> None:
    records = [record(A, "passed"), record(B, "failed", "x")]
    assert scenarios_not_run(SELECTED, records, signalled=None, fail_fast=True) == ({}, True)


@pytest.mark.parametrize(
    ("recorded", "signalled", "fail_fast", "reason", "known"),
    [
        (record(A, "passed"), "the run was ended by SIGINT", False, "the run was ended by SIGINT", True),
        (record(A, "failed", "x"), None, True, "the run stopped at the first failure", True),
        (record(A, "failed", "x"), None, False, "the run was aborted", False),
        (record(A, "passed"), None, True, "the run was aborted", False),
        (record("environment.py:1", "broken", "x", "B"), None, False, "environment.py:1 failed", True),
    ],
)
def test_scenarios_that_did_not_run_have_a_reason(
    recorded: Record, signalled: str | None, *, fail_fast: bool, reason: str, known: bool
) -> None:
    reasons, explained = scenarios_not_run(SELECTED, [recorded], signalled=signalled, fail_fast=fail_fast)
    assert reasons[B] == reason
    assert explained is known
