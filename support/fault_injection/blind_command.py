"""`acceptance prove --blind`: records the conformance checks on the target, and judges their mutations."""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

from support.conformance.case_table import check_ids
from support.errors import EXIT_FAILED, EXIT_PASSED, NothingSelected, SettingsError
from support.fault_injection.blind_mutations import id_of
from support.fault_injection.blind_recordings import APIS, LeftOut, record_checks
from support.fault_injection.blind_report import BlindReport, load_explanations
from support.fault_injection.blind_score import CheckResults, judge_recording
from support.reporting.files import prepare_folder, write_atomically
from support.results.redaction import redact_tree
from support.servers.discovery import discover
from support.settings import ResolvedSettings
from support.suite import RunContext

REPORT = "blind-faults.json"


def prove_blind(
    resolved: ResolvedSettings,
    folder: Path,
    *,
    checks: Sequence[str],
    each: int,
    jobs: int,
    show: Callable[[str], object],
) -> int:
    """The exit code. `checks`: patterns of ids, all without any; `each`: so many mutations, 0 for all.

    The report goes to `folder`, the judging to `jobs` processes. Raises `SettingsError` for a pattern that
    fits no check.
    """
    for pattern in checks:
        if not any(_is_selected(name, [pattern]) for name in check_ids() if name.partition(".")[0] in APIS):
            raise SettingsError(
                f"prove: --check {pattern} fits no check whose responses can be changed; "
                "`acceptance run --list` lists all cases"
            )
    explanations = load_explanations()
    started = time.monotonic()
    target = discover(resolved.settings, resolved.origins)
    prepare_folder(folder)
    show(f"Target:   {target.label} ({target.why})")
    results: list[Future[CheckResults]] = []
    left_out: list[LeftOut] = []
    # Not `fork`: this process has threads.
    workers = multiprocessing.get_context("spawn")
    with (
        closing(RunContext(resolved, target)) as suite,
        ProcessPoolExecutor(jobs, mp_context=workers) as pool,
    ):
        foreign_id = ""
        try:
            for found in record_checks(suite, APIS, lambda name: _is_selected(name, checks)):
                if isinstance(found, LeftOut):
                    left_out.append(found)
                    continue
                results.append(pool.submit(judge_recording, found, foreign_id, each))
                foreign_id = id_of(found.exchanges) or foreign_id
            judged = [result.result() for result in results]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if not any(check.results for check in judged):
        reasons = [f": {one.check_id}: {one.reason}" for one in left_out]
        # Without any change, such a check does not pass on its recording.
        reasons += [f": {one.check_id}: {one.unusable}" for one in judged]
        raise NothingSelected(f"nothing was judged on {target.label}{next(iter(reasons), '')}")
    report = BlindReport(target.label, judged, left_out, explanations, each, time.monotonic() - started)
    file = folder / REPORT
    write_atomically(file, (json.dumps(redact_tree(report.to_json()), indent=2) + "\n").encode())
    for line in report.lines():
        show(line)
    show(f"Report:   {file} ({report.seconds:.0f} s)")
    return EXIT_PASSED if report.passed else EXIT_FAILED


def _is_selected(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
