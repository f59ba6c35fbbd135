"""Starts the generator as a process of its own, and reads what it has measured.

In the process of a run of behave, its threads and its collection of garbage would be part of each time.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from support.errors import AcceptanceError
from support.http.answer_stream import TokenKind
from support.performance.load.files import EVENTS, QUALITY, REQUESTS
from support.performance.load.plan import LoadPlan
from support.performance.load.quality import RunQuality, WorkerQuality
from support.performance.load.record import Phase, RequestRecord, read_records
from support.programs.output_limit import read_output
from support.programs.process import CommandTimeout, ManagedProcess
from support.settings import ca_file

_PLAN, _OUTPUT = "plan.json", "load.log"
ANALYSIS_SECONDS = 120.0


class LoadFailed(AcceptanceError):
    """The generator itself has failed; what a server does wrong is in the records."""


@dataclass(frozen=True)
class LoadResult:
    """What a load has measured. `events` of a request, by its number, with `keep_events`.

    Of several workers: `quality` is the worst of all of them, and `workers` has that of each. They have begun
    within `start_spread` seconds.
    """

    plan: LoadPlan
    records: list[RequestRecord]
    quality: RunQuality
    events: Mapping[int, list[tuple[int, TokenKind, str]]]
    workers: Sequence[WorkerQuality] = ()
    start_spread: float = 0.0

    @property
    def measured(self) -> list[RequestRecord]:
        """The requests that count, also those that failed; not those that the client has cancelled."""
        return [one for one in self.records if one.phase is Phase.MEASURED and not one.cancelled]


def run_load(plan: LoadPlan, folder: Path, *, timeout: float | None = None) -> LoadResult:
    """Send the load; its files are left in the folder, without the plan.

    `timeout` of all in seconds; None: as long as any load of this plan may take. Raises `LoadFailed`.
    """
    # A file and no pipe: the plan may have a key, and this process does not wait for its reader.
    plan_file, output = folder / _PLAN, folder / _OUTPUT
    if plan.url.startswith("https:") and not plan.ca_file and (trusted := ca_file()):
        plan = replace(plan, ca_file=str(trusted))
    plan_file.write_text(plan.to_json(), encoding="utf-8")
    plan_file.chmod(0o600)
    try:
        with plan_file.open("rb") as plan_input:
            process = ManagedProcess(
                generator_command(folder),
                stdin=plan_input.fileno(),
                stdout=output,
            )
        try:
            code = process.wait(longest_seconds(plan) if timeout is None else timeout)
        finally:
            # Also after Ctrl-C.
            process.stop(grace=0)
    except CommandTimeout as error:
        raise LoadFailed(f"the load did not end: {error}") from None
    finally:
        plan_file.unlink()
    if code != 0:
        raise LoadFailed(ended_with(code, output))
    return read_result(plan, folder)


def generator_command(folder: Path) -> list[str | Path]:
    """The process of a load, which leaves its files in the folder."""
    return [sys.executable, "-m", "support.performance.load", folder]


def ended_with(code: int, output: Path) -> str:
    """Why the process of a load has failed."""
    lines = read_output(output).strip().splitlines() or ["it wrote nothing"]
    return f"the load ended with exit code {code}: {lines[-1]}"


def read_result(plan: LoadPlan, folder: Path) -> LoadResult:
    """From the files of a load."""
    return LoadResult(
        plan, read_records(folder / REQUESTS), RunQuality.read(folder / QUALITY), _events(folder / EVENTS)
    )


def longest_seconds(plan: LoadPlan) -> float:
    """No load takes longer, unless its generator hangs."""
    return sending_seconds(plan) + ANALYSIS_SECONDS


def sending_seconds(plan: LoadPlan) -> float:
    """Sending takes no longer: each request ends within its time limit."""
    if plan.trace:
        return plan.trace[-1].at_ms / 1000 + plan.timeout
    issuing = plan.seconds or math.inf
    if plan.requests:
        each = plan.timeout if plan.users else 1 / plan.rate
        issuing = min(issuing, math.ceil(plan.requests / (plan.users or 1)) * each)
    before = plan.spread_seconds + max(plan.warm_up_seconds, plan.timeout)
    return before + issuing + 2 * plan.timeout


def _events(file: Path) -> dict[int, list[tuple[int, TokenKind, str]]]:
    if not file.exists():
        return {}
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {
        line["number"]: [(time, TokenKind(kind), text) for time, kind, text in line["events"]]
        for line in lines
    }
