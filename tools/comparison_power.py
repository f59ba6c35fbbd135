"""What the comparison of two servers finds: differences that the synthetic server has been given, repeated.

With the default rounds and requests. Time to first token and time per token differ by the same share.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from support.errors import ProgramUnavailable
from support.performance.comparison import (
    FIRST_TOKEN_P50,
    PER_TOKEN_P50,
    REQUESTS,
    ROUNDS,
    ComparedTarget,
    Comparison,
    compare,
)
from support.performance.ground_truth.server import Schedule, synthetic_server
from support.performance.load.plan import LoadPlan
from support.settings import default_cache

Row = tuple[str, str, str]

ANSWER = Schedule(ttft_us=30_000, itl_us=4_000, tokens=8, prompt_tokens=16, same_text=True)
TIMES = 10
WANTED = {0.10: "differs", 0.03: "never alternating", 0.0: "no difference found"}


def power() -> list[Row]:
    """Without a compiler there is nothing to compare: no row, and the reason on stderr."""
    rows = []
    try:
        for share, wanted in WANTED.items():
            found = [_compared(share) for _ in range(TIMES)]
            for name in (FIRST_TOKEN_P50, PER_TOKEN_P50):
                what = f"comparison of {ROUNDS} rounds of {REQUESTS} requests, {share:+.0%}: {name}"
                rows.append((what, wanted, _row(found, name)))
    except ProgramUnavailable as error:
        print(f"measure: {error}", file=sys.stderr)
    return rows


def _compared(share: float) -> Comparison:
    slower = replace(
        ANSWER, ttft_us=round(ANSWER.ttft_us * (1 + share)), itl_us=round(ANSWER.itl_us * (1 + share))
    )
    with ExitStack() as resources:
        first, second = (
            ComparedTarget(name, resources.enter_context(synthetic_server(default_cache())), schedule.model)
            for name, schedule in (("slower", slower), ("faster", ANSWER))
        )
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="acceptance-measure-")))
        plan = LoadPlan(first.url, first.model, users=1, requests=REQUESTS, output_tokens=ANSWER.tokens)
        found = compare((first, second), plan, folder)
        print(
            f"{share:+.0%}: {', '.join(f'{one.name} {one.ratio}' for one in found.figures)}", file=sys.stderr
        )
        return found


def _row(found: list[Comparison], name: str) -> str:
    figures = [figure for one in found for figure in one.figures if figure.name == name]
    findings = Counter(figure.finding.value for figure in figures)
    ratios = [figure.ratio for figure in figures if figure.ratio]
    shown = ", ".join(f"{count} x {finding}" for finding, count in findings.most_common())
    if not ratios:
        return shown or "no valid round"
    values, widest = [ratio.value for ratio in ratios], max(ratio.high / ratio.low for ratio in ratios)
    return f"{shown}; ratio {min(values):.3f} to {max(values):.3f}, widest interval {widest - 1:.1%}"
