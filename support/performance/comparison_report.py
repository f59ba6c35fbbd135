"""A comparison for people and programs: a table, a plot, `comparison.csv` and `comparison.json`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from support.performance import plots
from support.performance.comparison import (
    CONFIDENCE,
    FIRST_TOKEN_P50,
    FOUND_DIFFERENCE,
    MEMORY,
    PER_TOKEN_P50,
    SIDES,
    SMALLEST_DIFFERENCE,
    THROUGHPUT,
    UNITS,
    ComparedFigure,
    Comparison,
    Finding,
)
from support.performance.percentiles import nearest_rank
from support.performance.target_facts import CACHE, NAMES
from support.results.safe_text import counted
from support.settings import redact_url

CSV, JSON, PLOT = "comparison.csv", "comparison.json", "comparison.svg"
# Of the plot; the rest follows from these.
_PLOTTED = (FIRST_TOKEN_P50, PER_TOKEN_P50, THROUGHPUT, MEMORY)
COLUMNS = ("round", "position", "target", "figure", "unit", "value", "valid")
_NAME, _VALUE = 28, 36


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """All files, into a folder that is there."""
    (folder / CSV).write_text(csv_text(comparison), encoding="utf-8")
    (folder / JSON).write_text(json.dumps(document(comparison), indent=1) + "\n", encoding="utf-8")
    panels = {
        f"{name} ({UNITS[name]})": values for name in _PLOTTED if (values := _by_round(comparison, name))
    }
    if panels:
        first, second = comparison.targets
        plots.growth(folder / PLOT, f"{first.name} and {second.name} by round", "round", panels)


def _by_round(comparison: Comparison, name: str) -> dict[str, list[tuple[float, float]]]:
    """Of each target, the rounds in which it has this figure; empty where one has none."""
    found = {
        target.name: [
            (float(number), load.figures[name])
            for number, loads in enumerate(comparison.rounds, 1)
            for load in loads
            if load.target is target and name in load.figures
        ]
        for target in comparison.targets
    }
    return found if all(found.values()) else {}


def csv_text(comparison: Comparison) -> str:
    """A row for each round, target and figure. `position`: 1 for the load that was sent first in a round."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number, loads in enumerate(comparison.rounds, 1):
        for load in loads:
            side = comparison.targets.index(load.target)
            position = 1 + (side if number % 2 else 1 - side)
            valid = number not in comparison.invalid_rounds and len(loads) == len(SIDES)
            for name, value in load.figures.items():
                rows.writerow([number, position, SIDES[side], name, UNITS[name], f"{value:.6g}", valid])
    return out.getvalue()


def document(comparison: Comparison) -> dict[str, object]:
    """The whole comparison but for the single requests, as JSON."""
    targets = zip(comparison.targets, comparison.facts, strict=True)
    return {
        "finding": comparison.finding.value,
        "smallest_difference": SMALLEST_DIFFERENCE,
        "found_difference": FOUND_DIFFERENCE,
        "confidence": CONFIDENCE,
        "targets": [
            {
                "name": target.name,
                "url": redact_url(target.url),
                "model": target.model,
                "file_sha256": facts.file_hash or None,
                **facts.shown,
                "cached prompt tokens": cached_share(comparison, side),
            }
            for side, (target, facts) in enumerate(targets)
        ],
        "rounds": len(comparison.rounds),
        "failure": comparison.failure,
        "different_workloads": list(comparison.workload_differences),
        "different_texts": comparison.other_texts,
        "invalid_rounds": {str(number): reasons for number, reasons in comparison.invalid_rounds.items()},
        "figures": [_figure(comparison, figure) for figure in comparison.figures],
    }


def _figure(comparison: Comparison, figure: ComparedFigure) -> dict[str, object]:
    ratio = figure.ratio if comparison.has_ratios else None
    return {
        "name": figure.name,
        "unit": UNITS[figure.name],
        "first": list(figure.values[0]),
        "second": list(figure.values[1]),
        "ratio": asdict(ratio) if ratio else None,
        "state": str(figure.state),
        "finding": figure.finding.value if comparison.has_ratios else Finding.OTHER_WORKLOAD.value,
    }


def cached_share(comparison: Comparison, side: int) -> str:
    """Of all tokens of the prompts of a target, those that it states to have taken from a cache."""
    requests = [
        request
        for loads in comparison.rounds
        for load in loads
        if load.target is comparison.targets[side]
        for request in load.result.measured
        if request.complete and request.prompt_tokens > 0
    ]
    counted_ones = [request for request in requests if request.cached_tokens >= 0]
    if not counted_ones:
        return "not reported"
    cached = sum(request.cached_tokens for request in counted_ones)
    return f"{cached / sum(request.prompt_tokens for request in counted_ones):.0%} of the prompts' tokens"


def lines(comparison: Comparison) -> Iterator[str]:
    """The targets, what is known of them, and the figures with ratios, or why there are none."""
    first, second = comparison.targets
    yield f"{'':{_NAME}}{first.name[: _VALUE - 2]:<{_VALUE}}{second.name}"
    yield f"{'URL':<{_NAME}}{redact_url(first.url):<{_VALUE}}{redact_url(second.url)}"
    yield f"{'model':<{_NAME}}{first.model:<{_VALUE}}{second.model}"
    for name in NAMES:
        one, other = (facts.shown[name] for facts in comparison.facts)
        yield f"{name:<{_NAME}}{one:<{_VALUE}}{other}"
        if name == CACHE:
            one, other = (cached_share(comparison, side) for side in (0, 1))
            yield f"{'... found':<{_NAME}}{one:<{_VALUE}}{other}"
    yield ""
    yield from _verdict_lines(comparison)


def _verdict_lines(comparison: Comparison) -> Iterator[str]:
    if comparison.failure:
        yield f"nothing is compared: {comparison.failure}"
        return
    first, second = comparison.targets
    rounds = len(comparison.pairs) - len(comparison.invalid_rounds)
    yield f"median of {counted(rounds, 'valid round')}"
    for figure in comparison.figures:
        one, other = (f"{nearest_rank(values, 50):.4g} {UNITS[figure.name]}" for values in figure.values)
        yield f"{figure.name:<{_NAME}}{one:<{_VALUE}}{other}"
    for invalid, reasons in comparison.invalid_rounds.items():
        yield f"invalid: round {invalid}: {'; '.join(reasons)}"
    if comparison.workload_differences:
        yield f"{Finding.OTHER_WORKLOAD.value}, no ratio:"
        yield from (f"  {difference}" for difference in comparison.workload_differences[:5])
    if comparison.other_texts:
        yield f"warning: one of them may be wrong, no ratio: {comparison.other_texts}"
    if not comparison.has_ratios:
        return
    yield ""
    known = "" if comparison.is_file_known else "; the files are not known: it may be another model"
    yield f"{first.name} by {second.name}, with the interval ({CONFIDENCE:.0%}){known}"
    for figure in comparison.figures:
        number = counted(len(figure.values[0]), "round")
        shown = str(figure.ratio) if figure.ratio else f"no ratio of {number}"
        yield f"{figure.name:<{_NAME}}{shown:<{_VALUE}}  {_words(figure)}"


def _words(figure: ComparedFigure) -> str:
    finding = figure.finding
    if figure.drifts:
        return f"{finding.value} (the ratio has {figure.state})"
    if finding is Finding.NO_DIFFERENCE:
        return f"{finding.value} (of {FOUND_DIFFERENCE:.0%} or more)"
    return str(finding.value)
