"""behave's runner as the suite uses it: its end has a time limit, and coroutines are rejected."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from support.errors import AcceptanceError
from support.reporting.recorder import run_error_record
from support.results.known_issues import NOT_LISTED, ExpectedFailure, KnownIssue, KnownIssues
from support.results.record import UNRESPONSIVE
from support.runner import runner as guarded_runner
from support.runner import scenario_runner, time_limits
from support.runner.scenario_runner import HOOK, ScenarioRunner
from support.runner.signals import Signals


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    # What other tests have started goes on.
    monkeypatch.setattr(scenario_runner, "kill_all", lambda: 0)
    return ScenarioRunner(SimpleNamespace(), Signals())


@pytest.mark.skipif(not time_limits._HAS_ALARM, reason="there is no alarm on this system")
def test_a_suite_that_does_not_end_is_interrupted_and_named(
    runner: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time_limits, "HOOK_SECONDS", 0.2)
    runner.suite = SimpleNamespace(close=lambda: time.sleep(60))
    begun = time.monotonic()
    runner.close()
    assert time.monotonic() - begun < 30
    errors = capsys.readouterr().err
    assert errors.startswith("acceptance: the cleanup exceeded its budget of 0.2 s in the end of the suite")


def test_a_signal_at_the_end_is_recorded_and_interrupts_nothing(runner: Any) -> None:
    done = []

    def close() -> None:
        runner._signals._receive(15, None)
        done.append("closed")

    runner.suite = SimpleNamespace(close=close)
    runner.close()
    assert done == ["closed"]
    assert runner._signals.exit_code == 143


def test_a_coroutine_is_rejected_where_it_is_not_awaited() -> None:
    async def close() -> None: ...

    with pytest.raises(AcceptanceError, match="the cleanup close is `async def`"):
        scenario_runner._reject_coroutine(close, "the cleanup close")
    scenario_runner._reject_coroutine(lambda: None, "the cleanup close")


@pytest.mark.parametrize(
    ("name", "is_hook"),
    [("before_all", True), ("after_tag", True), ("keep", False), ("before_dinner", False)],
)
def test_only_hooks_are_recognised_as_hooks(name: str, *, is_hook: bool) -> None:
    assert (HOOK.fullmatch(name) is not None) is is_hook


def test_a_wrong_first_answer_fails_the_first_scenario_that_passes(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(acceptance_strict=False, acceptance_reports_dir=None)
    runner.suite = SimpleNamespace(
        resolved=SimpleNamespace(settings=settings, table=list),
        shared_programs=list,
        known_issues=KnownIssues(()),
    )
    runner.hook_failures = 0
    runner._first_answer_failure = "the first chat request did not get the scripted answer"
    monkeypatch.setattr(runner, "_listing_of", lambda _: NOT_LISTED)
    monkeypatch.setattr(scenario_runner, "failures_of", lambda *_: ())
    monkeypatch.setattr(scenario_runner, "apply_known_issues", lambda verdict, *_: verdict)
    monkeypatch.setattr(scenario_runner, "finalize", lambda *_: None)
    monkeypatch.setattr(scenario_runner, "budget_of_scenario", lambda _: None)
    verdicts = []
    for tags in (["smoke"], ["needs.scripted_model"], ["needs.scripted_model"]):
        scenario: Any = SimpleNamespace(
            name="A toy",
            status=SimpleNamespace(name="passed"),
            should_skip=False,
            skip_reason=None,
            exception=None,
            error_message=None,
            effective_tags=tags,
            set_status=lambda _: None,
        )
        runner.run_scenario(scenario, lambda _: False)
        verdicts.append((scenario.verdict.status, scenario.verdict.message))
    assert verdicts == [
        ("passed", ""),
        ("failed", "the first chat request did not get the scripted answer"),
        ("passed", ""),
    ]
    assert runner.failed


class Shared:
    """A shared server: how it ended, and the panics in its log."""

    process = SimpleNamespace(command=["mistralrs"], exit_code=-6)
    alive = True

    def __init__(self, end: str = "", panics: Sequence[str] = ()) -> None:
        self.ends, self.panics = [end], list(panics)

    def take_unknown_end(self) -> str:
        return self.ends.pop() if self.ends else ""

    def take_panics(self) -> list[str]:
        panics, self.panics = self.panics, []
        return panics


def shared_by(runner: Any, monkeypatch: pytest.MonkeyPatch, *servers: Shared) -> list[Any]:
    """The errors of a run whose scenarios use these."""
    errors: list[Any] = []
    monkeypatch.setattr(runner, "notify_run_error", errors.append)
    monkeypatch.setattr(scenario_runner, "location_of", lambda _: "toy.feature:3")
    monkeypatch.setattr(runner, "_abort_reason", lambda: None)
    runner.suite = SimpleNamespace(
        shared_programs=lambda: servers,
        components_under_test=lambda _: [("mistralrs", "0.8.1")],
        known_issues=KnownIssues([known("toy.a", ""), known("", "A toy")]),
    )
    return errors


def known(check: str, scenario: str) -> KnownIssue:
    panic = ExpectedFailure("server" if check else "after_scenario", re.compile(r"panic: .*toys\.rs"))
    return KnownIssue("mistralrs", SpecifierSet(), "r", "s", (panic,), check=check, scenario=scenario)


def test_a_server_that_ended_while_no_check_looked_fails_the_run(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = shared_by(runner, monkeypatch, Shared("exit code -6"))
    runner._report_ended_servers("between two scenarios")
    assert (errors, runner.failed) == ([], False)
    runner._scenario = SimpleNamespace(feature=SimpleNamespace(name="Toys"))
    runner._report_ended_servers("between two scenarios")
    runner._report_ended_servers("after the last scenario")
    assert runner.failed
    assert [(error.status, error.location, error.message) for error in errors] == [
        ("failed", "toy.feature:3", "between two scenarios, mistralrs ended by itself: exit code -6")
    ]
    (record,) = (run_error_record(error, SimpleNamespace(userdata={})) for error in errors)
    assert (record.severity, record.cause) == ("blocker", "mistralrs died: SIGABRT")


@pytest.mark.parametrize(
    ("title", "checks", "file", "is_known"),
    [
        ("A toy", [], "toys.rs", True),
        ("A toy", [], "other.rs", False),
        ("Others", ["toy.a"], "toys.rs", True),
        ("Others", ["toy.b"], "toys.rs", False),
    ],
)
def test_a_panic_that_no_check_saw_fails_the_run_unless_it_is_a_late_one_of_a_known_issue(
    runner: Any, monkeypatch: pytest.MonkeyPatch, title: str, checks: list[str], file: str, *, is_known: bool
) -> None:
    panic = f"thread 'engine' panicked at src/{file}:3"
    errors = shared_by(runner, monkeypatch, Shared(panics=[panic]))
    world = SimpleNamespace(
        checks=[SimpleNamespace(id=check) for check in checks],
        components_under_test=runner.suite.components_under_test,
    )
    runner._scenario = SimpleNamespace(
        name=title, feature=SimpleNamespace(name="Toys"), effective_tags=[], world=world
    )
    runner._report_ended_servers("between two scenarios")
    assert runner.failed is not is_known
    found = [] if is_known else [f"between two scenarios, mistralrs logged a panic: {panic}"]
    assert [error.message for error in errors] == found


@pytest.mark.parametrize(("earlier", "reported"), [("A scenario", 1), (UNRESPONSIVE, 0)])
def test_a_server_that_has_ended_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, earlier: str, reported: int
) -> None:
    monkeypatch.setattr(guarded_runner, "change_at_end", lambda *_: "after the last scenario: gone")
    runner: Any = guarded_runner.GuardedRunner(SimpleNamespace(userdata={}), [])
    written: list[Any] = []
    last = SimpleNamespace(name=earlier, feature="Toys", location="toy.feature:3")
    reports = SimpleNamespace(records=SimpleNamespace(latest=lambda: [last], write=written.append))
    runner._report_changed_server(None, SimpleNamespace(settings=None, origins={}), reports)
    assert [record.error for record in written] == ["after the last scenario: gone"] * reported
