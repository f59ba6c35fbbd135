"""What a check does with a mutated response, and what becomes of it in the score."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.conformance import case_runner
from support.errors import SettingsError
from support.fault_injection.blind_mutations import Mutation, mutations_of
from support.fault_injection.blind_replay import NOWHERE, ReplayedClient, judge
from support.fault_injection.blind_report import BlindReport, Explanation, load_explanations
from support.fault_injection.blind_score import CheckResults, Result, judge_recording, sample
from tests.fault_injection.blind_samples import recording, streamed, whole


def mutation(what: str, path: str) -> Mutation:
    return next(one for one in mutations_of(whole().exchanges) if (one.kind, one.path) == (what, path))


@pytest.mark.parametrize(
    ("kind", "path", "layer"),
    [
        ("status +100", "status", "status"),
        ("field dropped", "choices[].finish_reason", "official type"),
        ("field retyped", "usage.total_tokens", "official type"),
        ("field twice", "id", "JSON"),
        ("count +1", "usage.total_tokens", "contract"),
        ("list item twice", "choices", "invariants"),
        ("truncated", "", "JSON"),
    ],
)
def test_a_defect_is_detected(kind: str, path: str, layer: str) -> None:
    found = judge(whole(), mutation(kind, path))
    assert (found.verdict, found.layer) == ("detected", layer)


def test_what_the_contract_allows_survives() -> None:
    assert judge(whole(), mutation("field dropped", "system_fingerprint")).verdict == "survived"
    assert judge(whole()).verdict == "survived"


def test_each_event_counts() -> None:
    results = judge_recording(streamed(), "", 0)
    lost = {one.place: one.verdict for one in results.results if one.kind == "event dropped"}
    assert lost["first in event 1 of response 1"] == "detected"
    assert lost["[DONE] in event 4 of response 1"] == "detected"
    assert results.possible == len(results.results)


def test_a_recording_that_does_not_pass_is_not_used() -> None:
    assert judge_recording(whole(" "), "", 0).unusable.startswith("detected: expectation: ")


def test_a_request_that_was_not_recorded_is_undecided() -> None:
    nothing = recording("openai.chat.answer.not_empty")
    assert judge(nothing).verdict == "undecided"


def test_an_exception_of_a_check_is_no_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("usage")

    monkeypatch.setattr(case_runner, "require_request_fields", fail)
    assert judge(whole()).verdict == "broken"


def test_the_last_response_is_repeated_a_few_times() -> None:
    client = ReplayedClient(whole().exchanges)
    sent = whole().exchanges[0]
    answers = [client.send("POST", "/v1/chat/completions", body=sent.request_body) for _ in range(3)]
    assert answers == [sent] * 3
    assert client.base_url == NOWHERE


def test_a_sample_has_each_kind_and_field_and_is_repeatable() -> None:
    mutations = list(mutations_of(streamed().exchanges))
    classes = {(one.kind, one.path) for one in mutations}
    chosen = sample(mutations, 1, "a")
    assert len(chosen) == len(classes)
    assert {(one.kind, one.path) for one in chosen} == classes
    assert chosen == sample(mutations, 1, "a") != sample(mutations, 1, "b")
    assert len(chosen) < len(sample(mutations, 2, "a")) < len(mutations)
    assert sample(mutations, 0, "a") == mutations


def result(check: str, path: str, verdict: str = "survived", kind: str = "field dropped") -> Result:
    return Result(check, kind, path, path, verdict)  # type: ignore[arg-type]


EXPLAINED = Explanation(apis=["openai"], paths=["usage.avg_*"], reason="a speed, which is optional")


def report(*results: Result) -> BlindReport:
    return BlindReport("toy", [CheckResults("openai.a.b", 20, results)], explanations=[EXPLAINED])


def test_the_score_leaves_out_what_is_explained() -> None:
    made = report(
        result("openai.a.b", "id", "detected"),
        result("openai.a.c", "id"),
        result("openai.a.b", "usage.avg_speed"),
        result("openai.a.b", "choices"),
        result("openai.a.b", "model", "undecided"),
    )
    assert dict(made.score().categories) == {
        "detected": 1,
        "another": 1,
        "explained": 1,
        "gap": 1,
        "undecided": 1,
    }
    assert (made.score().total, made.score().own) == (2 / 3, 1 / 4)
    assert [str(one) for one in made.gaps] == ["openai, response: choices: field dropped"]
    assert not made.passed
    assert "gap: openai, response: choices: field dropped (1 times, such as openai.a.b)" in made.lines()
    assert made.to_json()["explained"] == [{"reason": EXPLAINED.reason, "number": 1}]


def test_a_broken_check_fails_whatever_the_score_is() -> None:
    good = [result("openai.a.b", "id", "detected")] * 99
    assert report(*good).passed
    assert not report(*good, result("openai.a.b", "usage", "broken")).passed


def test_without_a_verdict_the_target_is_not_reached() -> None:
    assert not report(result("openai.a.b", "id", "undecided")).passed


def test_what_is_detected_elsewhere_needs_the_same_change() -> None:
    made = report(result("openai.a.b", "id", "detected", kind="field twice"), result("openai.a.c", "id"))
    assert dict(made.score().categories) == {"detected": 1, "gap": 1}


def test_an_explanation_that_explains_nothing_is_named() -> None:
    assert report(result("openai.a.b", "choices")).unused == [EXPLAINED]
    assert not report(result("openai.a.b", "usage.avg_speed")).unused


def test_the_explanations_are_read() -> None:
    assert load_explanations()


@pytest.mark.parametrize(
    "text",
    [
        "[[survivor]]",
        '[[survivor]]\napis = ["openai"]\npaths = ["id"]\nreason = "short"',
        '[[survivor]]\napis = ["openai"]\npaths = ["id"]\nkinds = ["vanished"]\nreason = "it is not needed"',
        "[[survivor",
    ],
)
def test_a_wrong_file_of_explanations_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "survivors.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_explanations(file)
