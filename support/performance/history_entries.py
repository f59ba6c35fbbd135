"""Comparisons and searches for a limit as entries of the history, beside loads (`load_history.entry_of`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from support.performance.comparison import SIDES, UNITS, Comparison
from support.performance.limits import Threshold
from support.performance.load.plan import LoadPlan
from support.performance.load_history import HistoryEntry, load_text, new_entry
from support.performance.load_limit import Held, LoadLimit
from support.performance.ratio import FEWEST_ROUNDS
from support.performance.target_facts import NOT_KNOWN, PROGRAM

RATIO_UNIT = "x"
LARGEST, SMALLEST = "largest load within the limits", "smallest load beyond them"


def entry_of_comparison(found: Comparison, model: str) -> HistoryEntry | None:
    """The ratios of each valid round, of the first target by the second; None with too few rounds.

    One without ratios is invalid, and so is kept with the reasons.
    """
    known = [figure for figure in found.figures if len(figure.values[0]) >= FEWEST_ROUNDS]
    if not known:
        return None
    names = [_program(found, side) for side in range(len(SIDES))]
    return new_entry(
        " by ".join(program for program, _ in names),
        " and ".join(version for _, version in names),
        model,
        f"comparison, {load_text(found.pairs[0][0].result.plan)}",
        {figure.name: [one / other for one, other in zip(*figure.values, strict=True)] for figure in known},
        list(_reasons(found)),
        RATIO_UNIT,
    )


def _reasons(found: Comparison) -> Iterator[str]:
    yield from filter(None, [found.failure, found.other_texts])
    yield from found.workload_differences[:3]


def _program(found: Comparison, side: int) -> tuple[str, str]:
    """Program and version, as the server states them; else its name here."""
    stated = found.facts[side].shown[PROGRAM]
    program, _, version = stated.rpartition(" ")
    return (found.targets[side].name, "-") if stated == NOT_KNOWN or not program else (program, version)


def entry_of_limit(
    found: LoadLimit, plan: LoadPlan, limits: Sequence[Threshold], program: str, version: str, model: str
) -> HistoryEntry:
    """Without a largest load that is known for sure, it is invalid."""
    unit = "users" if plan.users else "requests/s"
    figures = {
        name: [load]
        for name, load in ((LARGEST, found.largest_pass), (SMALLEST, found.smallest_fail))
        if load
    }
    kind = f"largest number of {unit} with {' and '.join(map(str, limits))}"
    return new_entry(
        program, version, model, load_text(plan, kind), figures, list(_limit_reasons(found)), unit
    )


def _limit_reasons(found: LoadLimit) -> Iterator[str]:
    if found.largest_pass is None:
        yield "no load was within the limits"
    if not found.monotone:
        yield "a larger load was within the limits again"
    for point in found.points:
        if point.held in (Held.INVALID, Held.NOT_ENOUGH_EVIDENCE):
            yield f"{point.load:g}: {point.held.value}"


def shown_value(entry: HistoryEntry, figure: str) -> str:
    """With its unit."""
    return f"{entry.value(figure):.4g} {entry.unit or UNITS[figure]}"
