"""The history of loads: what is kept, what is compared, accepted loads, steps, and files with mistakes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import SettingsError
from support.performance import load_history
from support.performance.comparison import FIRST_TOKEN_P50, PER_TOKEN_P50, THROUGHPUT, WHOLE_P50
from support.performance.ground_truth.server import Schedule
from support.performance.load_history import HistoryEntry, LoadHistory, entry_of, load_text, parts_of
from support.performance.machine_profile import MachineProfile
from support.performance.regression import change_of, history_lines, keep, lines
from tests.performance.loads import PLAN, failed, request, result

MACHINE = MachineProfile("A CPU", 2, "performance")
ENTRY = HistoryEntry("2026-11-30T10:00:00+00:00", MACHINE, "mistralrs", "0.8.1", "m", "a load", {})


def entry(
    mean: float, spread: float = 0.01, *, figure: str = FIRST_TOKEN_P50, day: int = 1, **changes: object
) -> HistoryEntry:
    """Ten parts around a mean, always the same ones."""
    chance = random.Random(day)
    values = [mean * (1 + spread * chance.gauss(0, 1)) for _ in range(10)]
    dated = replace(ENTRY, time=f"2026-11-{day:02}T10:00:00+00:00", figures={figure: values})
    return replace(dated, **changes)  # type: ignore[arg-type]  # the fields of an entry by name


def history(file: Path, *entries: HistoryEntry) -> tuple[LoadHistory, list[str]]:
    """Read again after these were added; what was reported."""
    reported: list[str] = []
    for one in entries:
        LoadHistory.read(file, reported.append).add(one, reported.append)
    return LoadHistory.read(file, reported.append), reported


def test_the_first_load_is_accepted_and_the_next_ones_are_compared_with_it(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "history.jsonl"
    reported: list[str] = []
    keep(entry(100.0), file, reported.append)
    assert reported == [
        "history: the first load of its kind on this machine (A CPU, 2 cores, governor performance)"
    ]
    reported.clear()
    keep(entry(120.0, day=2, version="0.9.0"), file, reported.append)
    assert reported[0] == (
        "history: 1 earlier load on this machine; by the accepted one of 2026-11-01 10:00 mistralrs 0.8.1:"
    )
    assert reported[1].startswith("  time to first token p50: 1.2")
    assert reported[1].endswith(": slower")
    kept, _ = history(file)
    assert [one.accepted for one in kept.entries] == [True, False]


@pytest.mark.parametrize(
    ("figure", "mean", "spread", "finding"),
    [
        (FIRST_TOKEN_P50, 115.0, 0.01, "slower"),
        (FIRST_TOKEN_P50, 85.0, 0.01, "faster"),
        (THROUGHPUT, 115.0, 0.01, "faster"),
        (THROUGHPUT, 85.0, 0.01, "slower"),
        (FIRST_TOKEN_P50, 101.0, 0.01, "no difference found"),
        (FIRST_TOKEN_P50, 130.0, 0.5, "not enough evidence"),
    ],
)
def test_a_finding_is_that_of_the_interval(figure: str, mean: float, spread: float, finding: str) -> None:
    accepted = entry(100.0, 0.01, figure=figure)
    assert (
        change_of(figure, entry(mean, spread, figure=figure, day=2), accepted, [accepted]).finding == finding
    )


def test_the_spread_of_earlier_loads_widens_the_interval() -> None:
    accepted, new = entry(100.0), entry(115.0, day=5)
    others = [entry(112.0, day=2), entry(90.0, day=3), entry(105.0, day=4)]
    assert change_of(FIRST_TOKEN_P50, new, accepted, [accepted]).finding == "slower"
    found = change_of(FIRST_TOKEN_P50, new, accepted, [accepted, *others])
    assert found.finding == "not enough evidence"
    equal = replace(ENTRY, figures={FIRST_TOKEN_P50: [100.0] * 3})
    assert change_of(FIRST_TOKEN_P50, equal, equal, [equal]).ratio.low == 1.0


def test_only_loads_of_the_same_kind_and_machine_are_compared(tmp_path: Path) -> None:
    other = replace(MACHINE, governor="powersave")
    kept, _ = history(
        tmp_path / "h.jsonl",
        entry(10.0, machine=other),
        entry(10.0, program="ollama"),
        entry(10.0, model="another"),
        entry(10.0, load="another"),
        entry(10.0, invalid=["the client was late"]),
    )
    (line,) = lines(entry(100.0), kept)
    assert line.endswith("(A CPU, 2 cores, governor performance); 1 load of other machines")
    (line,) = lines(entry(100.0, invalid=["the client was late"]), kept)
    assert line == "history: an invalid load is compared with none: the client was late"


def test_a_step_is_shown_with_its_first_load(tmp_path: Path) -> None:
    days = [entry(100.0, day=day) for day in range(1, 9)]
    days += [entry(130.0, day=day, version="0.9.0") for day in range(9, 17)]
    kept, _ = history(tmp_path / "h.jsonl", *days)
    step = "  change point: time to first token p50: +30% from 2026-11-09 10:00 mistralrs 0.9.0 on"
    assert list(lines(entry(130.0, day=17), kept))[-1] == step
    listed = list(history_lines(kept))
    assert listed[-1] == step
    assert listed[0] == "m: a load; A CPU, 2 cores, governor performance"
    assert "accepted" in listed[1]
    assert len(listed) == 18


def test_a_load_is_accepted_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    kept, _ = history(file, entry(100.0), entry(130.0, day=2), entry(1.0, day=3, invalid=["late"]))
    assert kept.accept(2).time.startswith("2026-11-02")
    assert [one.accepted for one in history(file)[0].entries] == [True, True, False]
    # An earlier one again: those after it are no longer accepted.
    history(file)[0].accept(1)
    assert [one.accepted for one in history(file)[0].entries] == [True, False, False]
    for number, words in ((3, "the load was invalid: late"), (4, "has 3 loads")):
        with pytest.raises(SettingsError, match=words):
            kept.accept(number)


def test_lines_that_are_no_load_are_ignored_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    wrong = ["{", "[]", "{}", '{"machine": 3}', "\x00", ENTRY.to_json().replace("{}", '{"x": [-1.0]}')]
    file.write_text("\n".join([*wrong, entry(100.0).to_json()]) + "\n", encoding="utf-8")
    kept, reported = history(file)
    assert len(kept.entries) == 1
    assert reported == [f"the history {file} has 6 lines that are no record of a load; they are ignored"]


def test_a_file_that_cannot_be_used_is_one_line_and_no_error(tmp_path: Path) -> None:
    reported: list[str] = []
    keep(entry(100.0), tmp_path, reported.append)
    assert [line.partition(tmp_path.name)[2] for line in reported if tmp_path.name in line] == [
        " cannot be read (it is a folder, not a file); nothing is compared with it",
        " cannot be written (is a directory); it lacks this load",
    ]


def test_the_oldest_loads_are_dropped_but_not_the_accepted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_history, "MOST_RUNS", 4)
    kept, _ = history(tmp_path / "h.jsonl", *(entry(100.0, day=day) for day in range(1, 6)))
    assert [one.time[8:10] for one in kept.entries] == ["01", "04", "05"]


def test_a_load_is_kept_in_parts() -> None:
    measured = result(*(request(index, sent=200.0 * index) for index in range(40)))
    parts = list(parts_of(measured))
    assert [len(part.measured) for part in parts] == [4] * 10
    made = entry_of([measured], "mistralrs", "0.8.1", "m", "a name")
    assert made is not None
    assert made.figures.keys() == {FIRST_TOKEN_P50, PER_TOKEN_P50, WHOLE_P50, THROUGHPUT}
    assert made.figures[FIRST_TOKEN_P50] == [100.0] * 10
    # Three intervals of 200 ms with five tokens each.
    assert made.figures[THROUGHPUT] == pytest.approx([25.0] * 10)
    assert made.value(FIRST_TOKEN_P50) == pytest.approx(100.0)
    assert (made.load, made.invalid) == ("openai, 1 users, 16 words, 5 tokens, a name", [])
    assert HistoryEntry.from_json(made.to_json()).figures == made.figures


def test_rounds_are_the_parts_and_a_failed_request_makes_it_invalid() -> None:
    one = result(*(request(index, sent=200.0 * index) for index in range(4)))
    made = entry_of([one, one, result(*one.records, failed(9, 900.0))], "p", "1", "m")
    assert made is not None
    assert [len(values) for values in made.figures.values()] == [3] * 4
    assert made.invalid == ["1 requests have failed"]
    assert entry_of([one], "p", "1", "m") is None
    assert entry_of([], "p", "1", "m") is None


def test_what_has_to_be_equal_is_named() -> None:
    plan = replace(
        PLAN, users=0, rate=2.5, arrivals="poisson", prefix_words=9, system="x", cancelled_share=0.1
    )
    assert load_text(plan) == (
        "openai, 2.5/s poisson, 16 words, 5 tokens, 9 prefix words, 0.1 cancelled, system message"
    )


def test_this_machine_has_a_profile() -> None:
    profile = MachineProfile.of_this_machine()
    assert profile.cpu
    assert profile.cores >= 1
    assert str(profile).startswith(f"{profile.cpu}, {profile.cores} cores, governor ")


def command(*words: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.output.splitlines()


def test_the_commands_keep_list_and_accept(synthetic_url: str, own_history: Path) -> None:
    assert command("history") == (0, [f"{own_history}: no load yet"])
    answer = Schedule(ttft_us=5_000, itl_us=1_000, tokens=4, prompt_tokens=30)
    words = (
        "load",
        "--target",
        synthetic_url,
        "--model",
        answer.model,
        "--users",
        "1",
        "--output-tokens",
        "4",
    )
    for number in range(2):
        code, output = command(*words, "--requests", "12")
        assert code == 0
        assert len([line for line in output if line.startswith("history: ")]) == 1, number
    code, output = command("history")
    assert (code, len(output)) == (0, 3)
    # A busy machine may have made any of them invalid.
    code, output = command("history", "--accept", "9")
    assert (code, len(output)) == (2, 1)
    code, output = command(*words, "--requests", "2")
    assert "history: fewer than 9 requests are not kept" in output
