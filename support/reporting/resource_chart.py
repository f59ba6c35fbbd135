"""The chart of what the target used during a run: SVG without script, readable on light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from support.programs.resource_usage import MEGABYTE, Sample
from support.reporting.rendering import render

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 720, 90, 64, 712, 34
MAX_POINTS = 600


@dataclass(frozen=True)
class Line:
    """One panel: a title with its unit, and a value for each moment."""

    title: str
    values: Sequence[float]


def resource_chart(samples: Sequence[Sample]) -> str:
    """All samples as an SVG image, a panel for each measured quantity."""
    moments = [datetime.fromisoformat(sample.time).timestamp() for sample in samples]
    panels = [
        Line("CPU in % of a core, all processes together", [sample.cpu_percent for sample in samples]),
        Line("Memory in MB, all processes together", [sample.memory_bytes / MEGABYTE for sample in samples]),
        Line("Threads, all processes together", [sample.threads for sample in samples]),
        Line("Open files, all processes together", [sample.open_files for sample in samples]),
    ]
    if any(sample.gpu_memory_bytes is not None for sample in samples):
        panels += [
            Line(
                "GPU memory in MB, of the whole machine",
                [(sample.gpu_memory_bytes or 0) / MEGABYTE for sample in samples],
            ),
            Line(
                "GPU utilisation in %, of the busiest GPU", [sample.gpu_percent or 0.0 for sample in samples]
            ),
        ]
    return line_chart([moment - moments[0] for moment in moments], panels)


def line_chart(seconds: Sequence[float], lines: Sequence[Line]) -> str:
    """Panels one below the other over the same time axis, in seconds; each begins at zero."""
    end = max([*seconds, 1.0])
    panels = []
    for number, line in enumerate(lines):
        top = number * (HEIGHT + GAP) + 22
        scale = max([*line.values, 0.0]) or 1.0
        points = [
            f"{LEFT + (RIGHT - LEFT) * moment / end:.1f},{top + HEIGHT * (1 - value / scale):.1f}"
            for moment, value in _thinned(seconds, line.values)
        ]
        panels.append({"title": line.title, "top": top, "scale": scale, "points": points})
    layout = {"width": WIDTH, "height": len(lines) * (HEIGHT + GAP) + 24, "left": LEFT, "right": RIGHT}
    return render("resource_chart.svg", panels=panels, panel_height=HEIGHT, end=end, **layout)


def _thinned(seconds: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """The highest of each bundle: a peak must not be lost."""
    pairs = list(zip(seconds, values, strict=True))
    size = -(-len(pairs) // MAX_POINTS)
    return [max(pairs[i : i + size], key=lambda pair: pair[1]) for i in range(0, len(pairs), size or 1)]
