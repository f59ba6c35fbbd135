"""What a measured load, or a sweep of them, leaves in a folder: JSON, CSV, plots and a page in Markdown."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from support.performance import plots
from support.performance.load.files import REQUESTS
from support.performance.load.program import LoadResult
from support.performance.load.summary import figures_of, lines
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, LoadFigures
from support.performance.load_over_time import LoadOverTime
from support.performance.load_validation import contradictions, recomputed_tenths
from support.performance.percentiles import nearest_rank
from support.performance.token_counts import TokenCounts
from support.performance.validity import (
    MOST_CACHED,
    anomalies,
    invalid_latency_reasons,
    invalid_load_reasons,
)

SUMMARY, RUNS, PAGE = "summary.json", "runs.csv", "report.md"
DISTRIBUTION, GROWTH = "latency.svg", "growth.svg"
# The columns of a plan in the CSV of the runs; before them the number of the run, after them its figures.
_PLAN_COLUMNS = ("users", "rate", "arrivals", "turns", "prompt_words", "output_tokens", "cancelled_share")
_FIRST_COLUMNS = ("run", *_PLAN_COLUMNS, "valid", "cpu_pressure", "steal")


@dataclass(frozen=True)
class Run:
    """One load, the folder of its records, and its tokens by client, usage and server."""

    result: LoadResult
    folder: Path
    tokens: TokenCounts

    @property
    def name(self) -> str:
        plan = self.result.plan
        return f"{plan}, {plan.prompt_words} words, {plan.output_tokens} tokens"

    @property
    def invalid(self) -> list[str]:
        """Why its figures are not those of its target."""
        plan, found = self.result.plan, list(invalid_load_reasons(self.result))
        share = 0.0 if plan.trace else self.tokens.unexpectedly_cached(plan.prompt_words)
        if share >= MOST_CACHED:
            found.append(
                f"{share:.1%} of the prompts' words came from the server's cache, by its own counter"
            )
        return found

    @property
    def notes(self) -> list[str]:
        """Why its latencies are not those of its target, and anomalies; none of an invalid load."""
        if self.invalid:
            return []
        # No limit is judged: the client's lag may be a share of what was measured.
        shortest = nearest_rank(LoadFigures.of(self.result).latencies(FIRST_TOKEN), 50)
        # A load that changes by itself has no steady state.
        changes = self.result.plan.arrivals == "ramp" or bool(self.result.plan.trace)
        reasons = invalid_latency_reasons(self.result, shortest, within_requests=changes)
        seen = [] if changes else anomalies(self.result)
        return [*(f"latencies are invalid: {one}" for one in reasons), *(f"anomaly: {one}" for one in seen)]

    def contradictions(self) -> list[str]:
        file = self.folder / REQUESTS
        found = list(contradictions(figures_of(self.result), file))
        if tenths := LoadOverTime.of(self.result).figures:
            found += contradictions(tenths, file, recomputed_tenths)
        return found


def write_summary(run: Run) -> None:
    """All figures of one load, beside its records; without the key of the target."""
    plan = asdict(run.result.plan)
    del plan["key"]
    plan["trace"] = len(run.result.plan.trace)
    document = {
        "plan": plan,
        "figures": figures_of(run.result),
        "over_time": asdict(LoadOverTime.of(run.result)),
        "quality": asdict(run.result.quality),
        **_workers(run.result),
        "invalid": run.invalid,
        "notes": run.notes,
        "contradictions": run.contradictions(),
        "tokens": {**asdict(run.tokens), "agrees": run.tokens.agrees},
    }
    (run.folder / SUMMARY).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_report(runs: Sequence[Run], folder: Path, goodput: Mapping[str, float] | None = None) -> None:
    """The table of all runs as CSV, plots, and the page about the target."""
    _write_csv(runs, folder / RUNS)
    shown = [run for run in runs if any(one.complete for one in run.result.measured)]
    if shown:
        latencies = {
            metric: {run.name: values for run in shown if (values := _latencies(run, metric))}
            for metric in (FIRST_TOKEN, PER_TOKEN)
        }
        title = f"{shown[0].result.plan.model}: latencies"
        plots.distribution(folder / DISTRIBUTION, title, {name: of for name, of in latencies.items() if of})
    load = _varied(shown)
    if load:
        title = f"{shown[0].result.plan.model}: growth with the load"
        plots.growth(folder / GROWTH, title, load, _growth(shown, load))
    images = {DISTRIBUTION: "distribution of the latencies"} if shown else {}
    images |= {GROWTH: f"figures over {load}"} if load else {}
    page = "\n".join(_page(runs, images, goodput))
    (folder / PAGE).write_text(page + "\n", encoding="utf-8")


def _workers(result: LoadResult) -> dict[str, object]:
    """Of a load from several machines."""
    if not result.workers:
        return {}
    return {"workers": [asdict(one) for one in result.workers], "start_spread": result.start_spread}


def _latencies(run: Run, metric: str) -> list[float]:
    return LoadFigures.of(run.result).latencies(metric)


def _write_csv(runs: Sequence[Run], file: Path) -> None:
    figures = [figures_of(run.result) for run in runs]
    names = list(dict.fromkeys(name for found in figures for name in found))
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow([*_FIRST_COLUMNS, *names])
        for number, (run, found) in enumerate(zip(runs, figures, strict=True), 1):
            plan, machine = run.result.plan, run.result.quality.machine
            load = [getattr(plan, name) for name in _PLAN_COLUMNS]
            state = ["no" if run.invalid else "yes", machine.cpu_pressure, machine.steal]
            table.writerow([number, *load, *state, *(found.get(name, "") for name in names)])


def _varied(runs: Iterable[Run]) -> str | None:
    """What the runs differ in, when it is one number."""
    plans = [run.result.plan for run in runs]
    names = [
        name
        for name in ("users", "rate", "prompt_words", "output_tokens")
        if len({getattr(plan, name) for plan in plans}) > 1
    ]
    return names[0] if len(names) == 1 else None


def _growth(runs: Sequence[Run], load: str) -> dict[str, dict[str, list[tuple[float, float]]]]:
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for run in runs:
        at, figures = getattr(run.result.plan, load), figures_of(run.result)
        for metric in (FIRST_TOKEN, PER_TOKEN):
            for level in ("p50", "p90"):
                if (value := figures.get(f"{metric} {level}")) is not None:
                    panels.setdefault(f"{metric} (ms)", {}).setdefault(level, []).append((at, value))
        rate = figures["output tokens per second"]
        panels.setdefault("output tokens per second", {}).setdefault("all", []).append((at, rate))
    return panels


def _page(
    runs: Sequence[Run], images: Mapping[str, str], goodput: Mapping[str, float] | None
) -> Iterable[str]:
    plan = runs[0].result.plan
    yield f"# Measured loads of {plan.model}"
    yield ""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    yield f"{plan.url}, {plan.api} API; {now}; client: {platform.platform()}, {platform.machine()}."
    yield "The formulas are in docs/metrics.md; `*` marks a percentile of too few requests."
    for file, text in images.items():
        yield f"\n![{text}]({file})"
    for number, run in enumerate(runs, 1):
        yield f"\n## {number}. {run.name}\n"
        yield "```"
        yield from lines(run.result, goodput)
        yield str(run.tokens)
        yield "```\n"
        yield from LoadOverTime.of(run.result).table()
        yield from (f"\nInvalid: {reason}." for reason in run.invalid)
        yield from (f"\n{note[0].upper()}{note[1:]}." for note in run.notes)
        yield from (f"\nThe report contradicts its records: {found}." for found in run.contradictions())
