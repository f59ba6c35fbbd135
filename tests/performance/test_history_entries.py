"""Comparisons and searches for a limit in the history: figures, units, reasons, and what is compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.performance.comparison import FIRST_TOKEN_P50, THROUGHPUT
from support.performance.history_entries import entry_of_comparison, entry_of_limit
from support.performance.limits import Threshold
from support.performance.load_history import HistoryEntry, LoadHistory
from support.performance.load_limit import Held, LoadLimit, Point
from support.performance.regression import history_lines, keep
from support.performance.target_facts import PROGRAM, TargetFacts
from tests.performance.comparisons import FACTS, comparison
from tests.performance.loads import PLAN

LIMITS = [Threshold("time to first token", 0.95, 500.0)]


def kept(file: Path, entry: HistoryEntry | None) -> list[str]:
    """What the history reports of it."""
    assert entry is not None
    reported: list[str] = []
    keep(entry, file, reported.append)
    return reported


def test_a_comparison_is_kept_as_its_ratios(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    first, second = (
        TargetFacts({**FACTS.shown, PROGRAM: program}, FACTS.file_hash)
        for program in ("mistralrs 0.8.1", "ollama 0.17.4")
    )
    entry = entry_of_comparison(comparison([150.0] * 4, facts=(first, second)), "m")
    assert entry is not None
    assert (entry.program, entry.version, entry.unit) == ("mistralrs by ollama", "0.8.1 and 0.17.4", "x")
    assert entry.load.startswith("comparison, openai, 1 users, 16 words")
    assert entry.figures[FIRST_TOKEN_P50] == pytest.approx([2 / 3] * 4, rel=1e-4)
    assert entry.figures.keys() >= {THROUGHPUT}
    assert "first load of its kind" in kept(file, entry)[0]
    # The first server needs twice the time of the second one, which was two thirds.
    later = entry_of_comparison(comparison([50.0] * 4, facts=(first, second)), "m")
    assert any(
        line.startswith("  time to first token p50: 3.0") and line.endswith("slower")
        for line in kept(file, later)
    )
    (row,) = [line for line in history_lines(LoadHistory.read(file, pytest.fail)) if "accepted" in line]
    assert "time to first token p50 0.6667 x" in row


def test_a_comparison_without_ratios_is_kept_with_its_reasons() -> None:
    other = entry_of_comparison(comparison([150.0] * 4, prompt_tokens=31), "m")
    assert other is not None
    assert other.invalid[0].startswith("round 1, tokens of the prompt: 30 and 31")
    assert (other.program, other.version) == ("first by second", "- and -")
    assert entry_of_comparison(comparison([150.0, 150.0]), "m") is None


def found(*points: tuple[float, Held]) -> HistoryEntry:
    search = LoadLimit([Point(load, held) for load, held in points])
    return entry_of_limit(search, replace(PLAN, users=1), LIMITS, "mistralrs", "0.8.1", "m")


def test_a_search_for_a_limit_is_kept_as_the_loads_around_it(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    kept(file, found((1, Held.PASS), (8, Held.PASS), (16, Held.FAIL)))
    reported = kept(file, found((1, Held.PASS), (4, Held.PASS), (8, Held.FAIL)))
    assert reported[1:] == [
        "  largest load within the limits: 4 users, accepted: 8 users",
        "  smallest load beyond them: 8 users, accepted: 16 users",
    ]
    rate = replace(PLAN, users=0, rate=1.0)
    one = entry_of_limit(LoadLimit([Point(0.5, Held.PASS)]), rate, LIMITS, "mistralrs", "0.8.1", "m")
    assert (one.unit, one.figures) == ("requests/s", {"largest load within the limits": [0.5]})
    assert "largest number of requests/s with time to first token p95 <= 500 ms" in one.load


def test_a_search_without_a_result_is_invalid() -> None:
    assert found((1, Held.FAIL)).invalid == ["no load was within the limits"]
    reasons = found((1, Held.PASS), (2, Held.FAIL), (4, Held.PASS), (8, Held.INVALID)).invalid
    assert reasons == ["a larger load was within the limits again", "8: invalid measurement"]
