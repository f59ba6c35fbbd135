"""How latency, throughput and memory grow with the size of a model, its quantisation and server settings.

Each point is a server of its own with two loads, of one user and of several. All points have the same number
of requests, as many as an upper bound of a median needs, and a random order, so that a machine that becomes
slower is no trend of a series. A point begins when the server of the last one has ended.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from support.models.files import ModelFiles
from support.performance.load.plan import LoadPlan
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN
from support.performance.load_table import Sender, size_of
from support.performance.measured_load import THROUGHPUT, Round
from support.performance.percentiles import smallest_sample
from support.performance.plots import growth
from support.performance.resources import MIB
from support.performance.validity import invalid_load_reasons
from support.programs.energy import energy_counters
from support.programs.launcher import LaunchedProgram

SMOLLM2 = "SmolLM2"
SEVERAL_USERS = 4
PROMPT_WORDS, OUTPUT_TOKENS = 16, 16
# An upper bound of the median (99 %).
REQUESTS = smallest_sample(0.5)
# Of one request of the largest model on a busy machine.
REQUEST_SECONDS = 120.0
CSV_FILE, PLOT_FILE = "configurations.csv", "configurations.svg"


@dataclass(frozen=True)
class Configuration:
    """`series`: what is varied. `millions` of weights, 0 for `SMOLLM2`; `options`: of the server."""

    series: str
    millions: float
    quantisation: str = "F16"
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        model = f"{self.millions:g} M {self.quantisation}" if self.millions else SMOLLM2
        return " ".join([model, *self.options])


SIZES, QUANTISATIONS, SETTINGS = "size", "quantisation", "setting"
CONFIGURATIONS = (
    *(Configuration(SIZES, millions) for millions in (1, 5, 20, 60, 200)),
    Configuration(SIZES, 0, "Q4_1"),
    Configuration(QUANTISATIONS, 20, "Q8_0"),
    Configuration(QUANTISATIONS, 20, "Q4_0"),
    Configuration(SETTINGS, 5, options=("--max-seqs", "1")),
    Configuration(SETTINGS, 5, options=("--prefix-cache-n", "0")),
    Configuration(SETTINGS, 5, options=("--no-kv-cache",)),
)


@dataclass(frozen=True)
class Point:
    """What was measured of a configuration; None for what could not be. Times in ms, memory in MiB.

    Latencies are medians of one user. `memory_ready`: before the loads; `memory_peak`: the most during that
    of several. `problem`: why there are no figures, or why they are not those of the target.
    """

    series: str
    name: str
    millions: float
    quantisation: str
    options: str
    file_mib: float | None = None
    time_to_ready: float | None = None
    time_to_first_token: float | None = None
    inter_token_latency: float | None = None
    tokens_per_second: float | None = None
    tokens_per_second_of_several: float | None = None
    memory_ready: float | None = None
    memory_peak: float | None = None
    problem: str = ""


COLUMNS = tuple(field.name for field in fields(Point))
# Of the table, with the fields.
_SHOWN = (
    ("file MiB", "file_mib"),
    ("ready ms", "time_to_ready"),
    ("TTFT p50 ms", "time_to_first_token"),
    ("ITL p50 ms", "inter_token_latency"),
    ("tokens/s, 1 user", "tokens_per_second"),
    (f"tokens/s, {SEVERAL_USERS} users", "tokens_per_second_of_several"),
    ("MiB, ready", "memory_ready"),
    ("MiB, most", "memory_peak"),
)


def measure_configurations(
    configurations: Sequence[Configuration],
    model: Callable[[Configuration], ModelFiles],
    start: Callable[[ModelFiles, Sequence[str]], LaunchedProgram],
    folder: Path,
    report: Callable[[str], None] = lambda _: None,
) -> list[Point]:
    """One point for each, in their order; measured in a random one. A server that fails has a `problem`."""
    order = list(enumerate(configurations))
    random.shuffle(order)
    found: dict[int, Point] = {}
    for number, one in order:
        own = folder / f"point-{number + 1}"
        own.mkdir(parents=True)
        found[number] = _point(one, model, start, own)
        report(row(found[number]))
        # After each point: a sweep takes long, and may be ended.
        points = [found[number] for number in sorted(found)]
        write_points(folder / CSV_FILE, points)
    points = [found[number] for number in sorted(found)]
    draw(folder / PLOT_FILE, points)
    return points


def _point(
    one: Configuration,
    model: Callable[[Configuration], ModelFiles],
    start: Callable[[ModelFiles, Sequence[str]], LaunchedProgram],
    folder: Path,
) -> Point:
    point = Point(one.series, one.name, one.millions, one.quantisation, " ".join(one.options))
    try:
        files = model(one)
        began = time.monotonic()
        server = start(files, one.options)
    except Exception as error:  # noqa: BLE001 - a point that cannot be measured is a row with its reason
        return Point(**{**asdict(point), "problem": " ".join(str(error).split())[:200]})
    ready = (time.monotonic() - began) * 1000
    try:
        memory = server.resident_memory() / MIB
        alone, several = (_load(server, users, folder) for users in (1, SEVERAL_USERS))
    finally:
        server.stop()
    return Point(
        one.series,
        one.name,
        one.millions,
        one.quantisation,
        " ".join(one.options),
        file_mib=size_of(files) / MIB,
        time_to_ready=ready,
        time_to_first_token=alone.figure(FIRST_TOKEN),
        inter_token_latency=alone.figure(PER_TOKEN),
        tokens_per_second=alone.figure(THROUGHPUT),
        tokens_per_second_of_several=several.figure(THROUGHPUT),
        memory_ready=memory,
        memory_peak=None if several.use.peak is None else several.use.peak / MIB,
        problem="; ".join(_problems(alone, several)),
    )


def _load(server: LaunchedProgram, users: int, folder: Path) -> Round:
    own = folder / f"users-{users}"
    own.mkdir()
    plan = LoadPlan(
        server.url,
        "default",
        users=users,
        requests=max(REQUESTS, 3 * users),
        prompt_words=PROMPT_WORDS,
        output_tokens=OUTPUT_TOKENS,
        timeout=REQUEST_SECONDS,
        extra={"temperature": 0},
    )
    return Sender(server.process.pid, energy_counters())(plan, own)


def _problems(*rounds: Round) -> Iterator[str]:
    """Failed requests, and why a load is not the one that was requested."""
    for one in rounds:
        figures = one.figures()
        if one.result is None or figures is None:
            continue
        if figures.failed:
            yield f"{len(figures.failed)} of {len(figures.requests)} requests failed"
        yield from invalid_load_reasons(one.result)


def write_points(file: Path, points: Iterable[Point]) -> None:
    """As CSV, a row for each; an empty field is "not measured"."""
    with file.open("w", newline="", encoding="utf-8") as out:
        rows = csv.DictWriter(out, COLUMNS)
        rows.writeheader()
        rows.writerows(map(asdict, points))


def header() -> str:
    """Of a Markdown table of points."""
    names = ["configuration", *(name for name, _ in _SHOWN), "problem"]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def row(point: Point) -> str:
    """Of that table."""
    values = asdict(point)
    shown = ["-" if values[field] is None else f"{values[field]:.4g}" for _, field in _SHOWN]
    return f"| {' | '.join([point.name, *shown, point.problem or ''])} |"


def draw(file: Path, points: Sequence[Point]) -> None:
    """How the figures grow with the size of the model, one line for each quantisation."""
    panels = {
        "tokens per second": "tokens_per_second",
        "time to first token (ms)": "time_to_first_token",
        "resident memory, most (MiB)": "memory_peak",
    }
    sized = [point for point in points if point.millions and not point.options]
    names = sorted({point.quantisation for point in sized})
    growth(
        file,
        "random models of several sizes",
        "million weights",
        {
            title: {name: found for name in names if (found := _line(sized, name, field))}
            for title, field in panels.items()
        },
    )


def _line(points: Iterable[Point], quantisation: str, field: str) -> list[tuple[float, float]]:
    own = (point for point in points if point.quantisation == quantisation)
    return [(point.millions, value) for point in own if (value := asdict(point)[field]) is not None]
