"""Two targets compared: findings of ratios, workloads that differ, invalid rounds, files, and the command.

The injected differences are judged by ratios within one run on the synthetic server, never by times.
"""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import SettingsError, TargetError
from support.performance import comparison as compared
from support.performance import load_table
from support.performance.comparison import (
    FIRST_TOKEN_P50,
    MEMORY,
    PER_TOKEN_P50,
    ComparedTarget,
    Comparison,
    Finding,
    compare,
)
from support.performance.comparison_report import csv_text, document, lines
from support.performance.ground_truth.server import Schedule, synthetic_server
from support.performance.load.plan import LoadPlan
from support.performance.target_facts import FILE, TargetFacts
from support.programs.launcher import free_port
from support.settings import default_cache
from tests.performance.comparisons import FACTS, FIRST, SECOND, comparison, load, requests
from tests.performance.loads import PLAN, failed, result

ANSWER = Schedule(ttft_us=30_000, itl_us=4_000, tokens=8, prompt_tokens=30, same_text=True)


def finding_of(found: Comparison, name: str = FIRST_TOKEN_P50) -> Finding:
    return next(figure.finding for figure in found.figures if figure.name == name)


@pytest.mark.parametrize(
    ("seconds", "finding"),
    [
        ([110.0, 111.0, 112.0, 111.0], Finding.DIFFERS),
        ([90.0, 91.0, 90.0, 89.0], Finding.DIFFERS),
        # Certain, and smaller than what counts.
        ([103.0, 103.1, 102.9, 103.0], Finding.NO_DIFFERENCE),
        ([106.0, 106.1, 105.9, 106.0], Finding.NO_DIFFERENCE),
        # Of a size that counts, and not certain; of none, and 10 % would not have been found.
        ([103.0, 114.0, 110.0, 107.0], Finding.NOT_ENOUGH_EVIDENCE),
        ([94.0, 106.0, 100.0, 101.0], Finding.NOT_ENOUGH_EVIDENCE),
        ([100.0] * 4, Finding.NO_DIFFERENCE),
        ([80.0, 130.0, 100.0, 95.0], Finding.NOT_ENOUGH_EVIDENCE),
        ([110.0, 111.0], Finding.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_a_finding_is_that_of_the_interval(seconds: list[float], finding: Finding) -> None:
    found = comparison(seconds)
    assert finding_of(found) is finding
    assert found.has_ratios
    assert finding_of(found, MEMORY) is (
        Finding.NO_DIFFERENCE if len(seconds) > 2 else Finding.NOT_ENOUGH_EVIDENCE
    )


def test_a_ratio_that_changes_from_round_to_round_is_none() -> None:
    found = comparison([200.0 + 20 * number for number in range(10)])
    assert finding_of(found) is Finding.NOT_ENOUGH_EVIDENCE
    text = "\n".join(lines(found))
    assert "not enough evidence (the ratio has no steady state: -" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompt_tokens": 31}, "tokens of the prompt: 30 and 31 (8 of 8 requests)"),
        ({"output_tokens": 4}, "tokens of the answer: 5 and 4 (8 of 8 requests)"),
        ({"output_tokens": -1}, "tokens of the answer: 5 and not reported (8 of 8 requests)"),
        ({"requested_tokens": 9}, "tokens of the answer: 5 of 9 requested (8 of 16 answers)"),
    ],
)
def test_other_counts_are_two_workloads(changes: dict[str, Any], expected: str) -> None:
    found = comparison([200.0] * 4, **changes)
    assert any(expected in difference for difference in found.workload_differences)
    assert found.finding is Finding.OTHER_WORKLOAD
    text = "\n".join(lines(found))
    assert "two different workloads, no ratio" in text
    assert "first by second" not in text
    figures: Any = document(found)["figures"]
    assert {figure["ratio"] for figure in figures} == {None}


def test_another_file_is_another_workload_and_an_unknown_one_marks_the_ratio() -> None:
    other = replace(FACTS, file_hash="b" * 64)
    found = comparison([100.0] * 4, facts=(FACTS, other))
    assert found.workload_differences == [
        "file of the model: model.gguf, SHA-256 aaaaaaaaaaaa... and model.gguf, SHA-256 bbbbbbbbbbbb..."
    ]
    unknown = comparison([100.0] * 4, facts=(FACTS, replace(FACTS, file_hash="")))
    assert unknown.has_ratios
    assert "the files are not known: it may be another model" in "\n".join(lines(unknown))
    assert "not known" not in "\n".join(lines(comparison([100.0] * 4)))


def test_two_files_that_are_to_be_compared_have_a_ratio_and_their_names() -> None:
    """Two quantisations of one model: other files and other texts, and the same tokens."""
    other = TargetFacts({**FACTS.shown, FILE: "small.gguf"}, "b" * 64)
    found = replace(comparison([80.0] * 4, facts=(FACTS, other), text="sane"), two_files=True)
    assert found.has_ratios
    text = "\n".join(lines(found))
    assert all(part in text for part in ("model.gguf", "small.gguf", "first by second"))
    assert "warning" not in text
    targets: Any = document(found)["targets"]
    assert [one["file"] for one in targets] == ["model.gguf", "small.gguf"]
    assert [one["file_sha256"] for one in targets] == ["a" * 64, "b" * 64]
    fewer = replace(comparison([80.0] * 4, facts=(FACTS, other), output_tokens=4), two_files=True)
    assert not fewer.has_ratios
    same = replace(comparison([80.0] * 4), two_files=True)
    assert same.workload_differences == [
        "file of the model: both have model.gguf, SHA-256 aaaaaaaaaaaa..., two different ones are compared"
    ]


def test_another_text_is_a_warning_and_no_ratio() -> None:
    found = comparison([100.0] * 4, text="sane")
    assert found.other_texts == ("32 of 32 answers at temperature 0 have another text: 'same' and 'sane'")
    assert (found.finding, found.has_ratios) == (Finding.OTHER_WORKLOAD, False)
    assert "warning: one of them may be wrong, no ratio: 32 of 32" in "\n".join(lines(found))


def test_an_invalid_round_is_shown_and_does_not_count() -> None:
    slow = load(SECOND, requests(300.0), cpu_share=0.95)
    late = load(SECOND, requests(300.0), coalesced=0.5, lag_p99_us=90_000.0)
    good = [(load(FIRST, requests()), load(SECOND, requests())) for _ in range(3)]
    rounds = [*good, (load(FIRST, requests()), slow), (load(FIRST, requests()), late)]
    found = Comparison((FIRST, SECOND), (FACTS, FACTS), rounds)
    assert finding_of(found) is Finding.NO_DIFFERENCE
    text = "\n".join(lines(found))
    assert "invalid: round 4: second: the client has used 95% of a core" in text
    assert "invalid: round 5: second: 50% of the reads had several events" in text
    valid = {row["round"]: row["valid"] for row in csv.DictReader(csv_text(found).splitlines())}
    assert valid == {"1": "True", "2": "True", "3": "True", "4": "False", "5": "False"}


def test_a_failure_ends_it_with_one_line() -> None:
    broken = load(SECOND, [*requests(), failed(9)])
    found = Comparison((FIRST, SECOND), (FACTS, FACTS), [(load(FIRST, requests()), broken)])
    line = list(lines(found))[-1]
    assert line == (
        "nothing is compared: second (http://127.0.0.1:2, n), round 1: 1 of 9 requests failed:"
        " connection closed (after 2 events)"
    )


def test_rounds_alternate_and_both_get_the_same_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[LoadPlan] = []

    def send(plan: LoadPlan, folder: Path) -> object:
        assert folder.is_dir()
        sent.append(plan)
        return result(*requests(), plan=plan)

    monkeypatch.setattr(compared, "run_load", send)
    monkeypatch.setattr(load_table, "run_load", send)
    monkeypatch.setattr(compared, "facts_of", lambda *_: FACTS)
    compare((FIRST, SECOND), PLAN, tmp_path, rounds=3)
    warm_up, rounds = sent[:2], sent[2:]
    assert {plan.salt for plan in warm_up} == {None}
    assert [plan.model for plan in rounds] == ["m", "n", "n", "m", "m", "n"]
    salts = [(plan.salt, plan.seed) for plan in rounds]
    assert salts[0::2] == salts[1::2]
    assert len(set(salts)) == 3
    assert rounds[0].extra == {"temperature": 0}
    assert rounds[1].extra["options"]["num_predict"] == PLAN.output_tokens
    assert (rounds[0].key, rounds[1].key) == (None, "top-secret")
    assert "top-secret" not in repr(SECOND)


def plan_of(url: str, schedule: Schedule) -> LoadPlan:
    return LoadPlan(url, schedule.model, users=1, requests=5, output_tokens=schedule.tokens)


def compared_schedules(first: Schedule, second: Schedule, folder: Path) -> Comparison:
    with ExitStack() as servers:
        urls = [servers.enter_context(synthetic_server(default_cache())) for _ in range(2)]
        one, other = (
            ComparedTarget(name, url, schedule.model)
            for name, url, schedule in zip(("first", "second"), urls, (first, second), strict=True)
        )
        return compare((one, other), plan_of(urls[0], first), folder, rounds=5)


@pytest.mark.usefixtures("synthetic_url")
@pytest.mark.parametrize(
    ("share", "changes", "allowed"),
    [
        (1.1, {"ttft_us": 33_000, "itl_us": 4_400}, Finding.DIFFERS),
        (1.03, {"ttft_us": 30_900, "itl_us": 4_120}, Finding.NO_DIFFERENCE),
    ],
)
def test_ten_percent_are_found_and_three_are_not(
    share: float, changes: dict[str, int], allowed: Finding, tmp_path: Path
) -> None:
    slower = replace(ANSWER, **changes)  # type: ignore[arg-type]  # the fields of a schedule by name
    found = compared_schedules(slower, ANSWER, tmp_path)
    judged = [one for one in found.figures if one.name in (FIRST_TOKEN_P50, PER_TOKEN_P50)]
    for one in judged:
        # On a machine without a free core the interval is wide: then nothing is claimed.
        assert one.finding in {allowed, Finding.NOT_ENOUGH_EVIDENCE}
        if one.ratio is not None:
            assert one.ratio.low < share * 1.02
            assert one.ratio.high > share * 0.98


def command(*words: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(main, ["load", *words])
    return done.exit_code, done.output.splitlines()


def targets(first: str, second: str, schedule: Schedule = ANSWER, other: Schedule = ANSWER) -> list[str]:
    return [
        *("--target", first, "--model", schedule.model, "--against", second, "--against-model", other.model),
        *("--output-tokens", "8", "--rounds", "3", "--requests", "4"),
    ]


def test_the_command_writes_its_files(synthetic_url: str, tmp_path: Path) -> None:
    with synthetic_server(default_cache()) as other:
        words = [*targets(synthetic_url, other), "--folder", str(tmp_path)]
        code, output = command(*words)
        assert code == 0, output
        assert any(line.startswith("first by second") for line in output)
        # On a busy machine a round may be invalid, and three are needed for a ratio to keep.
        valid = any(line.startswith("median of 3 valid rounds") for line in output)
        assert any(line.startswith("history: the first load of its kind") for line in output) or not valid
        found = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
        assert {figure["name"] for figure in found["figures"]} >= {FIRST_TOKEN_P50, PER_TOKEN_P50, MEMORY}
        with (tmp_path / "comparison.csv").open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert (tmp_path / "comparison.svg").read_text(encoding="utf-8").count("time to first token p50") > 0
        sent = {(row["round"], row["target"]): row["position"] for row in rows}
        assert [sent[number, "first"] for number in "123"] == ["1", "2", "1"]
        code, output = command(*words)
        assert (code, len(output)) == (2, 1)
        assert "has the files of another comparison; give an empty folder" in output[0]


def test_the_command_ends_otherwise_for_two_workloads(synthetic_url: str) -> None:
    with synthetic_server(default_cache()) as other:
        code, output = command(*targets(synthetic_url, other, other=replace(ANSWER, prompt_tokens=31)))
        assert code == 3
        assert "  round 1, tokens of the prompt: 30 and 31 (5 of 5 requests)" in output
        code, output = command(*targets(synthetic_url, other, other=replace(ANSWER, same_text=False)))
        assert code == 3
        assert any("answers at temperature 0 have another text" in line for line in output)


def test_a_target_that_dies_between_two_rounds_ends_it(synthetic_url: str, tmp_path: Path) -> None:
    with ExitStack() as server:
        other = server.enter_context(synthetic_server(default_cache()))
        targets = (
            ComparedTarget("first", synthetic_url, ANSWER.model),
            ComparedTarget("second", other, ANSWER.model),
        )

        def end_second(progress: str) -> None:
            if progress == "round 2 of 3":
                server.close()

        found = compare(targets, plan_of(synthetic_url, ANSWER), tmp_path, rounds=3, progress=end_second)
    assert len(found.rounds) == 2
    line = list(lines(found))[-1]
    assert line.startswith("nothing is compared: second (http://127.0.0.1:")
    assert "round 2: 5 of 5 requests failed: no connection" in line


def test_a_target_that_fails_at_the_start_is_one_line(synthetic_url: str) -> None:
    with synthetic_server(default_cache()) as other:
        target = ComparedTarget("second", other, replace(ANSWER, drop_after=3).model)
        with pytest.raises(TargetError, match=r"second .* does not answer: connection closed"):
            compare(
                (ComparedTarget("first", synthetic_url, ANSWER.model), target),
                plan_of(synthetic_url, ANSWER),
                Path("unused"),
            )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", "http://127.0.0.1:9"], "--against needs --against-model"),
        (["--rounds", "3"], "--rounds needs --against"),
        (["--against-model", "m"], "--against-model needs --against"),
        (
            ["--against", "http://127.0.0.1:9", "--against-model", "m", "--find-limit", "ttft p50 < 1s"],
            "--find-limit is for one server",
        ),
        (["--against", "http://127.0.0.1:9", "--against-model", "m", "--prompt-words", "1,2"], "one load"),
        (["--against", "ftp://127.0.0.1:9", "--against-model", "m"], "http:// or https:// URL"),
        (["--against", "http://127.0.0.1:1", "--against-model", "m"], "both targets are"),
    ],
)
def test_wrong_usage_of_a_comparison_is_one_line(words: list[str], message: str) -> None:
    more = ["--requests", "1", "--users", "1"]
    code, output = command("--target", "http://127.0.0.1:1", "--model", "m", *more, *words)
    assert (code, len(output)) == (2, 1)
    assert message in output[0]


def test_a_second_target_that_is_not_there_is_one_line(synthetic_url: str) -> None:
    code, output = command(*targets(synthetic_url, f"http://127.0.0.1:{free_port()}"))
    assert (code, len(output)) == (2, 1)
    assert "second (http://127.0.0.1:" in output[0]
    assert "does not answer: no connection" in output[0]


def test_the_same_target_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its cache would know the prompts"):
        compare((FIRST, replace(FIRST, name="again")), PLAN, tmp_path)
