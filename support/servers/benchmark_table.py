"""The table that `mistralrs bench` prints, in each of its forms, and whether its figures agree.

| version | rows | latency |
|---|---|---|
| `mistralrs-bench`, up to 0.8.4 | `pp 512`, `tg 128` for each concurrency | ms for each token |
| 0.7 to 0.8.5 | `Prefill (512 tokens)`, `Decode (128 tokens)` | `7.37 ms (TTFT)`, `0.07 ms/T` |
| 0.8.8 to 0.9.0 | the same | `7.37 ms (prefill)`, `0.07 ms/T` |
| from 0.9.2 | `TTFT (512 input tokens)`, `Decode (128 tokens @ d4)` | `7.37 ms TTFT`, `0.07 ms TPOT` |

Speeds are `123.4 ± 5.6` tokens a second. Sources: mistralrs-bench/src/main.rs of 0.7.0,
mistralrs-cli/src/commands/bench.rs of 0.8.1 and 0.9.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from support.errors import CheckFailed

PREFILL, DECODE = "prefill", "decode"
# Two means of few iterations, of a speed and of its inverse, differ by their spread.
TOLERANCE = 0.1
_NUMBER = r"(\d+(?:\.\d+)?)"
_TESTS = (
    (PREFILL, re.compile(r"(?:Prefill|TTFT) \((\d+) (?:input )?tokens\)|pp (\d+)")),
    (DECODE, re.compile(r"Decode \((\d+) tokens(?: @ d\d+)?\)|tg (\d+)")),
)
_SPEED = re.compile(rf"{_NUMBER} ?± ?{_NUMBER}")
_LATENCY = re.compile(rf"{_NUMBER}(?: ms \((?:TTFT|prefill)\)| ms (?:TTFT|TPOT)| ms/T)?")
# Borders of a cell; the others are lines between rows.
_BORDERS = re.compile(r"[│┆|]")


@dataclass(frozen=True)
class BenchmarkRow:
    """`kind`: `PREFILL` or `DECODE`. `speed`: tokens a second; `latency`: ms, of a prompt or of one token.

    None is a zero of the table: the engine was faster than its last digit shows.
    """

    kind: str
    tokens: int
    speed: float | None
    deviation: float | None
    latency: float | None
    last_digit: float
    concurrency: int = 1

    @property
    def findings(self) -> Iterator[str]:
        """Figures that contradict each other."""
        if self.speed is None or self.latency is None:
            return
        expected = self.latency * self.speed / 1000
        tokens = self.tokens if self.kind == PREFILL else 1
        rounding = self.last_digit / 2 * self.speed / 1000
        spread = (self.deviation or 0.0) / self.speed
        if abs(expected - tokens) > tokens * (TOLERANCE + spread**2) + rounding:
            yield (
                f"{self.kind} of {self.tokens} tokens: {self.speed:g} tokens/s and {self.latency:g} ms are"
                f" {expected:.3g} tokens, not {tokens}"
            )


def read_benchmark_table(output: str) -> list[BenchmarkRow]:
    """The rows of the table in what the program printed; raises `CheckFailed` when there is none."""
    header: Sequence[str] = ()
    rows = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in _BORDERS.split(line)[1:-1]]
        names = [cell.lower() for cell in cells]
        if "test" in names and "t/s" in names:
            header = names
        elif len(cells) == len(header) > 0:
            rows.append(_row(dict(zip(header, cells, strict=True)), line))
    if not rows:
        raise CheckFailed(f"no table of results in what the program printed:\n{output[-2000:]}")
    return rows


def _row(cells: dict[str, str], line: str) -> BenchmarkRow:
    kind, tokens = _test(cells["test"])
    speed = _SPEED.fullmatch(cells["t/s"])
    latency = _LATENCY.fullmatch(cells.get("latency") or cells.get("ms/t") or "")
    if not (kind and speed and latency):
        raise CheckFailed(f"a row of the table has an unknown form: {line.strip()}")
    milliseconds = float(latency[1])
    # The first form has the time of a token also for the prompt.
    factor = tokens if kind == PREFILL and "ms/t" in cells else 1
    last_digit = factor * 10.0 ** -len(latency[1].partition(".")[2])
    return BenchmarkRow(
        kind,
        tokens,
        float(speed[1]) or None,
        float(speed[2]),
        milliseconds * factor or None,
        last_digit,
        int(cells.get("concurrency", "1")),
    )


def _test(text: str) -> tuple[str, int]:
    """The kind of a test and its tokens; an empty kind for another text."""
    for kind, pattern in _TESTS:
        if found := pattern.fullmatch(text):
            return kind, int(next(group for group in found.groups() if group))
    return "", 0
