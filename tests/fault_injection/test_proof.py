"""The catalogue is valid; what counts as detected; the exact bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from support.conformance.case_table import check_ids
from support.errors import SettingsError
from support.fault_injection import catalogue
from support.fault_injection.catalogue import CatalogueFault, chosen, faults
from support.fault_injection.fault_notes import APPLIED
from support.fault_injection.proof import (
    Detection,
    FaultResult,
    Proof,
    RunResult,
    classify,
    lower_bound,
    repeated,
    upper_bound,
    widened,
    without_fault,
)
from support.fault_injection.proof_report import bounds, result_line
from support.runner.checks_of_scenarios import known_ids
from support.runner.entry_point import settings_of

FAULT = CatalogueFault(
    "a.b",
    "openai_api",
    "Counts are wrong.",
    "issue 1",
    "http",
    message="total_tokens",
    http=({"on": {}, "status": 500},),
    checks=("check.one",),
)
RIGHT, TIME_OUT = "total_tokens is 4, not 3", "timed out"
WAITED = f"POST http://127.0.0.1:1/v1/chat/completions: the server did not answer within 30 s; {RIGHT}"


def run(
    verdicts: Mapping[str, str], message: str = "", exit_code: int = 1, notes: tuple[str, ...] = (APPLIED,)
) -> RunResult:
    return RunResult(exit_code, verdicts, dict.fromkeys(verdicts, message), "the output", 1.0, notes)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (run({"check.one": "failed"}, RIGHT), Detection.EXPECTED),
        (run({"check.one": "passed", "check.two": "failed"}, RIGHT), Detection.OTHER),
        (run({"check.one": "failed"}, TIME_OUT), Detection.UNNAMED),
        (run({"check.one": "failed"}, WAITED), Detection.UNNAMED),
        (run({"check.one": "failed"}, "something else"), Detection.UNNAMED),
        (run({"check.one": "passed"}, exit_code=0), Detection.MISSED),
        (run({"check.one": "known_issue"}, RIGHT, 0), Detection.MISSED),
        (run({"check.one": "broken"}, RIGHT, 4), Detection.HARNESS),
        (run({}, exit_code=2), Detection.HARNESS),
        (run({"check.one": "failed"}, RIGHT, notes=()), Detection.NOT_INJECTED),
        (run({"check.one": "failed"}, RIGHT, notes=(APPLIED, "error: KeyError")), Detection.HARNESS),
    ],
)
def test_verdict_about_a_fault(result: RunResult, expected: Detection) -> None:
    assert classify(FAULT, result).detection == expected


def test_two_faults_at_once_need_both_checks() -> None:
    pair = replace(FAULT, checks=("check.one", "check.two"))
    assert classify(pair, run({"check.one": "failed"}, RIGHT)).detection == Detection.UNNAMED
    both = run({"check.one": "failed", "check.two": "failed"}, RIGHT)
    assert classify(pair, both).detection == Detection.EXPECTED


def test_a_fault_that_has_ended_leaves_no_failure() -> None:
    healing = replace(FAULT, recovers=("check.two",))
    ended = RunResult(
        1, {"check.one": "failed", "check.two": "passed"}, {"check.one": RIGHT}, notes=(APPLIED,)
    )
    assert classify(healing, ended).detection == Detection.EXPECTED
    stays = run({"check.one": "failed", "check.two": "failed"}, RIGHT)
    assert classify(healing, stays).detection == Detection.UNNAMED


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (run({"check.one": "passed"}, exit_code=0), Detection.NO_ALARM),
        (run({"check.one": "known_issue"}, exit_code=0), Detection.NO_ALARM),
        (run({"check.one": "failed"}, RIGHT), Detection.FALSE_ALARM),
        (run({}, exit_code=4), Detection.FALSE_ALARM),
    ],
)
def test_verdict_about_a_harmless_variant(result: RunResult, expected: Detection) -> None:
    variant = replace(FAULT, capability="harmless")
    assert classify(variant, result).detection == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (run({"check.one": "broken"}, RIGHT, 4), Detection.EXPECTED),
        (run({"check.one": "broken"}, "other", 4), Detection.UNNAMED),
        (run({"check.one": "failed"}, RIGHT), Detection.UNNAMED),
        (run({"check.one": "passed"}, exit_code=0), Detection.MISSED),
    ],
)
def test_a_broken_harness_is_no_failure_of_the_target(result: RunResult, expected: Detection) -> None:
    broken = replace(FAULT, capability="harness", http=(), settings={"prometheus_bin": "nowhere"})
    assert classify(broken, result).detection == expected


def test_a_check_that_fails_without_the_fault_shows_nothing() -> None:
    assert without_fault(FAULT, run({"check.one": "passed"})) is None
    for verdict, expected in (
        ("known_issue", Detection.NOT_APPLICABLE),
        ("unsupported", Detection.NOT_APPLICABLE),
        ("skipped", Detection.NOT_APPLICABLE),
        # On a busy machine, for example: the fault stays in the rate.
        ("failed", Detection.HARNESS),
        ("broken", Detection.HARNESS),
    ):
        found = without_fault(FAULT, run({"check.one": verdict}))
        assert found is not None and found.detection == expected
        assert f"{verdict} without the fault" in found.message
    nothing = without_fault(FAULT, run({}))
    assert nothing is not None and (nothing.detection, nothing.needs_others) == (Detection.HARNESS, False)


MISSED = classify(FAULT, run({"check.one": "passed"}, exit_code=0))


@pytest.mark.parametrize(
    ("first", "wider", "expected"),
    [
        (MISSED, run({"check.one": "passed", "check.two": "failed"}, RIGHT), Detection.OTHER),
        (MISSED, run({"check.one": "passed", "check.two": "failed"}, TIME_OUT), Detection.UNNAMED),
        (MISSED, run({"check.one": "passed", "check.two": "passed"}, exit_code=0), Detection.MISSED),
        (MISSED, run({}, exit_code=4), Detection.MISSED),
        # At the limit of its time.
        (MISSED, replace(run({"check.two": "failed"}, RIGHT, 130), is_whole=False), Detection.OTHER),
        (MISSED, replace(run({"check.two": "passed"}, "", 130), is_whole=False), Detection.MISSED),
        (
            classify(FAULT, run({"check.one": "failed"}, TIME_OUT)),
            run({"check.one": "passed"}, exit_code=0),
            Detection.UNNAMED,
        ),
        (
            classify(FAULT, run({"check.one": "passed"}, exit_code=0, notes=())),
            run({"check.one": "passed"}, exit_code=0),
            Detection.MISSED,
        ),
    ],
)
def test_the_other_checks_of_a_capability_decide_what_is_missed(
    first: FaultResult, wider: RunResult, expected: Detection
) -> None:
    assert first.needs_others
    found = widened(first, wider)
    assert (found.detection, found.seconds) == (expected, 2.0)
    assert found.all_others == (wider.is_whole and wider.exit_code != 4)


def test_what_fails_without_the_fault_does_not_detect_it() -> None:
    wider = run({"check.one": "passed", "check.two": "failed"}, RIGHT)
    healthy = run({"check.two": "failed"}, RIGHT)
    assert widened(MISSED, wider.of_those_that_pass(healthy)).detection == Detection.MISSED
    assert widened(MISSED, wider).others == 1


@pytest.mark.parametrize("capability", ["harmless", "harness"])
def test_a_variant_and_a_broken_harness_have_no_other_checks(capability: str) -> None:
    broken = replace(FAULT, capability=capability)
    assert not FaultResult(broken, Detection.MISSED).needs_others
    assert not FaultResult(FAULT, Detection.EXPECTED).needs_others


def test_one_false_alarm_of_several_runs_stays_one() -> None:
    variant = replace(FAULT, capability="harmless")
    quiet = classify(variant, run({"check.one": "passed"}, exit_code=0))
    alarm = classify(variant, run({"check.one": "failed"}, RIGHT))
    result = repeated(repeated(repeated(None, quiet), alarm), quiet)
    assert (result.detection, result.alarms, result.runs, result.seconds) == (Detection.FALSE_ALARM, 1, 3, 3)
    lines = bounds(Proof([result, replace(quiet, runs=3)], "a target", "today", "prove", 1.0, "suite 1"))
    assert lines[0].startswith("1 false alarms in 2 harmless variants: at most ")
    assert lines[1].startswith("1 of the 6 runs of these variants raised one: at most 58.2%")


def test_what_was_not_tried_proves_nothing() -> None:
    variant = replace(FAULT, capability="harmless")
    quiet, broken = FaultResult(variant, Detection.NO_ALARM), FaultResult(variant, Detection.HARNESS)

    def complete(*results: FaultResult) -> bool:
        return Proof(results, "a target", "today", "prove", 1.0, "suite 1").is_complete

    assert complete(quiet)
    assert not complete(quiet, broken)
    assert not complete(FaultResult(variant, Detection.NOT_INJECTED))
    assert not complete(FaultResult(FAULT, Detection.NOT_APPLICABLE))


def test_a_long_message_shows_that_it_is_cut() -> None:
    line = result_line(FaultResult(FAULT, Detection.EXPECTED, message="x" * 141))
    assert line.endswith(f"  {'x' * 139}…")


def test_bounds_are_exact() -> None:
    """By hand: 0.05 ** (1 / n) where all succeed, 1 - 0.05 ** (1 / n) where none does."""
    assert lower_bound(120, 120) == pytest.approx(0.05 ** (1 / 120))
    assert lower_bound(120, 120) == pytest.approx(0.975, abs=0.001)
    assert upper_bound(0, 20) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert (lower_bound(0, 5), lower_bound(0, 0)) == (0.0, 0.0)


def test_the_catalogue_has_at_least_120_faults_and_20_variants() -> None:
    assert len(faults()) >= 120


def test_every_check_and_scenario_of_the_catalogue_exists() -> None:
    # With the configuration of behave, which has the form of titles.
    settings_of([])
    known = known_ids() | check_ids()
    missing = {name for fault in faults() for name in (*fault.expected, *fault.recovers)} - known
    assert not missing


def test_every_toxic_of_toxiproxy_has_faults_of_the_catalogue() -> None:
    text = Path("docs/fault_injection.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`([^|]*)\|[^|]*\|(.*)\|$", text.partition("### Toxics")[2], re.MULTILINE)
    toxics = "latency latency bandwidth slow_close timeout reset_peer down slicer limit_data"
    assert [toxic for toxic, _, _ in rows] == toxics.split()
    for _, _, ids in rows:
        assert {*re.findall(r"`([^`]*)`", ids)} <= catalogue.catalogue().keys()


def test_no_two_faults_are_the_same_one() -> None:
    """One that is there twice makes the rate of the detected ones look safer than it is."""
    found: dict[str, list[str]] = {}
    for fault in faults():
        changes = (fault.http, fault.command, fault.settings, fault.programs, fault.stands_for, fault.process)
        found.setdefault(f"{fault.server} {changes} {fault.expected}", []).append(fault.id)
    assert not [ids for ids in found.values() if len(ids) > 1]


def test_no_two_faults_are_described_alike() -> None:
    sentences = [(fault.capability, fault.does) for fault in faults()]
    assert len(sentences) == len({*sentences})
    assert all(fault.does.endswith(".") for fault in faults())


# What checks report about other faults than those of the catalogue: none of its patterns may match one.
OTHER_CAUSES = (
    "",
    "Timed out after 30 s",
    "expected 200, got 503",
    'status: expected 200, got 503: \'{"error":{"message":"the model is being loaded","code":0}}\'',
    "status: expected 400 or 422, got 503: 'no healthy upstream'",
    "status: expected 404, got 503: 'no healthy upstream'",
    "transport: POST http://127.0.0.1:1/v1/chat/completions: no connection (No route to host)",
    "framing: expected application/json, got application/octet-stream",
    "JSON: GET http://127.0.0.1:1/api/tags: expected JSON: Expecting value: line 1 column 1; got 'oops'",
    "contract: models.0.size: Input should be a valid integer, got 'large'",
    "official type: service_tier: Input should be 'auto' or 'default', got 'gold'",
    "expectation: choices[0].message.content: expected is 'The comet comes back.', got '???'",
    "expectation: message.content: expected matches '^The comet', got '???'",
    "expectation: response: expected is 'The comet comes back.', got '???'",
    "expectation: text: expected is 'The comet comes back.', got '???'",
    "repetition: seconds was 3, then 4",
    "expected the answer of /v1/chat/completions 'A glacier moves.', got '???'\nanswer: 200 '{}'",
    "expected the answer 'A glacier moves.' to 'Tell me about the glacier', got '???'; the output is:\n???",
    "12 of 32 users got a wrong answer:\n  harbour: got '???', expected 'The harbour has room.'",
    "expected exit code 0, got 127\n--- stderr\nerror while loading shared libraries: libgomp.so.1",
    "expected the program to exit within 2.0 s\n$ mistralrs serve --help [exit 0 after 2.55 s]",
    "the first prompt: not seen within 30.0 s; it is still running; the screen: (blank)",
    "the file story.md has no commit; expected one edit",
    "expected status 200\nanswer: 503 text/plain ''\nrepeat: curl http://127.0.0.1:1/mcp -H 'accept: */*' "
    """--data-binary '{"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"name": "chat"}}'""",
)


def test_a_pattern_matches_no_failure_of_another_cause() -> None:
    """A wider one counts a fault as detected that its message does not name."""
    wide = {
        fault.id: text for fault in faults() for text in OTHER_CAUSES if re.search(fault.message, text, re.S)
    }
    assert not wide


def test_a_pattern_matches_the_messages_of_each_target() -> None:
    """The model of mistral.rs 0.8.1 has other embeddings, of which the count is not known exactly."""
    usage = catalogue.catalogue()["openai.embeddings.usage"]
    for expected in ("is 16", "at_least 2.0"):
        assert usage.names_problem(f"expectation: usage.prompt_tokens: expected {expected}, got 0")


# Faults with one effect on what the check sees.
SAME_EFFECT = (
    {"openai.stream.no_finish_reason", "openai.stream.finish_reason_null"},
    {"openai.stream.no_done", "openai.time.first_stream_only"},
    {"openai.time.begins_late", "openai.time.comes_and_goes"},
    {"openai.transport.timeout", "openai.transport.down"},
    {"ollama.counts.plus_one", "ollama.limits.one_more"},
)


def test_two_faults_of_a_check_have_two_patterns() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for fault in faults():
        for name in fault.expected:
            found.setdefault((name, fault.message), set()).add(fault.id)
    assert not [ids for ids in found.values() if len(ids) > 1 and ids not in SAME_EFFECT]


@pytest.mark.parametrize(
    ("ids", "capabilities", "message"),
    [
        (
            ["openai.stream.no_don"],
            [],
            "no fault 'openai.stream.no_don'; close matches: openai.stream.no_done",
        ),
        ([], ["openai"], "no capability 'openai'; close matches: openai_api"),
    ],
)
def test_an_unknown_name_is_one_line(ids: list[str], capabilities: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        chosen(ids, capabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": "magic"}, "means 'magic'"),
        ({"colour": "red"}, "unknown key colour"),
        ({"message": ""}, "no message"),
        ({"check": []}, "neither check nor scenario"),
        ({"http": {}}, "changes nothing"),
        ({"does": ""}, "no does"),
        ({"process": {"disk": 1}}, "unknown key in process: disk"),
        ({"process": {"gpu": {"volts": 1}}}, "unknown key in process: gpu.volts"),
        ({"on": {"not_header": ["accept"]}}, "unknown key not_header"),
        ({"http": {"state": 500}}, "unknown key state"),
        ({"http": {"jitter": 0.1}}, "jitter without delay"),
        ({"http": {"change": [{"event": "swap"}]}}, "unknown key swap"),
        ({"http": {"change": [{"ad": "usage", "by": 1}]}}, "unknown key ad"),
        ({"http": {"request": [{"delete": "model"}]}}, "unknown key delete"),
        ({"command": {"exitcode": 1}}, "unknown key exitcode"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, object], message: str) -> None:
    row: dict[str, object] = {
        "does": "It is wrong.",
        "seen": "issue 1",
        "means": "http",
        "http": {"status": 500},
    }
    row |= {"check": "check.one", "message": "500"} | change
    with pytest.raises(catalogue.CatalogueError, match=re.escape(message)):
        catalogue.fault_of("a.b", "openai_api", row)
