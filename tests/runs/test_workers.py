"""Runs with several workers: complete, exclusive where required, and not ended by the crash of a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runs.cases import Runs
from tests.runs.launching import Run

CRASHES = [("worker ends at once", "exit code 0"), ("worker killed", "signal SIGKILL")]
RUNS = (
    *("workers", "workers apart", "workers fail", "workers, one port", "worker killed in a group"),
    *(name for name, _ in CRASHES),
)


def intervals(run: Run) -> dict[str, dict[str, Any]]:
    """When each scenario ran, and in which process."""
    lines = (run.folder / "intervals.jsonl").read_text().splitlines()
    return {entry["name"]: entry for entry in map(json.loads, lines)}


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["begun"] < other["ended"] and other["begun"] < one["ended"])


def test_everything_runs_once_and_is_in_every_report(runs: Runs) -> None:
    run = runs["workers"]
    titles = {f"A{number} passes" for number in range(4)} | {"C meets D", "D meets C"}
    titles |= {f"Row {number} is itself" for number in (1, 2, 3)}
    assert run.verdicts == dict.fromkeys(titles, "passed"), run.output
    assert len(run.report["tests"]) == len(titles)
    assert set(run.cases) == titles
    assert not [title for title, problems in run.cases.items() if problems]
    # The rows of an outline share a title in Allure and differ in their parameters.
    results = list((run.reports / "allure-results").glob("*-result.json"))
    assert len(results) == len(titles)
    for title in titles:
        assert run.stdout.count(f" / {title}\n") == 1, run.output


def test_both_workers_have_their_lane_in_the_timeline(runs: Runs) -> None:
    run = runs["workers"]
    lanes = {
        label["value"]
        for result in run.results.values()
        for label in result["labels"]
        if label["name"] == "thread"
    }
    assert lanes == {"w1", "w2"}


def test_locks_and_serial_keep_features_apart(runs: Runs) -> None:
    found = intervals(runs["workers apart"])
    assert len(found) == 5
    assert not overlap(found["locked"], found["shut"])
    others = [interval for name, interval in found.items() if name != "alone"]
    assert all(found["alone"]["begun"] > interval["ended"] for interval in others)


@pytest.mark.parametrize(("name", "how"), CRASHES)
def test_crash_of_a_worker_costs_one_scenario(runs: Runs, name: str, how: str) -> None:
    run = runs[name]
    assert run.verdicts == {
        "It runs before": "passed",
        "Its process ends": "broken",
        "It runs after": "passed",
        "It runs beside it": "passed",
    }, run.output
    message = f"the worker process ended ({how}) while this scenario ran"
    assert message in run.test("Its process ends")["error"]
    assert message in run.stdout
    assert {title: result["status"] for title, result in run.results.items()} == run.verdicts
    assert message in run.results["Its process ends"]["statusDetails"]["message"]
    assert run.cases == {
        "It runs before": [],
        "Its process ends": ["error"],
        "It runs after": [],
        "It runs beside it": [],
    }


def test_a_worker_that_is_killed_in_a_group_leaves_the_finished_checks(runs: Runs) -> None:
    run = runs["worker killed in a group"]
    found = [(test["id"], test["verdict"]) for test in run.report["tests"] if test["kind"] == "check"]
    assert found == [("openai.toy.a", "passed"), ("openai.toy.b", "not_run"), ("openai.toy.c", "not_run")]
    statuses = {title: result["status"] for title, result in run.results.items() if "the case" in title}
    assert sorted(statuses.values()) == ["passed", "skipped", "skipped"], run.output
    assert run.cases["openai.toy.a the case a"] == []
    assert run.cases["openai.toy.b the case b"] == ["skipped"]


def test_workers_report_failures_as_one_process_does(runs: Runs) -> None:
    run = runs["workers fail"]
    assert run.verdicts == {"It passes": "passed", "It fails": "failed", "Its cleanup breaks": "broken"}
    assert "expected 2, got 1" in run.stdout
    assert "the port is still taken" in run.test("Its cleanup breaks")["error"]


def test_one_port_is_for_one_worker(runs: Runs) -> None:
    run = runs["workers, one port"]
    assert "one worker, since test_port is one port" in run.stdout
    assert len({interval["worker"] for interval in intervals(run).values()}) == 1
