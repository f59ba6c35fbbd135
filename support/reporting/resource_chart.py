"""The chart of what the target used during a run: SVG without script, readable on light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from support.programs.resource_usage import MEGABYTE, Sample

WIDTH, HEIGHT, LEFT, GAP = 720, 90, 64, 34
MAX_POINTS = 600
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#7a7f87}.t{font-weight:600}"
    ".g{stroke:#7a7f87;stroke-opacity:.25}.l{fill:none;stroke:#2f7ed8;stroke-width:1.5}"
    ".a{fill:#2f7ed8;fill-opacity:.12}"
)


@dataclass(frozen=True)
class Line:
    """One panel: a title with its unit, and a value for each moment."""

    title: str
    values: Sequence[float]


def resource_chart(samples: Sequence[Sample]) -> str:
    """All samples as an SVG image, a panel for each measured quantity."""
    moments = [datetime.fromisoformat(sample.time).timestamp() for sample in samples]
    panels = [
        Line("CPU in % of a core", [sample.cpu_percent for sample in samples]),
        Line("Memory in MB", [sample.memory_bytes / MEGABYTE for sample in samples]),
        Line("Threads", [sample.threads for sample in samples]),
        Line("Open files", [sample.open_files for sample in samples]),
    ]
    if any(sample.gpu_memory_bytes is not None for sample in samples):
        panels += [
            Line("GPU memory in MB", [(sample.gpu_memory_bytes or 0) / MEGABYTE for sample in samples]),
            Line("GPU utilisation in %", [sample.gpu_percent or 0.0 for sample in samples]),
        ]
    return line_chart([moment - moments[0] for moment in moments], panels)


def line_chart(seconds: Sequence[float], lines: Sequence[Line]) -> str:
    """Panels one below the other over the same time axis, in seconds; each begins at zero."""
    height = len(lines) * (HEIGHT + GAP) + 24
    end = max([*seconds, 1.0])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img"><style>{_STYLE}</style>'
    ]
    for number, line in enumerate(lines):
        top = number * (HEIGHT + GAP) + 22
        highest = max([*line.values, 0.0])
        scale = highest or 1.0
        points = [
            f"{_x(moment, end):.1f},{top + HEIGHT * (1 - value / scale):.1f}"
            for moment, value in _thinned(seconds, line.values)
        ]
        parts.append(f'<text class="t" x="{LEFT}" y="{top - 8}">{escape(line.title)}</text>')
        for share in (0.0, 0.5, 1.0):
            y = top + HEIGHT * (1 - share)
            parts.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
            label = f"{scale * share:.3g}" if scale < 1000 else f"{scale * share:,.0f}"
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        if points:
            first, last = points[0].split(",")[0], points[-1].split(",")[0]
            floor = top + HEIGHT
            parts.append(f'<path class="a" d="M{first},{floor} L{" ".join(points)} L{last},{floor} Z"/>')
            parts.append(f'<polyline class="l" points="{" ".join(points)}"/>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        anchor = "end" if share == 1 else "middle"
        parts.append(
            f'<text x="{_x(end * share, end):.1f}" y="{height - 8}" text-anchor="{anchor}">'
            f"{end * share:.3g} s</text>"
        )
    return "".join([*parts, "</svg>"])


def _x(moment: float, end: float) -> float:
    return LEFT + (WIDTH - 8 - LEFT) * moment / end


def _thinned(seconds: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """The highest of each bundle: a peak must not be lost."""
    pairs = list(zip(seconds, values, strict=True))
    size = -(-len(pairs) // MAX_POINTS)
    return [max(pairs[i : i + size], key=lambda pair: pair[1]) for i in range(0, len(pairs), size or 1)]
