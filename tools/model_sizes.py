"""One sweep over sizes of models, quantisations and settings of the server: a table, CSV and a plot.

Then the ratios of the quantisations of one size. The files are left in `reports/configurations`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import get_args

from support.models.files import ModelFiles, Quantisation
from support.performance.comparison_report import lines
from support.performance.configurations import (
    CONFIGURATIONS,
    Configuration,
    Point,
    header,
    measure_configurations,
)
from support.performance.quantisations import compare_quantisations
from support.programs.launcher import LaunchedProgram
from support.programs.smollm2 import has_smollm2, smollm2
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.suite import RunContext
from tools.measured_targets import suites

Row = tuple[str, str, str]
MAX_SEQS = "--max-seqs"
BASE, OTHERS, MILLIONS = "F16", ("Q8_0", "Q4_0"), 20.0
FOLDER = Path(__file__).resolve().parents[1] / "reports" / "configurations"


def sizes() -> list[Row]:
    """Of the real server, else of the reference server. SmolLM2 only where it is in the cache."""
    with closing(suites("real", "reference")) as found:
        return next((_rows(suite) for suite in found), [])


def _rows(suite: RunContext) -> list[Row]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    rows = [_row(suite, point) for point in measured(suite)]
    for other in OTHERS:
        rows += _ratios(suite, other)
    return rows


def measured(suite: RunContext) -> list[Point]:
    """All points of the sweep."""
    cache = suite.settings.acceptance_cache_dir
    wanted = [one for one in CONFIGURATIONS if one.millions or has_smollm2(cache)]

    def model(one: Configuration) -> ModelFiles:
        return _sized(suite, one.millions, one.quantisation) if one.millions else smollm2(cache)

    print(header())
    return measure_configurations(wanted, model, partial(_start, suite), FOLDER, _print)


def _ratios(suite: RunContext, other: str) -> list[Row]:
    """Of `BASE` by another quantisation."""
    model, folder = partial(_sized, suite, MILLIONS), FOLDER / f"{BASE}-by-{other}".lower()
    found = compare_quantisations((BASE, other), model, partial(_start, suite), folder, _print)
    for line in lines(found):
        _print(line)
    name = f"{MILLIONS:g} M, {BASE} by {other}, {suite.target.label}"
    return [
        (f"{name}: {figure.name}", "-", str(figure.ratio)) for figure in found.figures if found.has_ratios
    ]


def _sized(suite: RunContext, millions: float, name: str) -> ModelFiles:
    (quantisation,) = (kind for kind in get_args(Quantisation) if kind == name)
    return suite.models.sized(millions, quantisation)


def _start(suite: RunContext, files: ModelFiles, options: Sequence[str] = ()) -> LaunchedProgram:
    settings = suite.settings
    if options[:1] == (MAX_SEQS,):
        # Each start has it once already.
        settings, options = settings.model_copy(update={"test_batch_size": int(options[1])}), ()
    return start_server(suite.command, arguments_of(files), settings, options=options)


def _print(line: str) -> None:
    print(line, flush=True)


def _row(suite: RunContext, point: Point) -> Row:
    name = f"{point.name}, {suite.target.label}"
    if point.time_to_first_token is None or point.inter_token_latency is None:
        return name, "-", point.problem
    return name, "-", f"TTFT {point.time_to_first_token:.1f} ms, ITL {point.inter_token_latency:.2f} ms"
