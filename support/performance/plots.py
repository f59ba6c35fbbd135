"""Plots of measured loads as SVG: distributions of latencies, and how they grow with the load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 9.0, 4.0


def distribution(file: Path, title: str, latencies: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """The share of requests within a time: one panel for each latency, one line for each load.

    `latencies`: milliseconds by latency and by load.
    """
    with _figure(file, title, len(latencies)) as panels:
        for panel, (metric, loads) in zip(panels, latencies.items(), strict=True):
            for name, values in loads.items():
                ordered = sorted(values)
                shares = [100 * (rank + 1) / len(ordered) for rank in range(len(ordered))]
                panel.step(ordered, shares, where="post", label=name)
            panel.set(xlabel=f"{metric} (ms)", ylabel="requests (%)", ylim=(0, 101))
            if len(loads) > 1:
                panel.legend(fontsize="small")


def growth(
    file: Path, title: str, load: str, panels_of: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
) -> None:
    """Figures over the load: one panel for each figure, one line for each percentile or setting."""
    with _figure(file, title, len(panels_of)) as panels:
        for panel, (figure, series) in zip(panels, panels_of.items(), strict=True):
            for name, points in series.items():
                ordered = sorted(points)
                panel.plot(*zip(*ordered, strict=True), marker="o", label=name)
            panel.set(xlabel=load, ylabel=figure)
            panel.set_ylim(0, panel.get_ylim()[1] * 1.05)
            if len(series) > 1:
                panel.legend(fontsize="small")


@contextmanager
def _figure(file: Path, title: str, count: int) -> Iterator[Sequence[Any]]:
    """Panels side by side; the file is written at the end of the block."""
    # Not at the top: it takes longer to import than a short load.
    from matplotlib.figure import Figure

    made = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    made.suptitle(title, fontsize="medium")
    panels = made.subplots(1, count, squeeze=False)[0]
    for panel in panels:
        panel.grid(alpha=0.3)
    yield panels
    made.savefig(file, format="svg", metadata={"Date": None})
