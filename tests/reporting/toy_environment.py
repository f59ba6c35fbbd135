"""The `environment.py` of the toy suite: hooks that fail on demand, verdicts set as by the guarded runner."""

import os
import sys
from collections.abc import Callable
from typing import Any

from behave.model import Feature, Scenario
from behave.runner import Context, Runner

from support.reporting.evidence import ScenarioEvidence, Transcript
from support.results.check import CheckResult
from support.results.outcome import Evidence, MatrixCell, Measurement, Verdict
from support.results.redaction import RedactedStream, Redactor, redactor_for, set_redactor


class Open(Redactor):
    """Lets everything through: for the proof that a leak would be noticed."""

    def text(self, text: str) -> str:
        return text


LEAK = os.environ.get("TOY_LEAK", "")
if LEAK:
    set_redactor(
        Open()
        if "TOY_OPEN" in os.environ
        else redactor_for(os.environ["TOY_KEY"], [os.environ["TOY_URL"]], {})
    )
    # As the reports of a run do it (support/reporting/report_writer.py).
    sys.stdout, sys.stderr = RedactedStream(sys.stdout), RedactedStream(sys.stderr)


def before_all(context: Context) -> None:
    # Before any formatter sees a scenario, as the guarded runner does.
    for feature in context._runner.features:
        for scenario in feature.walk_scenarios():
            if "known" in scenario.tags:
                _as_known_issue(scenario)
            if "leaky" in scenario.tags:
                _with_leaks(scenario)
            if "measured" in scenario.tags:
                _with_evidence(scenario)
            if "checked" in scenario.tags:
                _with_checks(scenario)
    if context.config.userdata.get("fail") == "before_all":
        raise RuntimeError("no room for before_all")


def after_all(context: Context) -> None:
    if context.config.userdata.get("fail") == "after_all":
        raise RuntimeError("after_all gave up")
    if context.config.userdata.get("fail") == "run_cleanup":

        def leave() -> None:
            raise OSError("the folder of the run is in use")

        context.add_cleanup(leave, layer="testrun")


def before_feature(context: Context, feature: Feature) -> None:
    if "broken_feature" in feature.tags:
        raise RuntimeError("feature set-up failed")
    for scenario in feature.walk_scenarios():
        if "needs.gpu" in scenario.tags:
            scenario.skip("no GPU here; run it where there is one")


def after_feature(context: Context, feature: Feature) -> None:
    if "broken_end" in feature.tags:
        raise RuntimeError("feature tear-down failed")


def before_scenario(context: Context, scenario: Scenario) -> None:
    print("about to run", scenario.name)
    if "broken_before" in scenario.tags:
        raise RuntimeError("before_scenario failed")
    if "leaks_its_need" in scenario.tags:
        scenario.skip(f"needs {LEAK}")
    if "leaks_at_its_end" in scenario.tags:

        def tell() -> None:
            raise RuntimeError(LEAK)

        context.add_cleanup(tell)
    if "unclean" in scenario.tags:

        def leave() -> None:
            raise RuntimeError("the port is still taken")

        context.add_cleanup(leave)


def after_scenario(context: Context, scenario: Scenario) -> None:
    if "broken_after" in scenario.tags:
        raise RuntimeError("after_scenario failed")


def _wrap(scenario: Scenario, after: Callable[[bool], bool]) -> None:
    inner = scenario.run

    def run(runner: Runner) -> bool:
        return after(inner(runner))

    scenario.run = run


def _with_leaks(scenario: Scenario) -> None:
    def after(failed: bool, /) -> bool:
        if "leaks_as_known" in scenario.tags:
            scenario.verdict = Verdict("known_issue", LEAK, f"Traceback: {LEAK}", LEAK, os.environ["TOY_URL"])
            scenario.set_status("skipped")
        scene = ScenarioEvidence(
            [("target_url", LEAK, "environment")], log=LEAK, transcripts=[Transcript("terminal", LEAK, LEAK)]
        )
        scenario.evidence = (*scene.attachments(), Evidence(LEAK, "application/octet-stream", LEAK.encode()))
        scenario.measures = (Measurement("leak.rate", LEAK, 1.0, "1/s"),)
        cell = MatrixCell(LEAK.splitlines()[0], "failed", LEAK, under_test=True, source=LEAK, repeat=LEAK)
        texts = (LEAK, LEAK, LEAK, LEAK, LEAK, LEAK)
        scenario.checks = (CheckResult("toy.leak", LEAK, "leaks", "must", "failed", *texts, cells=(cell,)),)
        return failed

    _wrap(scenario, after)


def _as_known_issue(scenario: Scenario) -> None:
    def after(_failed: bool, /) -> bool:
        scenario.verdict = Verdict(
            "known_issue",
            message="expected status 404, got 500",
            trace="Traceback: toy",
            why="unknown routes answer 500",
            source="https://example.org/issues/7",
        )
        scenario.set_status("skipped")
        return False

    _wrap(scenario, after)


def _with_evidence(scenario: Scenario) -> None:
    def after(failed: bool, /) -> bool:
        exchange = (
            b'{"schemaVersion":1,"start":1700000000000,"stop":1700000000012,'
            b'"request":{"method":"POST","url":"http://localhost:1234/v1/chat/completions","headers":[],'
            b'"body":{"encoding":"utf8","contentType":"application/json","value":"{}"}},'
            b'"response":{"status":200,"headers":[]}}'
        )
        scenario.verdict = Verdict("passed")
        scenario.evidence = (
            Evidence.text("server log", "ready\n"),
            Evidence("exchange", "application/vnd.allure.http+json", exchange),
            Evidence(
                "plot", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
            ),
        )
        scenario.measures = (
            Measurement("load.gguf.seconds", "Time to load a GGUF", 1.25, "s"),
            Measurement("decode.speed", "Decode speed", float("nan"), "tok/s"),
            Measurement("decode.steady", "Steady decode speed", 42.0, "tok/s"),
        )
        return failed

    _wrap(scenario, after)


def _with_checks(scenario: Scenario) -> None:
    """A group with a check of each status; the scenario fails by one of them."""
    group = "malformed bodies"
    cells = (
        MatrixCell("toy 1.0", "passed", under_test=True),
        MatrixCell("toy 2.0", "failed", "answers \x1b[31m500"),
    )
    failure: dict[str, Any] = {
        "expected": "status 400 or 422",
        "actual": "status: expected 400 or 422, got 500: 'oops \x1b[31m'",
        "source": "RFC 9110, 15.5.1",
        "repeat": "curl -sS http://127.0.0.1:1/v1/chat/completions",
        "start": 1_700_000_000.0,
        "duration": 0.25,
    }
    known: dict[str, Any] = {"reason": "every error is a 500", "reason_source": "docs/findings.md#errors"}

    def after(failed: bool, /) -> bool:
        scenario.verdict = Verdict("failed", "1 of 5 checks failed")
        scenario.checks = (
            CheckResult(
                "openai.chat.body.empty", "an empty body is rejected", group, "must", "passed", cells=cells
            ),
            CheckResult("openai.chat.body.array", "an array is rejected", group, "must", "failed", **failure),
            CheckResult(
                "openai.chat.body.bom",
                "a byte order mark is accepted",
                group,
                "should",
                "known_issue",
                **failure,
                **known,
            ),
            CheckResult(
                "openai.files.body.empty",
                "an empty upload is rejected",
                group,
                "should",
                "unsupported",
                reason="no route POST /v1/files",
            ),
            CheckResult(
                "openai.chat.body.late",
                "a late body is rejected",
                group,
                "must",
                "not_run",
                reason="time limit",
            ),
        )
        return failed

    _wrap(scenario, after)
