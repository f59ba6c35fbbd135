"""A load from two workers beside the same load from one process, against the synthetic server.

In alternation (one, two, two, one), so that what else runs on the machine hits both. The cost of Locust is
the CPU time of the workers themselves, without their generators.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from support.errors import ProgramUnavailable
from support.monitoring.metrics_endpoint import LOOPBACK
from support.performance.distributed.locust_library import missing
from support.performance.distributed.master import master
from support.performance.ground_truth.server import synthetic_server
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult, run_load
from support.programs.process import ManagedProcess
from support.settings import default_cache
from tools.load_calibration import ANSWER, ANSWER_SECONDS, ROUNDS, WANTED, Row, row

WORKERS = 2
CONNECT_SECONDS = 60.0
Send = Callable[[LoadPlan, Path], LoadResult]


def distributed() -> list[Row]:
    """Without Locust or a compiler: no row, and the reason on stderr."""
    if reason := missing():
        print(f"measure: {reason}", file=sys.stderr)
        return []
    rows = []
    try:
        with synthetic_server(default_cache()) as url, _workers() as (send, processes):
            for wanted in WANTED[:2]:
                plan = LoadPlan(
                    url,
                    ANSWER.model,
                    users=wanted.streams,
                    requests=ROUNDS * wanted.streams,
                    spread_seconds=ANSWER_SECONDS,
                    output_tokens=ANSWER.tokens,
                    keep_events=True,
                )
                one, two = ("one process", _alone), ("two workers", send)
                for name, how in (one, two, two, one):
                    before, began = _cpu_seconds(processes), time.monotonic()
                    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
                        found = how(plan, Path(folder))
                    spent = (_cpu_seconds(processes) - before) / (time.monotonic() - began) / WORKERS
                    what, limits, text = row(f"{wanted.streams} streams, {name}", str(wanted), found)
                    if found.workers:
                        text += (
                            f"; began within {1000 * found.start_spread:.0f} ms; Locust {spent:.1%} of a core"
                        )
                    rows.append((what, limits, text))
    except ProgramUnavailable as error:
        print(f"measure: {error}", file=sys.stderr)
    return rows


def _alone(plan: LoadPlan, folder: Path) -> LoadResult:
    return run_load(plan, folder)


@contextmanager
def _workers() -> Iterator[tuple[Send, list[psutil.Process]]]:
    """What sends a load by workers on this machine, and their processes."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="acceptance-measure-")))
        found = cleanup.enter_context(master(LOOPBACK, WORKERS, lambda _: None))
        code = "from support.cli import main; main()"
        words = ("load-worker", "--master", f"127.0.0.1:{found.port}")
        processes = []
        for number in range(WORKERS):
            process = ManagedProcess(
                [sys.executable, "-c", code, *words], stdout=folder / f"worker-{number}.log"
            )
            cleanup.callback(process.stop)
            processes.append(psutil.Process(process.pid))
        found.wait_for_workers(CONNECT_SECONDS)
        yield found.run, processes


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
