"""What becomes of a scenario: its verdict, its needs, its tags."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from support.errors import SettingsError, SeveralFailures, TimeLimitExceeded
from support.results.check import CheckResult, ChecksFailed, CheckStatus, KnownIssuesFound
from support.results.known_issues import ExpectedFailure, KnownIssue, Listing
from support.results.outcome import Verdict
from support.results.verdicts import (
    apply_known_issues,
    at_moved_clock,
    failures_of,
    interrupted,
    mark_known_elsewhere,
    over_time,
    verdict_of,
)
from support.runner import tags
from support.runner.requirements import Requirements
from support.runner.tags import check_expression, is_allowed
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.ollama_backends import OllamaAtUrl
from support.settings import Settings


def step(status: str, exception: BaseException | None = None, error: str | None = None) -> Any:
    return SimpleNamespace(
        keyword="Then",
        name="it works",
        status=SimpleNamespace(name=status),
        exception=exception,
        error_message=error,
    )


def scenario(status: str, *steps: Any, **more: Any) -> Any:
    values: dict[str, Any] = {
        "name": "toy",
        "status": SimpleNamespace(name=status),
        "exception": None,
        "error_message": None,
        "should_skip": False,
        "skip_reason": None,
        "all_steps": steps,
        "captured": SimpleNamespace(output=""),
    }
    return SimpleNamespace(**(values | more))


# -- verdicts


@pytest.mark.parametrize(
    ("toy", "aborted", "status", "message"),
    [
        (scenario("passed", step("passed")), None, "passed", ""),
        (scenario("skipped", skip_reason="no GPU"), None, "skipped", "no GPU"),
        (scenario("skipped"), None, "skipped", "not selected"),
        (
            scenario("passed", step("passed"), should_skip=True, skip_reason="no route"),
            None,
            "skipped",
            "no route",
        ),
        (scenario("untested"), None, "skipped", "not run: nothing ran it"),
        (
            scenario("untested"),
            "the run was ended by SIGTERM",
            "skipped",
            "not run: the run was ended by SIGTERM",
        ),
        (
            scenario("failed", step("passed"), step("failed", AssertionError("2 is not 3"), "trace")),
            None,
            "failed",
            "2 is not 3\n(in: Then it works)",
        ),
        (
            scenario("error", step("error", OSError("no disk"), "trace")),
            None,
            "broken",
            "no disk\n(in: Then it works)",
        ),
        (scenario("error", step("undefined")), None, "broken", "no step definition for: Then it works"),
        (
            scenario("failed", step("failed", AssertionError(), "trace")),
            None,
            "failed",
            "trace\n(in: Then it works)",
        ),
        (
            scenario("hook_error", step("passed"), exception=RuntimeError("hook"), error_message="trace"),
            None,
            "broken",
            "hook\n(in: hook_error)",
        ),
        (
            scenario("hook_error", step("passed"), exception=AssertionError("the server died")),
            None,
            "failed",
            "the server died\n(in: hook_error)",
        ),
        (
            scenario("cleanup_error", captured=SimpleNamespace(output=" CLEANUP-ERROR in x\n")),
            None,
            "broken",
            "CLEANUP-ERROR in x\n(in: cleanup_error)",
        ),
        (scenario("error"), None, "broken", "behave's status is error\n(in: error)"),
        (
            scenario("hook_error"),
            "the run was ended by SIGINT",
            "broken",
            "the run was ended by SIGINT\n(in: hook_error)",
        ),
    ],
)
def test_a_scenario_has_one_verdict(toy: Any, aborted: str | None, status: str, message: str) -> None:
    verdict = verdict_of(toy, aborted)
    assert (verdict.status, verdict.message) == (status, message)
    assert verdict.gates is (status in ("failed", "broken"))


def test_the_first_bad_step_decides() -> None:
    toy = scenario("failed", step("failed", AssertionError("first")), step("error", OSError("second")))
    assert verdict_of(toy, None).message.startswith("first")


def test_the_trace_of_what_nobody_foresaw_is_kept() -> None:
    assert (
        verdict_of(scenario("error", step("error", RuntimeError("x"), "File a, line 1")), None).trace
        == "File a, line 1"
    )


@pytest.mark.parametrize(
    ("toy", "verdict", "strict_verdict"),
    [
        (
            scenario("skipped", skip_reason="no GPU"),
            Verdict("skipped", "no GPU"),
            Verdict("broken", "not run, and this run is strict: no GPU"),
        ),
        (
            scenario("passed", step("passed"), should_skip=True, skip_reason="no route"),
            Verdict("skipped", "no route"),
            Verdict("broken", "not run, and this run is strict: no route"),
        ),
        (scenario("skipped"), Verdict("skipped", "not selected"), Verdict("skipped", "not selected")),
        (scenario("passed", should_skip=True, skip_reason=""), Verdict("passed"), Verdict("passed")),
        (scenario("passed", skip_reason="no route"), Verdict("passed"), Verdict("passed")),
        (
            scenario("skipped", skip_reason="no GPUs here", out_of_scope=True),
            Verdict("out_of_scope", "no GPUs here"),
            Verdict("out_of_scope", "no GPUs here"),
        ),
        (scenario("skipped", out_of_scope=True), Verdict("out_of_scope"), Verdict("out_of_scope")),
        (
            scenario("untested_undefined"),
            Verdict("skipped", "not run: nothing ran it"),
            Verdict("skipped", "not run: nothing ran it"),
        ),
    ],
)
def test_what_did_not_run_is_broken_in_a_strict_run_when_it_has_a_reason(
    toy: Any, verdict: Verdict, strict_verdict: Verdict
) -> None:
    assert verdict_of(toy, None) == verdict
    assert verdict_of(toy, None, strict=True) == strict_verdict


LONG = "\n".join(f"line {number}" for number in range(1, 21))
SHOWN = "\n".join([*LONG.splitlines()[:13], "... (7 more lines)"])


@pytest.mark.parametrize(
    ("bad", "verdict"),
    [
        (step("failed", AssertionError("x"), "trace"), Verdict("failed", "x\n(in: Then it works)")),
        (
            step("failed", AssertionError(LONG), "trace"),
            Verdict("failed", f"{SHOWN}\n(in: Then it works)", LONG),
        ),
        (
            step("failed", ChecksFailed(LONG), "trace"),
            Verdict("failed", f"{LONG}\n(in: Then it works)", by_checks=True),
        ),
        (
            step("failed", TimeLimitExceeded("it took 61 s"), "trace"),
            Verdict("failed", "it took 61 s\n(in: Then it works)", timed_out=True),
        ),
        (
            step("failed", KnownIssuesFound("1 of 2 checks", "answers 500", "docs/x.md"), "trace"),
            Verdict("known_issue", "1 of 2 checks", why="answers 500", source="docs/x.md"),
        ),
        (
            step("error", OSError("no disk"), "File a, line 1"),
            Verdict("broken", "no disk\n(in: Then it works)", "File a, line 1"),
        ),
        (step("error", OSError("no disk")), Verdict("broken", "no disk\n(in: Then it works)")),
        (step("cleanup_error"), Verdict("broken", "cleanup_error\n(in: Then it works)")),
        (step("undefined"), Verdict("broken", "no step definition for: Then it works")),
    ],
)
def test_a_bad_step_gives_message_and_trace(bad: Any, verdict: Verdict) -> None:
    assert verdict_of(scenario("failed", step("passed"), bad), None) == verdict


CAPTURED = "File x\n CLEANUP-ERROR in free: OSError\n CLEANUP-ERROR in end: in use\n----\nmore\n----\nagain"


@pytest.mark.parametrize(
    ("toy", "aborted", "verdict"),
    [
        (
            scenario("hook_error", exception=RuntimeError("hook"), error_message="trace"),
            None,
            Verdict("broken", "hook\n(in: hook_error)", "trace"),
        ),
        (
            scenario("hook_error", error_message="HOOK-ERROR"),
            "SIGTERM",
            Verdict("broken", "HOOK-ERROR\n(in: hook_error)", "HOOK-ERROR"),
        ),
        (
            scenario("hook_error", exception=TimeLimitExceeded("it took 61 s")),
            None,
            Verdict("failed", "it took 61 s\n(in: hook_error)", timed_out=True),
        ),
        (scenario("failed"), None, Verdict("broken", "behave's status is failed\n(in: failed)")),
        (
            scenario("cleanup_error", captured=SimpleNamespace(output=CAPTURED)),
            "SIGTERM",
            Verdict(
                "broken",
                "CLEANUP-ERROR in free: OSError\n CLEANUP-ERROR in end: in use\n(in: cleanup_error)",
            ),
        ),
        (
            scenario("cleanup_error", captured=SimpleNamespace(output=None)),
            None,
            Verdict("broken", "a cleanup failed; its error was not captured\n(in: cleanup_error)"),
        ),
        (
            scenario("cleanup_error", captured=SimpleNamespace(output="it printed this")),
            None,
            Verdict("broken", "a cleanup failed; its error was not captured\n(in: cleanup_error)"),
        ),
    ],
)
def test_what_fails_outside_the_steps_gives_message_and_trace(
    toy: Any, aborted: str | None, verdict: Verdict
) -> None:
    assert verdict_of(toy, aborted) == verdict


DIED, SLOW = "the server died", "the disk is slow"


@pytest.mark.parametrize(
    ("of_step", "of_hook", "cause"),
    [("", "", ""), (DIED, "", DIED), ("", DIED, DIED), (SLOW, DIED, SLOW)],
)
def test_the_cause_is_that_of_the_step_or_else_of_the_hook(of_step: str, of_hook: str, cause: str) -> None:
    failed, hook = ChecksFailed("1 of 2", of_step), ChecksFailed("it died", of_hook)
    toy = scenario("failed", step("failed", failed), exception=hook)
    assert verdict_of(toy, None).cause == cause
    assert verdict_of(scenario("hook_error", exception=hook), None).cause == of_hook


def test_a_hook_that_fails_beside_known_issues_gives_the_cause() -> None:
    found = step("failed", KnownIssuesFound("1 of 2 checks", "answers 500", "docs/x.md"))
    toy = scenario("failed", found, exception=ChecksFailed("it died", DIED))
    assert verdict_of(toy, None) == Verdict(
        "failed", "cleanup: it died\nbeside known issues: 1 of 2 checks", cause=DIED
    )


# -- known issues

GOT_500 = ExpectedFailure("it works", re.compile("got 500"))
ENTRY = KnownIssue(
    "mistralrs", SpecifierSet("<0.9"), "answers 500", "https://example.org/7", (GOT_500,), scenario="toy"
)
LISTED = Listing((ENTRY,))
FAILED = [("it works", "got 500")]


@pytest.mark.parametrize("status", ["passed", "failed", "broken", "skipped"])
def test_without_an_entry_a_verdict_stays(status: Any) -> None:
    verdict = Verdict(status, "words")
    assert apply_known_issues(verdict, Listing(), FAILED) is verdict


def test_a_listed_failure_is_a_known_issue_and_does_not_gate() -> None:
    verdict = apply_known_issues(Verdict("failed", "got 500", "trace"), LISTED, FAILED)
    assert verdict == Verdict("known_issue", "got 500", "trace", "answers 500", "https://example.org/7")
    assert not verdict.gates


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ([("it works", "got 501")], "instead of the known issue of mistralrs <0.9 (answers 500; https://"),
        ([("it answers", "got 500")], "it answers: got 500\nexpected failure: it works: /got 500/"),
        (
            [*FAILED, ("after_scenario", "the server died")],
            "in addition to the known issue of mistralrs <0.9",
        ),
        ([*FAILED, ("time limit", "it took 61 s")], ": time limit: it took 61 s"),
        ([], "instead of the known issue"),
    ],
)
def test_a_listed_scenario_that_fails_in_another_way_is_a_failure(
    failures: list[tuple[str, str]], message: str
) -> None:
    verdict = apply_known_issues(Verdict("failed", "got 501", timed_out=True), LISTED, failures)
    assert (verdict.status, verdict.timed_out) == ("failed", True)
    assert message in verdict.message


def test_a_listed_scenario_that_passes_is_a_surprise_and_fails() -> None:
    verdict = apply_known_issues(Verdict("passed"), LISTED, [])
    assert verdict.gates
    assert "known issue of mistralrs <0.9 (answers 500), but it passed; remove the entry" in verdict.message


def test_what_fails_by_chance_may_pass() -> None:
    by_chance = Listing((replace(ENTRY, flaky=True),))
    assert apply_known_issues(Verdict("passed"), by_chance, []) == Verdict("passed")
    assert apply_known_issues(Verdict("failed", "got 500"), by_chance, FAILED).status == "known_issue"
    assert apply_known_issues(Verdict("failed"), by_chance, [("it works", "died")]).status == "failed"


@pytest.mark.parametrize("status", ["broken", "skipped"])
def test_an_entry_excuses_only_the_product(status: Any) -> None:
    verdict = Verdict(status, "words")
    assert apply_known_issues(verdict, LISTED, FAILED) == verdict


def test_the_failures_of_a_scenario_are_those_of_steps_hooks_and_cleanups() -> None:
    cleanup = AssertionError("the port is in use")
    toy = scenario(
        "hook_error",
        step("passed"),
        step("failed", AssertionError("got 500")),
        exception=AssertionError("the server died"),
        error_message="HOOK-ERROR in after_scenario: AssertionError: the server died",
    )
    assert list(failures_of(toy, cleanup)) == [
        ("it works", "got 500"),
        ("after_scenario", "the server died"),
        ("cleanup", "the port is in use"),
    ]


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (TimeLimitExceeded("it took 61 s"), [("time limit", "it took 61 s")]),
        (SeveralFailures("2 of 3", ["a: 500", "b: 500"]), [("it works", "a: 500"), ("it works", "b: 500")]),
        (KeyError("x"), [("it works (KeyError)", "'x'")]),
    ],
)
def test_each_kind_of_error_has_its_place(error: Exception, failures: list[tuple[str, str]]) -> None:
    assert list(failures_of(scenario("failed", step("failed", error)))) == failures


@pytest.mark.parametrize(
    ("toy", "failures"),
    [
        (scenario("passed", step("passed")), []),
        (scenario("failed", step("failed", error="trace")), [("it works (error)", "trace")]),
        (scenario("failed", step("undefined")), [("it works (error)", "undefined")]),
        (scenario("failed", step("failed", AssertionError(), "trace")), [("it works", "trace")]),
        (scenario("failed", step("failed", AssertionError())), [("it works", "failed")]),
        (scenario("hook_error", error_message="HOOK-ERROR in x"), [("x (error)", "HOOK-ERROR in x")]),
        (scenario("hook_error", exception=AssertionError("it hangs")), [("cleanup", "it hangs")]),
        (scenario("hook_error", exception=AssertionError()), [("cleanup", "")]),
        (
            scenario(
                "failed", step("failed", AssertionError("first")), step("error", OSError("second"), "trace")
            ),
            [("it works", "first"), ("it works (OSError)", "second")],
        ),
    ],
)
def test_every_failure_has_its_place_and_text(toy: Any, failures: list[tuple[str, str]]) -> None:
    assert list(failures_of(toy)) == failures


def test_the_error_of_a_cleanup_is_one_failure_and_has_its_text() -> None:
    error = AssertionError("the port is in use")
    assert list(failures_of(scenario("hook_error", exception=error), error)) == [("cleanup", str(error))]
    assert list(failures_of(scenario("passed"), AssertionError())) == [("cleanup", "")]


def test_a_cleanup_that_fails_is_not_covered_by_the_known_issues_of_a_group() -> None:
    found = step("failed", KnownIssuesFound("1 of 2 checks", "answers 500", "docs/x.md"))
    assert verdict_of(scenario("failed", found), None).status == "known_issue"
    verdict = verdict_of(scenario("failed", found, exception=AssertionError("it hangs")), None)
    assert (verdict.status, verdict.message.splitlines()) == (
        "failed",
        ["cleanup: it hangs", "beside known issues: 1 of 2 checks"],
    )


def test_a_cleanup_that_fails_beside_failed_checks_is_shown_first() -> None:
    found = step("failed", ChecksFailed("1 of 2 checks"))
    assert verdict_of(scenario("failed", found), None).by_checks
    verdict = verdict_of(scenario("failed", found, exception=AssertionError("it hangs")), None)
    assert not verdict.by_checks
    assert verdict.message.splitlines()[:2] == ["cleanup: it hangs", "beside failed checks: 1 of 2 checks"]


def test_a_time_limit_is_no_failure_of_the_checks_of_a_group() -> None:
    failed = Verdict("failed", "1 of 2 checks", by_checks=True)
    assert over_time(failed, "120 s") == Verdict("failed", "120 s\nbeside failed checks: 1 of 2 checks")
    assert over_time(Verdict("known_issue"), "120 s") == Verdict("failed", "120 s", timed_out=True)
    assert over_time(Verdict("passed"), "120 s") == Verdict("failed", "120 s", timed_out=True)
    other = Verdict("broken", "no server")
    assert over_time(other, "120 s") == other


def test_a_scenario_that_a_signal_interrupted_is_skipped() -> None:
    assert interrupted("SIGTERM") == Verdict("skipped", "interrupted: SIGTERM")


STATUSES: tuple[CheckStatus, ...] = ("failed", "passed", "known_issue")


def test_what_failed_while_the_clock_was_set_is_to_be_run_again() -> None:
    checks = [
        CheckResult(id=status, title="t", group="g", level="must", status=status, cause="c")
        for status in STATUSES
    ]
    moved = list(checks)
    why = "the wall clock moved by -3.5 s while this scenario ran: run it again"
    verdict = at_moved_clock(Verdict("failed", "got 500", "trace", cause="c", by_checks=True), moved, -3.51)
    assert verdict == Verdict("broken", f"{why}; what failed: got 500", "trace")
    assert moved == [replace(checks[0], status="not_run", reason=why, cause=""), *checks[1:]]
    for unchanged in (Verdict("passed"), Verdict("broken"), Verdict("known_issue")):
        kept = list(checks)
        assert at_moved_clock(unchanged, kept, 3.5) is unchanged
        assert kept == checks


@pytest.mark.parametrize(
    ("error", "hook", "message"),
    [
        (
            AssertionError("got 500"),
            AssertionError("it died\na\nb"),
            "got 500\n(in: Then it works)\nbeside it: it died\n... (2 more lines)",
        ),
        (AssertionError("got 500"), OSError("no disk"), "got 500\n(in: Then it works)"),
        (AssertionError("got 500"), None, "got 500\n(in: Then it works)"),
        (OSError("no disk"), AssertionError("it died"), "no disk\n(in: Then it works)"),
    ],
)
def test_what_a_hook_finds_is_shown_beside_the_failure_of_a_step(
    error: Exception, hook: Exception | None, message: str
) -> None:
    assert verdict_of(scenario("failed", step("failed", error), exception=hook), None).message == message


def test_of_several_failures_beside_those_of_checks_the_first_is_shown() -> None:
    for error, kind in (
        (ChecksFailed("1 of 2 checks"), "failed checks"),
        (KnownIssuesFound("1 of 2 checks", "answers 500", "docs/x.md"), "known issues"),
    ):
        toy = scenario(
            "failed",
            step("failed", error),
            step("error", OSError("no disk")),
            exception=AssertionError("it hangs"),
        )
        shown = ["it works (OSError): no disk", f"beside {kind}: 1 of 2 checks"]
        assert verdict_of(toy, None).message.splitlines()[:2] == shown


# -- needs

COMMAND = CommandTarget(Path("/bin/mistralrs"), "mistralrs", "0.8.1", "a test")
LEGACY = CommandTarget(Path("/bin/mistralrs-server"), "mistralrs-server", "0.6.0", "a test")
URL = UrlTarget("http://127.0.0.1:1", ("default",), "a test")
OTHER = replace(URL, other_answer="Hello, how can I help?")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return Settings()


@pytest.mark.parametrize(
    ("tag", "target", "words"),
    [
        ("needs.command", COMMAND, None),
        ("needs.command", URL, "set MISTRALRS_BIN instead of TARGET_URL"),
        ("needs.scripted_model", COMMAND, None),
        ("needs.scripted_model", URL, None),
        ("needs.scripted_model", OTHER, "'Hello.*serve what `acceptance model` prints"),
        ("needs.own_model", COMMAND, "set TEST_MODEL_PATH"),
        ("needs.embeddings", COMMAND, None),
        ("needs.embeddings", URL, "name it by TARGET_EMBEDDING_MODEL"),
        ("needs.subcommands", COMMAND, None),
        ("needs.subcommands", LEGACY, "mistralrs 0.7 or newer"),
        ("blocker", OTHER, None),
    ],
)
def test_a_scenario_runs_or_says_what_it_needs(
    settings: Settings, tag: str, target: Any, words: str | None
) -> None:
    reason = Requirements(settings, target).missing(["smoke", tag])
    assert (reason is None) is (words is None)
    assert words is None or re.search(words, str(reason))


def test_a_named_embedding_model_at_a_url_is_tested(settings: Settings) -> None:
    named = settings.model_copy(update={"target_embedding_model": "theirs"})
    assert Requirements(named, URL).missing(["needs.embeddings"]) is None


GATEWAY_URL, OLLAMA_URL = "http://127.0.0.1:2", "http://127.0.0.1:3"
THEIRS = OllamaAtUrl(GATEWAY_URL, "url", "9", takes_models=False, other_answer="Hi.")
TAKES_OURS = OllamaAtUrl(GATEWAY_URL, "ollama", "9", takes_models=True)


@pytest.mark.parametrize(
    ("tag", "target", "found", "words"),
    [
        ("needs.scripted_gateway", COMMAND, None, None),
        ("needs.scripted_gateway", URL, None, None),
        ("needs.scripted_gateway", OTHER, None, "'Hello.*serve what `acceptance model` prints"),
        ("needs.scripted_gateway", OTHER, TAKES_OURS, None),
        ("needs.scripted_gateway", COMMAND, THEIRS, "the gateway at .*:2 serves another model .*'Hi.'"),
        ("needs.same_model", OTHER, None, None),
        ("needs.same_model", OTHER, THEIRS, None),
        ("needs.same_model", COMMAND, THEIRS, "the gateway at .* serves another model"),
        ("needs.same_model", OTHER, TAKES_OURS, "the server at TARGET_URL serves a different one"),
        ("needs.same_model", COMMAND, TAKES_OURS, None),
        ("needs.model_file", COMMAND, None, None),
        ("needs.model_file", URL, None, None),
        ("needs.model_file", OTHER, None, "returns its name only"),
        ("needs.model_file", OTHER, THEIRS, None),
    ],
)
def test_a_comparison_needs_a_gateway_with_its_model(
    settings: Settings, tag: str, target: Any, found: OllamaAtUrl | None, words: str | None
) -> None:
    """`found`: the user's own gateway; without it the bundled one is in front of the target."""
    examined = {}
    if found is not None:
        settings.ollama_api, examined = GATEWAY_URL, {GATEWAY_URL: found}
    reason = Requirements(settings, target, examined).missing([tag])
    assert (reason is None) is (words is None)
    assert words is None or re.search(words, str(reason))


def test_an_ollama_that_was_there_before_is_not_changed_and_may_have_another_model(
    settings: Settings,
) -> None:
    assert Requirements(settings, COMMAND).missing(["needs.own_ollama"]) is None
    settings.ollama_url = OLLAMA_URL
    theirs = replace(THEIRS, url=OLLAMA_URL)
    needs = Requirements(settings, COMMAND, {OLLAMA_URL: theirs})
    assert "was there before this run: it is not changed" in str(needs.missing(["needs.own_ollama"]))
    assert "a real Ollama at http://127.0.0.1:3 serves another" in str(
        needs.missing(["needs.scripted_ollama"])
    )
    # A run finds that out when a scenario uses it.
    assert Requirements(settings, COMMAND).missing(["needs.scripted_ollama"]) is None


@pytest.mark.parametrize("other", [True, False])
def test_what_may_damage_a_server_needs_the_bundled_gateway(settings: Settings, *, other: bool) -> None:
    settings.ollama_api = GATEWAY_URL if other else "ollama"
    scenario: Any = SimpleNamespace(effective_tags=["needs.command", "needs.ollama_api"], all_steps=[])
    reason = Requirements(settings, COMMAND).missing_gateway_of(scenario)
    assert (reason is not None) is other
    assert not other or "tested with the bundled gateway only (leave ollama_api out)" in str(reason)


def test_a_model_of_your_own_meets_its_need(settings: Settings, tmp_path: Path) -> None:
    settings.test_model_path = tmp_path
    assert Requirements(settings, COMMAND).missing(["needs.own_model"]) is None


def test_every_need_that_is_missing_has_its_reason(settings: Settings) -> None:
    assert "requires a local binary" in str(
        Requirements(settings, URL).missing(["needs.own_model", "needs.command"])
    )
    assert Requirements(settings, URL).missing([]) is None


# -- tags


@pytest.mark.parametrize("tag", ["blocker", "smoke", "serial", "needs.command", "lock.gpu", "budget.10s"])
def test_a_tag_of_the_list_is_known(tag: str) -> None:
    assert is_allowed(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "Blocker",
        "smok",
        "needs",
        "needs.",
        "lock.",
        "lock.GPU",
        "budget.10",
        "budget.s",
        "xlock.a",
        "@smoke",
    ],
)
def test_another_tag_is_unknown(tag: str) -> None:
    assert not is_allowed(tag)


@pytest.mark.parametrize(
    "expression",
    [
        "smoke",
        "@smoke",
        "not @slow",
        "@smoke and not @slow",
        "(@blocker or @critical) and not (@slow or @serial)",
        "@needs.*",
        "not @lock.*",
        "@budget.*",
        "@budget.10s",
        "@smok?",
        "",
    ],
)
def test_an_expression_of_known_tags_is_accepted(expression: str) -> None:
    check_expression([expression])


@pytest.mark.parametrize(
    ("expression", "tag", "advice"),
    [
        ("@smok", "smok", "did you mean @smoke?"),
        ("not @slwo", "slwo", "did you mean @slow?"),
        ("@smoke and (not @critcal)", "critcal", "did you mean @critical?"),
        ("@needs.comand", "needs.comand", "did you mean @needs.command?"),
        ("@zzzzzz", "zzzzzz", "known are benchmark, blocker"),
        ("@nothing.*", "nothing.*", ""),
        ("@2slow", "2slow", "did you mean @slow?"),
        ("@_smoke", "_smoke", "did you mean @smoke?"),
        ("@smoke,@slwo", "slwo", "did you mean @slow?"),
        ("smoke AND slow", "AND", ""),
    ],
)
def test_an_unknown_tag_is_one_line_with_a_suggestion(expression: str, tag: str, advice: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_expression(["@smoke", expression])
    text = str(caught.value)
    assert text.startswith(f"unknown tag @{tag} (from --tags {expression!r}): ")
    assert advice in text
    assert len(text.splitlines()) == 1


def test_the_list_is_closed() -> None:
    assert tags.TAGS == tags.SEVERITY | tags.RUN_CLASS | tags.SAFETY | tags.NEEDS
    assert all(name.startswith("needs.") for name in tags.NEEDS)


def test_a_failure_that_is_known_in_another_version_counts_and_is_marked() -> None:
    marked = mark_known_elsewhere(Verdict("failed", "got 500"), "toy 1.0 (it is old; notes.md)")
    assert marked.gates
    assert marked.message == "got 500\nknown in toy 1.0 (it is old; notes.md)"
    assert marked.known_in == "toy 1.0 (it is old; notes.md)"
    for verdict in (Verdict("passed"), Verdict("broken", "no disk")):
        assert mark_known_elsewhere(verdict, "toy 1.0") == verdict
    assert mark_known_elsewhere(Verdict("failed", "got 500"), "") == Verdict("failed", "got 500")


# -- a clock that was set


def test_a_failure_while_the_clock_was_set_is_a_broken_harness() -> None:
    failed, passed = (
        CheckResult("a.b", "it works", "a group", "must", status) for status in ("failed", "passed")
    )
    checks = [failed, passed]
    verdict = at_moved_clock(Verdict("failed", "created is wrong", by_checks=True), checks, 3600.02)
    assert verdict.message == (
        "the wall clock moved by +3600.0 s while this scenario ran: run it again; "
        "what failed: created is wrong"
    )
    assert (verdict.status, verdict.by_checks) == ("broken", False)
    assert [check.status for check in checks] == ["not_run", "passed"]


@pytest.mark.parametrize("status", ["passed", "skipped", "broken", "known_issue"])
def test_another_verdict_stays_when_the_clock_was_set(status: Any) -> None:
    verdict = Verdict(status, "as before")
    assert at_moved_clock(verdict, [], -5.0) is verdict
