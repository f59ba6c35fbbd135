"""Points of a sweep: order, figures, a server that does not start or fails, CSV, table and plot."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.models.files import ModelFiles
from support.performance import comparison, load_table
from support.performance.comparison_report import JSON
from support.performance.configurations import (
    COLUMNS,
    CONFIGURATIONS,
    CSV_FILE,
    PLOT_FILE,
    REQUESTS,
    Configuration,
    header,
    measure_configurations,
    row,
)
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.quantisations import ROUNDS, compare_quantisations
from support.performance.target_facts import FILE, NAMES, TargetFacts
from support.programs.launcher import LaunchedProgram
from tests.performance.loads import failed, request, result
from tests.performance.stub_server import start_stub


class _Loads:
    """In place of the generator: the time of a token grows with the size of the model."""

    def __init__(self, *, failing: bool = False) -> None:
        self.plans: list[LoadPlan] = []
        self._failing = failing

    def __call__(self, plan: LoadPlan, folder: Path) -> LoadResult:
        assert folder.is_dir()
        self.plans.append(plan)
        users = float(plan.users)
        requests = [request(n, sent=100.0 * n, first=50.0, gap=10.0) for n in range(plan.requests)]
        lost = [failed(99)] if self._failing else []
        return result(*requests, *lost, plan=plan, requested=users, achieved=users)


def sweep(folder: Path, configurations: Sequence[Configuration]) -> list[str]:
    reported: list[str] = []
    model = folder / "model.gguf"
    model.write_bytes(b"0" * 2**20)

    def start(_: ModelFiles, options: Sequence[str]) -> LaunchedProgram:
        if "--broken" in options:
            raise RuntimeError("unknown option\n--broken")
        return start_stub(folder)

    points = measure_configurations(
        configurations,
        lambda _: ModelFiles(folder, model.name, "gguf"),
        start,
        folder / "points",
        reported.append,
    )
    assert sorted(reported) == sorted(map(row, points))
    return [row(point) for point in points]


def test_each_configuration_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = _Loads()
    monkeypatch.setattr(load_table, "run_load", loads)
    wanted = [
        Configuration("size", 1),
        Configuration("size", 5),
        Configuration("setting", 5, options=("--broken",)),
    ]
    found = sweep(tmp_path, wanted)
    assert [plan.users for plan in loads.plans] == [1, 4, 1, 4]
    # The same floor for each point.
    assert {plan.requests for plan in loads.plans} == {REQUESTS, 12}
    assert [line.split(" | ")[0] for line in found] == ["| 1 M F16", "| 5 M F16", "| 5 M F16 --broken"]
    assert found[2] == "| 5 M F16 --broken | - | - | - | - | - | - | - | - | unknown option --broken |"
    cells = found[0].split(" | ")
    assert cells[1] == "1"
    assert cells[3:5] == ["50", "10"]
    assert len(cells) == len(header().splitlines()[0].split(" | "))
    with (tmp_path / "points" / CSV_FILE).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert [one["millions"] for one in rows] == ["1", "5", "5"]
    assert rows[2]["time_to_ready"] == ""
    assert "<svg" in (tmp_path / "points" / PLOT_FILE).read_text()


def test_failed_requests_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_table, "run_load", _Loads(failing=True))
    (found,) = sweep(tmp_path, [Configuration("size", 1)])
    assert "1 of 12 requests failed; 1 of 13 requests failed" in found


def test_two_quantisations_have_ratios_and_both_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, made = _Loads(), iter("ab")
    for module in (comparison, load_table):
        monkeypatch.setattr(module, "run_load", loads)

    def facts(*_: object) -> TargetFacts:
        name = next(made)
        return TargetFacts({**dict.fromkeys(NAMES, "-"), FILE: f"{name}.gguf"}, name * 64)

    monkeypatch.setattr(comparison, "facts_of", facts)
    started: list[str] = []

    def model(name: str) -> ModelFiles:
        started.append(name)
        return ModelFiles(tmp_path, "model.gguf", "gguf")

    def start(_: ModelFiles) -> LaunchedProgram:
        return start_stub(tmp_path)

    found = compare_quantisations(("F16", "Q8_0"), model, start, tmp_path / "ratios")
    assert started == ["F16", "Q8_0"]
    assert found.has_ratios
    assert len(found.rounds) == ROUNDS
    written = json.loads((tmp_path / "ratios" / JSON).read_text())
    assert [(one["name"], one["file"]) for one in written["targets"]] == [
        ("F16", "a.gguf"),
        ("Q8_0", "b.gguf"),
    ]


def test_the_sweep_has_all_that_is_compared() -> None:
    names = [one.name for one in CONFIGURATIONS]
    assert len(set(names)) == len(names)
    assert {one.millions for one in CONFIGURATIONS} >= {1, 200}
    assert {one.quantisation for one in CONFIGURATIONS} >= {"F16", "Q8_0", "Q4_0"}
    options = {one.options for one in CONFIGURATIONS}
    assert options >= {("--max-seqs", "1"), ("--prefix-cache-n", "0"), ("--no-kv-cache",)}
