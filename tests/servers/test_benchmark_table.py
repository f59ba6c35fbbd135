"""The table of `mistralrs bench`: each version's form, zeros, contradictions, and what is no table."""

from __future__ import annotations

import pytest

from support.errors import CheckFailed
from support.servers.benchmark_table import DECODE, PREFILL, BenchmarkRow, read_benchmark_table

# As 0.8.1 has printed it.
BENCH_081 = """
2026-11-30T03:10:00.137541Z  INFO mistralrs::commands::bench: Iteration 3/3...

Benchmark Results
=================

Model: /models/scripted
Iterations: 3

┌─────────────────────┬─────────────────┬────────────────┐
│ Test                ┆ T/s             ┆ Latency        │
╞═════════════════════╪═════════════════╪════════════════╡
│ Prefill (64 tokens) ┆ 8749.2 ± 773.7  ┆ 7.37 ms (TTFT) │
├╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┤
│ Decode (64 tokens)  ┆ 15090.3 ± 579.3 ┆ 0.07 ms/T      │
└─────────────────────┴─────────────────┴────────────────┘
"""
# By its source.
BENCH_092 = """
Adapter: base
Iterations: 3

┌────────────────────────┬────────────────┬──────────────┐
│ Test                   ┆ T/s            ┆ Latency      │
╞════════════════════════╪════════════════╪══════════════╡
│ TTFT (512 input tokens)┆ 5120.0 ± 10.0  ┆ 100.00 ms TTFT │
│ Decode (128 tokens @ d4) ┆ 0.0 ± 0.0 ┆ 0.00 ms TPOT │
└────────────────────────┴────────────────┴──────────────┘
"""
# `mistralrs-bench`, by its source.
BENCH_070 = """
+-------+---------+--------+-----------------+-------+-------------+--------------+
| model | backend | test   | t/s             | ms/t  | concurrency | throughput/s |
+-------+---------+--------+-----------------+-------+-------------+--------------+
| tiny  | CPU     | pp 512 | 1000.000±20.000 | 1.000 | 1           | 1000         |
| tiny  | CPU     | tg 128 | 50.000±0.500    | 20.000 | 4          | 200          |
+-------+---------+--------+-----------------+-------+-------------+--------------+
"""


def test_the_table_of_081() -> None:
    prefill, decode = read_benchmark_table(BENCH_081)
    assert prefill == BenchmarkRow(PREFILL, 64, 8749.2, 773.7, 7.37, 0.01)
    assert decode == BenchmarkRow(DECODE, 64, 15090.3, 579.3, 0.07, 0.01)
    assert [*prefill.findings, *decode.findings] == []


def test_the_latency_of_088() -> None:
    prefill, _ = read_benchmark_table(BENCH_081.replace("(TTFT)", "(prefill)"))
    assert prefill.latency == 7.37


def test_zeros_of_the_table_are_not_measured() -> None:
    prefill, decode = read_benchmark_table(BENCH_092)
    assert (prefill.tokens, prefill.speed, prefill.latency) == (512, 5120, 100)
    assert (decode.tokens, decode.speed, decode.latency) == (128, None, None)
    assert [*decode.findings] == []


def test_the_table_of_mistralrs_bench() -> None:
    prefill, decode = read_benchmark_table(BENCH_070)
    assert (prefill.kind, prefill.latency, prefill.concurrency) == (PREFILL, 512, 1)
    assert (decode.kind, decode.latency, decode.concurrency) == (DECODE, 20, 4)
    assert [*prefill.findings, *decode.findings] == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("8749.2", "4374.6", "prefill of 64 tokens: 4374.6 tokens/s and 7.37 ms are 32.2 tokens, not 64"),
        ("0.07 ms/T", "0.70 ms/T", "decode of 64 tokens: 15090.3 tokens/s and 0.7 ms are 10.6 tokens, not 1"),
    ],
)
def test_figures_that_contradict_each_other_are_findings(old: str, new: str, finding: str) -> None:
    rows = read_benchmark_table(BENCH_081.replace(old, new))
    assert [found for row in rows for found in row.findings] == [finding]


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("", "no table of results"),
        ("Benchmark Results\n=====\n", "no table of results"),
        (BENCH_081.partition("│ Prefill")[0], "no table of results"),
        (BENCH_081.replace("8749.2 ± 773.7", "fast"), r"unknown form: .*fast"),
        (BENCH_081.replace("Decode (64 tokens)", "Encode (64 tokens)"), "unknown form: .*Encode"),
    ],
)
def test_what_is_no_table_is_a_failure(output: str, problem: str) -> None:
    with pytest.raises(CheckFailed, match=problem):
        read_benchmark_table(output)
