"""What of a suite counts: failures and unlisted skips do, listed ones do not, and no list covers too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import CheckFailed, SeveralFailures
from support.independent.results import (
    NO_FAILURE,
    SuiteBroken,
    SuiteOutcomes,
    SuiteTable,
    TestOutcome,
)
from support.programs.independent_suites import SUITES, IndependentSuite

TABLE = """
title = "Their tests"

[parts."chat"]
model = "m"

[[not_applicable]]
tests = '^stored'
reason = "a service of their platform"

[[not_applicable]]
tests = '^count'
servers = ["a real Ollama"]
reason = "it has no such route"

[[wrong_expectation]]
tests = '^all_params'
failure = '400'
reason = "sends everything at once"
"""
PASSED = [TestOutcome("create", "passed"), TestOutcome("stored", "skipped"), TestOutcome("count", "passed")]
WRONG = TestOutcome("all_params", "failed", "status 400")


@pytest.fixture
def table(tmp_path: Path) -> SuiteTable:
    (tmp_path / "their_tests.toml").write_text(TABLE)
    return SuiteTable.load("their-tests", tmp_path)


def judged(table: SuiteTable, *outcomes: TestOutcome, server: str = "mistral.rs") -> SuiteOutcomes:
    return table.judge("chat", server, [*PASSED, *outcomes])


def test_what_is_listed_does_not_count(table: SuiteTable) -> None:
    found = judged(table, WRONG)
    found.require(NO_FAILURE)
    assert found.counts == {"passed": 2, "failed": 0, "not applicable": 1, "wrong expectation": 1}
    assert "not applicable: stored: a service of their platform" in found.report()
    assert "wrong expectation: all_params: sends everything at once; got status 400" in found.report()


def test_a_failure_counts_with_its_name_and_message(table: SuiteTable) -> None:
    found = judged(table, WRONG, TestOutcome("stream", "failed", "no end"))
    with pytest.raises(SeveralFailures, match=r"(?s)2 passed, 1 failed.*stream: no end") as raised:
        found.require(NO_FAILURE)
    assert raised.value.failures == ("stream: no end",)


def test_each_thing_that_is_wrong_is_a_failure_of_its_own(table: SuiteTable) -> None:
    several = TestOutcome("types", "failed", "a; b", ("a", "b"))
    with pytest.raises(SeveralFailures) as raised:
        judged(table, WRONG, several).require(NO_FAILURE)
    assert raised.value.failures == ("types: a", "types: b")


@pytest.mark.parametrize(
    "outcome",
    [
        TestOutcome("all_params", "failed", "status 500"),
        TestOutcome("all_params", "failed", "status 400; no answer", ("status 400", "no answer")),
        TestOutcome("models", "skipped", "no GPU"),
    ],
)
def test_what_is_not_listed_counts(table: SuiteTable, outcome: TestOutcome) -> None:
    assert judged(table, WRONG, outcome).counts["failed"] == 1


def test_an_entry_for_one_server_holds_there_only(table: SuiteTable) -> None:
    failed = [TestOutcome("create", "passed"), TestOutcome("stored", "skipped"), WRONG]
    count = TestOutcome("count", "failed", "404")
    assert table.judge("chat", "mistral.rs", [*failed, count]).counts["failed"] == 1
    assert table.judge("chat", "a real Ollama", [*failed, count]).counts["failed"] == 0


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (PASSED, "no test fits '\\^all_params'"),
        ([TestOutcome("stored", "skipped"), WRONG], "no test that applies was run"),
    ],
)
def test_a_table_that_does_not_fit_is_broken(
    table: SuiteTable, outcomes: list[TestOutcome], message: str
) -> None:
    with pytest.raises(SuiteBroken, match=message):
        table.judge("chat", "mistral.rs", outcomes)


def test_another_outcome_than_no_failure_is_an_error(table: SuiteTable) -> None:
    with pytest.raises(CheckFailed, match="not 'all green'"):
        judged(table, WRONG).require("all green")


@pytest.mark.parametrize(
    "text", ["title = 3", "parts = {}", "not TOML", "title='t'\nparts={}\nnot_applicable=[{}]"]
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "their_tests.toml").write_text(text)
    with pytest.raises(SuiteBroken, match=r"their_tests\.toml: cannot be read"):
        SuiteTable.load("their-tests", tmp_path)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_each_entry_has_a_reason_and_existing_parts(suite: IndependentSuite) -> None:
    table = SuiteTable.load(suite.name)
    for rule in (*table.not_applicable, *table.wrong_expectation):
        assert len(rule.reason) > 20
        assert set(rule.parts) <= set(table.parts)
        assert set(rule.servers) <= {"mistral.rs", "the gateway", "a real Ollama"}
    assert all(rule.failure is not None for rule in table.wrong_expectation)
    assert not any(rule.failure for rule in table.not_applicable)
