"""The exit code of a run, from its records alone: one rule for all ways of running."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence

from support.errors import EXIT_BUDGET, EXIT_FAILED, EXIT_HARNESS, EXIT_NOTHING_SELECTED, EXIT_PASSED
from support.results.decision import Decision
from support.results.record import Record

FAIL_FAST = "the run stopped at the first failure"
ABORTED = "the run was aborted"


def exit_code(
    records: Sequence[Record], selected: Collection[str], decision: Decision, *, broken: bool
) -> int:
    """`selected`: the places of the scenarios; `broken`: something went wrong that is in no record.

    After a signal the exit code is that of the signal (support/runner/signals.py).
    """
    failed = [record for record in records if record.gates and not decision.accepts(record)]
    scenarios = [record for record in failed if record.location in selected]
    known = any(finding.known for finding in decision.blockers)
    other_runs = decision.earlier_no_go or decision.differing
    if known or decision.stale or other_runs or not all(record.timed_out for record in scenarios):
        return EXIT_FAILED
    if broken or len(failed) > len(scenarios):
        return EXIT_HARNESS
    if scenarios:
        return EXIT_BUDGET
    if all(record.status in ("skipped", "out_of_scope") for record in records):
        print("acceptance: every selected scenario was skipped: nothing was checked", file=sys.stderr)
        return EXIT_NOTHING_SELECTED
    return EXIT_PASSED


def scenarios_not_run(
    selected: Mapping[str, str], records: Iterable[Record], *, signalled: str | None, fail_fast: bool
) -> tuple[dict[str, str], bool]:
    """The places of `selected` (place -> feature) without a record, each with the reason, and whether
    the reason is known.

    `signalled`: which signal ended the run, if any; `fail_fast`: the first failure was to end it.
    """
    recorded = list(records)
    run = {record.location for record in recorded}
    outside = [record for record in recorded if record.gates and record.location not in selected]
    stopped = fail_fast and any(record.gates for record in recorded)
    reasons, explained = {}, True
    for place, feature in selected.items():
        if place in run:
            continue
        near = [record for record in outside if record.feature == feature] or outside
        if signalled is not None:
            why = signalled
        elif near:
            why = f"{near[0].name} failed"
        else:
            why = FAIL_FAST if stopped else ABORTED
            explained = explained and stopped
        reasons[place] = why
    return reasons, explained
