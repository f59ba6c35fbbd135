"""What a load leaves in a folder, computed once more from its records, and the command with several loads."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.cli import main
from support.performance.ground_truth.server import Schedule
from support.performance.limit_texts import parse_percentiles
from support.performance.load.files import REQUESTS
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.record import Failure, Phase, write_records
from support.performance.load.summary import figures_of, goodput_line
from support.performance.load_command import LoadCommand, grid, judge
from support.performance.load_figures import FIRST_TOKEN, LoadFigures
from support.performance.load_limit import Held
from support.performance.load_report import Run
from support.performance.load_validation import contradictions, recomputed
from support.performance.token_counts import TokenCounts
from support.programs.launcher import free_port
from tests.performance.loads import PLAN, failed, request, result

ANSWER = Schedule(ttft_us=5_000, itl_us=1_000, tokens=8)
# All that a file may have: other phases, failures, a cancelled request, answers without usage.
RECORDS = [
    request(1, 0, phase=Phase.WARM_UP),
    *(request(number, 40.0 * number, 90 + number, 9 + number / 7) for number in range(2, 30)),
    failed(30, 1300.0),
    request(31, 1310.0, failure=Failure.CANCELLED, output_tokens=-1),
    request(32, 1320.0, output_tokens=-1),
    request(33, 1330.0, output_tokens=1),
    request(34, 1340.0, phase=Phase.COOL_DOWN),
]


def test_a_second_implementation_finds_the_same_figures(tmp_path: Path) -> None:
    measured = result(*RECORDS)
    write_records(tmp_path / REQUESTS, RECORDS)
    assert list(contradictions(figures_of(measured), tmp_path / REQUESTS)) == []
    found = recomputed(tmp_path / REQUESTS)
    assert (found["requests"], found["failed"]) == (31, 1)


@pytest.mark.parametrize("name", sorted(figures_of(result(*RECORDS))))
def test_each_figure_that_contradicts_the_records_is_found(name: str, tmp_path: Path) -> None:
    write_records(tmp_path / REQUESTS, RECORDS)
    figures = figures_of(result(*RECORDS))
    wrong = figures | {name: figures[name] * 1.001 + 0.001}
    (found,) = contradictions(wrong, tmp_path / REQUESTS)
    assert found.startswith(name)
    del figures[name]
    (missing,) = contradictions(figures, tmp_path / REQUESTS)
    assert missing.startswith(name)


def test_records_that_were_changed_contradict_the_figures(tmp_path: Path) -> None:
    figures = figures_of(result(*RECORDS))
    later = [replace(one, first_token_ns=one.first_token_ns + 10**6) for one in RECORDS]
    write_records(tmp_path / REQUESTS, later)
    assert any(line.startswith(FIRST_TOKEN) for line in contradictions(figures, tmp_path / REQUESTS))


def test_a_load_without_requests_has_no_contradiction(tmp_path: Path) -> None:
    write_records(tmp_path / REQUESTS, [])
    assert list(contradictions(figures_of(result()), tmp_path / REQUESTS)) == []


def load(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["load", *words])
    return done.exit_code, done.output


def test_a_sweep_leaves_a_table_plots_and_a_page(synthetic_url: str, tmp_path: Path) -> None:
    code, output = load(
        *("--target", synthetic_url, "--model", ANSWER.model, "--users", "1,2", "--requests", "6"),
        *("--output-tokens", "8", "--goodput", "ttft < 60s", "--folder", str(tmp_path)),
        *("-D", "target_api_key=top-secret"),
    )
    assert code == 0, output
    assert "load 2 of 2" in output
    assert output.count("goodput: 100.0% of the requests") == 2
    with (tmp_path / "runs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["run"], row["users"], row["requests"], row["failed"]) for row in rows] == [
        ("1", "1", "6", "0"),
        ("2", "2", "6", "0"),
    ]
    page = (tmp_path / "report.md").read_text()
    assert page.startswith("# Measured loads of ttft_us=5000")
    for image in ("latency.svg", "growth.svg"):
        assert f"({image})" in page
        assert (tmp_path / image).read_text().startswith("<?xml")
    summaries = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("load-*/summary.json"))]
    assert {one["plan"]["users"] for one in summaries} == {1, 2}
    assert all(one["contradictions"] == [] for one in summaries)
    assert not [file for file in tmp_path.rglob("*.*") if b"top-secret" in file.read_bytes()]


def test_one_load_has_its_files_in_the_folder_itself(synthetic_url: str, tmp_path: Path) -> None:
    code, output = load(
        *("--target", synthetic_url, "--model", ANSWER.model, "--users", "2", "--turns", "2"),
        *("--requests", "8", "--output-tokens", "8", "--cancelled-share", "0.25", "--folder", str(tmp_path)),
    )
    assert code == 0, output
    assert "conversations of 2 turns" in output
    assert "cancelled by the client" in output
    assert {"requests.csv", "quality.json", "summary.json", "runs.csv", "report.md", "latency.svg"} <= {
        file.name for file in tmp_path.iterdir()
    }
    assert not (tmp_path / "growth.svg").exists()


def test_a_limit_is_found(synthetic_url: str, tmp_path: Path) -> None:
    # The synthetic server answers any number alike: a limit that nothing meets, so one load decides.
    # By more than this client is late beside other tests.
    slow = replace(ANSWER, ttft_us=100_000)
    code, output = load(
        *("--target", synthetic_url, "--model", slow.model, "--output-tokens", "8"),
        *("--find-limit", "ttft p50 < 1ms", "--folder", str(tmp_path)),
    )
    assert code == 1, output
    assert "1 user: fail (time to first token p50 <= 1 ms: " in output
    assert "largest load within the limits: none; smallest load beyond them: 1 users" in output
    assert "history: an invalid load is compared with none: no load was within the limits" in output
    assert (tmp_path / "growth.svg").exists()


def test_a_trace_is_replayed(synthetic_url: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(
        "\n".join(f'{{"timestamp": {at}, "input_length": 4, "output_length": 8}}' for at in (0, 20, 40))
    )
    target = ("--target", synthetic_url, "--model", ANSWER.model)
    code, output = load(*target, "--trace", str(trace))
    assert code == 0, output
    assert "a trace of 3 requests" in output
    assert "3 measured requests" in output
    trace.write_text("no trace")
    assert load(*target, "--trace", str(trace)) == (
        2,
        f"acceptance: {trace}, line 1: no JSON (Expecting value: line 1 column 1 (char 0))\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--users", "1,0", "--requests", "1"), "'1,0' is no list of whole numbers from 1, such as 1,4,16"),
        (("--users", "1", "--requests", "1", "--goodput", "fast"), "'fast' is no list of limits"),
        (
            ("--users", "1,2", "--find-limit", "ttft p90 < 1s"),
            "needs one number of users or one rate",
        ),
        (
            ("--users", "1", "--requests", "1", "--folder", f"{__file__}/new"),
            f"--folder {__file__}/new: ",
        ),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], message: str) -> None:
    code, output = load("--target", "http://127.0.0.1:1", "--model", "m", *words)
    assert (code, len(output.splitlines())) == (2, 1)
    assert message in output


def test_a_sweep_of_a_server_that_is_gone_fails(tmp_path: Path) -> None:
    code, output = load(
        *("--target", f"http://127.0.0.1:{free_port()}", "--model", "m", "--users", "1,2", "--requests", "1"),
        *("--folder", str(tmp_path / "new" / "folder")),
    )
    assert code == 1
    assert output.count("1 failed (1 x no connection)") == 2
    assert (tmp_path / "new" / "folder" / "runs.csv").exists()
    assert not (tmp_path / "new" / "folder" / "latency.svg").exists()


def test_a_grid_has_each_combination() -> None:
    base = {"url": "http://127.0.0.1", "model": "m", "requests": 1}
    plans = list(grid(base, {"users": (1, 2), "prompt_words": (3, 4)}))
    assert [(plan.users, plan.prompt_words) for plan in plans] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_goodput_counts_failed_requests_and_has_an_interval() -> None:
    figures = LoadFigures.of(result(*(request(number, number) for number in range(9)), failed(9, 9.0)))
    line = goodput_line(figures, {FIRST_TOKEN: 100.0})
    assert line.startswith("goodput: 90.0% of the requests (59.6% to 98.2%)")
    assert goodput_line(LoadFigures.of(result()), {FIRST_TOKEN: 1.0}) == "goodput: no request was measured"


def test_a_load_whose_words_came_from_the_cache_is_no_point_of_a_search(tmp_path: Path) -> None:
    records = [request(number, 40.0 * number) for number in range(30)]
    counts = TokenCounts.of(records, None, reused=sum(record.prompt_tokens for record in records))
    limit = parse_percentiles("ttft p50 < 1s")
    found = judge(1, Run(result(*records), tmp_path, counts), limit)
    assert (found.held, "by its own counter" in found.why) == (Held.INVALID, True)
    assert judge(1, Run(result(*records), tmp_path, replace(counts, reused=None)), limit).held is Held.PASS


def test_a_client_that_was_late_is_no_point_of_a_search(tmp_path: Path) -> None:
    """But where the limits fail by more than it was late: a first token after 100 ms."""
    records = [request(number, 40.0 * number) for number in range(30)]

    def held(limit: str, lag_ms: float, shift_us: float = 1.0) -> Held:
        late = {"lag_p99_us": 1000 * lag_ms, "clock_shift_us": shift_us}
        measured = result(*records, coalesced=0.05, plan=PLAN, **late)
        return judge(1, Run(measured, tmp_path, TokenCounts.of(records, None)), parse_percentiles(limit)).held

    assert held("ttft p50 < 90ms", 8.9) is Held.FAIL
    assert held("ttft p50 < 90ms", 9.1) is Held.FAIL
    assert held("ttft p50 < 90ms", 10.5) is Held.INVALID
    assert held("ttft p50 < 110ms", 10.9) is Held.PASS
    assert held("ttft p50 < 110ms", 11.1) is Held.INVALID
    assert held("ttft p50 < 95ms", 1.0, shift_us=3000.0) is Held.FAIL
    assert held("ttft p50 < 99ms", 1.0, shift_us=3000.0) is Held.INVALID


SLOWER = [request(number, 40.0 * number, gap=10.0 + number / 10) for number in range(30)]
STEP = [request(number, gap=gap) for number, gap in enumerate([*[10.0] * 14, *[11.0] * 20, *[10.0] * 6])]
RAMP = replace(PLAN, users=0, rate=1.0, seconds=2.0, arrivals="ramp")
NO_STEADY_STATE = "latencies are invalid: inter-token latency: no steady state: +"


@pytest.mark.parametrize(
    ("measured", "lines"),
    [
        (result(*SLOWER), [NO_STEADY_STATE]),
        (result(*SLOWER, plan=RAMP), []),
        (result(*SLOWER, achieved=0.5), []),
        (result(*SLOWER[:5]), []),
        (result(*SLOWER[:5], achieved=0.97), ["latencies are invalid: the load was 0.97 instead of 1"]),
        (
            result(*SLOWER[:5], coalesced=0.05, lag_p99_us=11_000.0),
            ["latencies are invalid: 5.0% of the reads had several events, and the client was late"],
        ),
        (result(*STEP), ["anomaly: inter-token latency: a step at value 15"]),
        (result(*STEP, plan=RAMP), []),
    ],
)
def test_a_load_states_whether_its_latencies_hold(
    measured: LoadResult, lines: list[str], tmp_path: Path
) -> None:
    found = Run(measured, tmp_path, TokenCounts.of(measured.records, None)).notes
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines


def test_what_is_wrong_with_latencies_is_in_the_output_and_on_the_page(tmp_path: Path) -> None:
    def send(_: LoadPlan, folder: Path) -> LoadResult:
        write_records(folder / REQUESTS, SLOWER)
        return result(*SLOWER)

    said: list[str] = []
    assert not LoadCommand(tmp_path, said.append, by_workers=send).send([PLAN])
    assert [line for line in said if line.startswith(NO_STEADY_STATE)]
    assert f"\nL{NO_STEADY_STATE[1:]}" in (tmp_path / "report.md").read_text()
    (note,) = json.loads((tmp_path / "summary.json").read_text())["notes"]
    assert note.startswith(NO_STEADY_STATE)
