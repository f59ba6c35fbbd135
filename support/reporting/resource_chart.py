"""The chart of what the target used during a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from support.programs.resource_usage import MEGABYTE, Sample
from support.reporting.svg_chart import Line, line_chart


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
