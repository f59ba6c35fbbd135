"""One sweep over sizes of models, quantisations and settings of the server: a table, CSV and a plot.

The files are left in `reports/configurations`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import get_args

from support.models.files import ModelFiles, Quantisation
from support.performance.configurations import (
    CONFIGURATIONS,
    Configuration,
    Point,
    header,
    measure_configurations,
)
from support.programs.launcher import LaunchedProgram
from support.programs.smollm2 import has_smollm2, smollm2
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.suite import RunContext
from tools.measured_targets import suites

Row = tuple[str, str, str]
MAX_SEQS = "--max-seqs"
FOLDER = Path(__file__).resolve().parents[1] / "reports" / "configurations"


def sizes() -> list[Row]:
    """Of the real server, else of the reference server. SmolLM2 only where it is in the cache."""
    with closing(suites("real", "reference")) as found:
        return next(([_row(suite, point) for point in measured(suite)] for suite in found), [])


def measured(suite: RunContext) -> list[Point]:
    cache = suite.settings.acceptance_cache_dir
    wanted = [one for one in CONFIGURATIONS if one.millions or has_smollm2(cache)]
    shutil.rmtree(FOLDER, ignore_errors=True)

    def model(one: Configuration) -> ModelFiles:
        if not one.millions:
            return smollm2(cache)
        (quantisation,) = (kind for kind in get_args(Quantisation) if kind == one.quantisation)
        return suite.models.sized(one.millions, quantisation)

    def start(files: ModelFiles, options: Sequence[str]) -> LaunchedProgram:
        settings = suite.settings
        if options[:1] == (MAX_SEQS,):
            # Each start has it once already.
            settings, options = settings.model_copy(update={"test_batch_size": int(options[1])}), ()
        return start_server(suite.command, arguments_of(files), settings, options=options)

    print(header())
    return measure_configurations(wanted, model, start, FOLDER, lambda text: print(text, flush=True))


def _row(suite: RunContext, point: Point) -> Row:
    name = f"{point.name}, {suite.target.label}"
    if point.time_to_first_token is None or point.inter_token_latency is None:
        return name, "-", point.problem
    return name, "-", f"TTFT {point.time_to_first_token:.1f} ms, ITL {point.inter_token_latency:.2f} ms"
