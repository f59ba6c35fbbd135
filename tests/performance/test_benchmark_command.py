"""The benchmark command in the place of a load: arguments, figures, zeros and other texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from support.errors import CheckFailed, NotSupported
from support.performance.benchmark_command import BenchmarkSender, benchmark_round, prompt_tokens
from support.performance.limits import Bounds, RatioLimit
from support.performance.load_table import NewServers, Sender, load_table
from support.performance.measured_load import MeasuredLoad, Round
from support.performance.service_levels import MeasuredLoads
from support.performance.thresholds import Profile
from support.programs.process import CompletedCommand
from tests.performance.loads import PLAN, request, result

TABLE = """
┌─────────────────────┬──────────────┬──────────────────┐
│ Test                ┆ T/s          ┆ Latency          │
╞═════════════════════╪══════════════╪══════════════════╡
│ Prefill (64 tokens) ┆ 400.0 ± 92.1 ┆ 160.00 ms (TTFT) │
│ Decode (32 tokens)  ┆ 100.0 ± 30.1 ┆ 10.00 ms/T       │
└─────────────────────┴──────────────┴──────────────────┘
"""
LEVEL = Profile(
    "mine", {"benchmark": (RatioLimit("decode rate", "1 user", "mistralrs bench", Bounds(0.5, 1.5)),)}
)


def completed(stdout: str = TABLE, exit_code: int = 0) -> CompletedCommand:
    return CompletedCommand(("mistralrs", "bench"), exit_code, stdout, "", 1.0)


def test_its_table_is_read_as_figures(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def run(options: Sequence[str]) -> CompletedCommand:
        asked.append(options)
        return completed()

    found = BenchmarkSender(run)(PLAN, tmp_path)
    assert (found.figure("decode rate"), found.figure("prefill rate")) == (100.0, 400.0)
    assert found.figure("tokens per second") is None
    (words,) = asked
    # The salt has a number of tokens of its own in each prompt.
    assert abs(int(words[words.index("--prompt-len") + 1]) - prompt_tokens(PLAN)) < 12
    assert words[words.index("--gen-len") + 1] == str(PLAN.output_tokens)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (completed(exit_code=101), "the benchmark command failed"),
        (completed("panicked"), "no table of results"),
        (
            completed(TABLE.replace("│ Decode (32 tokens)  ┆ 100.0 ± 30.1 ┆ 10.00 ms/T       │\n", "")),
            "one of decode",
        ),
    ],
)
def test_another_output_is_a_failure(tmp_path: Path, made: CompletedCommand, problem: str) -> None:
    with pytest.raises(CheckFailed, match=problem):
        BenchmarkSender(lambda _: made)(PLAN, tmp_path)


def judge(gap: float, table: str = TABLE) -> None:
    """A server with so many ms between two tokens, against the benchmark of 100 tokens per second."""
    users = result(*(request(number, sent=200.0 * number, gap=gap) for number in range(9)))
    bench = benchmark_round(table)
    loads = [
        MeasuredLoad("1 user", PLAN, [Round(users)] * 3),
        MeasuredLoad("mistralrs bench", PLAN, [bench] * 3),
    ]
    MeasuredLoads(loads).require_level("benchmark", LEVEL)


def test_the_speeds_of_both_are_compared() -> None:
    judge(10.0)
    with pytest.raises(CheckFailed, match=r"'1 user' by 'mistralrs bench' >= 0\.5 and <= 1\.5: 0\.250"):
        judge(40.0)
    with pytest.raises(CheckFailed, match=r"2\.000"):
        judge(5.0)


def test_zeros_of_the_table_are_not_measured() -> None:
    with pytest.raises(NotSupported, match="not measured"):
        judge(10.0, TABLE.replace("100.0 ± 30.1", "0.0 ± 0.0").replace("10.00 ms/T", "0.00 ms/T"))


def test_a_table_names_it_in_the_place_of_users() -> None:
    servers = NewServers(
        {}, lambda _: pytest.fail("a server was started"), BenchmarkSender(lambda _: completed())
    )
    rows = [{"sent by": "users", "users": "1"}, {"sent by": "mistralrs bench", "users": "1"}]
    made = load_table(rows, PLAN, Sender(), servers)
    assert [load.name for load in made.loads] == ["1 user", "mistralrs bench"]
    assert made.loads[1].send is servers.benchmark
    for wrong in ("the moon", "mistralrs bench"):
        without = NewServers({}, servers.start)
        with pytest.raises(CheckFailed, match=f"there is no sender of a load '{wrong}'"):
            load_table([{"sent by": wrong, "users": "1"}], PLAN, Sender(), without)
