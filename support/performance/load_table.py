"""The table of a step as loads: who sends them, with which prompts, to which server.

| column | content |
|---|---|
| `users`, `requests`, `prompt words`, `output tokens` | numbers of the load's plan |
| `load` | a name, for the limits; `overload`: more than the server can take, in the order of the table |
| `prompts` | `different`, or `the same` in each request and round, at temperature 1 |
| `starts` | that many new servers, one for each round |
| `rounds` | of a scenario that may take minutes, in the place of five |
| `model` | of new servers: `scripted`, or `SmolLM2` |
| `sent by` | `users`, or `mistralrs bench`: the benchmark command in the place of a load |
| `turns` | of each conversation: every request has all that was said before |
| `cancelled` | share of the requests whose client leaves at the first token, such as `10 %` |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from support.errors import CheckFailed
from support.models.files import ModelFiles
from support.name_registry import unknown
from support.performance.load.plan import LoadPlan
from support.performance.load.program import run_load
from support.performance.load.prompts import Message, RequestMaker
from support.performance.measured_load import READY, Round, default_name
from support.performance.resources import SETTLE_SECONDS, ResourceWatch
from support.performance.service_levels import ROUNDS, PlannedLoad, Send
from support.programs.energy import EnergyCounter
from support.programs.launcher import LaunchedProgram

NUMBERS = {
    "users": "users",
    "requests": "requests",
    "prompt words": "prompt_words",
    "output tokens": "output_tokens",
    "turns": "turns",
}
NAME, PROMPTS, STARTS, MODEL, CANCELLED = "load", "prompts", "starts", "model", "cancelled"
MANY_ROUNDS = "rounds"
SENT_BY, USERS, BENCHMARK = "sent by", "users", "mistralrs bench"
COLUMNS = {*NUMBERS, NAME, PROMPTS, STARTS, MANY_ROUNDS, MODEL, CANCELLED, SENT_BY}
OVERLOAD, DIFFERENT, SAME = "overload", "different", "the same"
PROMPT_NAMES = {DIFFERENT: "different prompts", SAME: "the same prompt"}
SCRIPTED_MODEL = "scripted"
# Of all loads and rounds together: a server that is slow has fewer requests then, and a wider interval. The
# second one where a table has a number of rounds.
ALL_SECONDS, LONG_SECONDS = 30.0, 120.0


@dataclass(frozen=True)
class NewServers:
    """`models`: by the names in the tables, made or fetched on first use; `start`: a server with one.

    `benchmark`: in the place of a load, the benchmark command with the model of the running server.
    `longest_start`: seconds, after which a start fails.
    """

    models: Mapping[str, Callable[[], ModelFiles]]
    start: Callable[[ModelFiles], LaunchedProgram]
    benchmark: Send | None = None
    longest_start: float = 0.0


@dataclass(frozen=True)
class LoadTable:
    """The loads of a table. `rounds` of each."""

    loads: Sequence[PlannedLoad]
    rounds: int


@dataclass(frozen=True)
class Sender:
    """Sends the load of a plan to a running server and watches it. `pid`: None for a server at a URL.

    `settle_seconds`: after the load, for the memory that it gives back.
    """

    pid: int | None = None
    energy: Sequence[EnergyCounter] = ()
    settle_seconds: float = SETTLE_SECONDS

    def __call__(self, plan: LoadPlan, folder: Path) -> Round:
        watch = ResourceWatch(self.pid, self.energy)
        watch.start()
        try:
            result = run_load(plan, folder)
        finally:
            use = watch.stop(self.settle_seconds)
        return Round(result, use)


def load_table(
    rows: Iterable[Mapping[str, str]], plan: LoadPlan, send: Sender, servers: NewServers
) -> LoadTable:
    """`plan`: what the rows have no column for. Raises `CheckFailed` for a table with a mistake."""
    table = [dict(row.items()) for row in rows]
    if wrong := {column for row in table for column in row} - COLUMNS:
        raise CheckFailed(unknown("column of a load", sorted(wrong)[0], COLUMNS))
    same = RequestMaker(plan).message(plan.prompt_words)
    loads = [_planned(row, plan, send, servers, same) for row in table]
    if len({load.name for load in loads}) < len(loads):
        loads = [replace(load, name=f"{load.name}, {load.plan.prompt_words} words") for load in loads]
    given = max(int(row.get(MANY_ROUNDS, 0)) for row in table)
    starts = max(int(row.get(STARTS, 0)) for row in table)
    rounds = given or starts or (ROUNDS if len(loads) > 1 else 1)
    seconds = (LONG_SECONDS if given else ALL_SECONDS) / rounds / len(loads)
    return LoadTable([replace(load, plan=replace(load.plan, seconds=seconds)) for load in loads], rounds)


def _planned(
    row: Mapping[str, str], plan: LoadPlan, send: Sender, servers: NewServers, same: Message
) -> PlannedLoad:
    fields = {NUMBERS[name]: int(value) for name, value in row.items() if name in NUMBERS}
    own = replace(plan, **fields)  # type: ignore[arg-type]  # the columns of numbers
    if CANCELLED in row:
        own = replace(own, cancelled_share=_share(row[CANCELLED]))
    name = row.get(NAME) or PROMPT_NAMES.get(row.get(PROMPTS, "")) or row.get(MODEL) or default_name(own)
    load = PlannedLoad(name, own, send, overload=name == OVERLOAD)
    if PROMPTS in row:
        load = _with_prompts(load, row[PROMPTS], same)
    if row.get(SENT_BY, USERS) != USERS:
        if row[SENT_BY] != BENCHMARK or servers.benchmark is None:
            raise CheckFailed(unknown("sender of a load", row[SENT_BY], (USERS, BENCHMARK)))
        load = replace(load, name=row[SENT_BY], send=servers.benchmark)
    if STARTS in row:
        model = row.get(MODEL, SCRIPTED_MODEL)
        if model not in servers.models:
            raise CheckFailed(unknown("model of a load", model, servers.models))
        files = servers.models[model]()
        start = NewServerSender(lambda: servers.start(files), send.energy)
        load = replace(load, send=start, file_size=size_of(files), start_seconds=servers.longest_start)
    return load


def _share(text: str) -> float:
    number, sign, rest = text.partition("%")
    try:
        found = float(number) / 100
    except ValueError:
        found = -1.0
    if not sign or rest or not 0 <= found < 1:
        raise CheckFailed(f"{CANCELLED} is {text!r}: give a share such as 10 %")
    return found


def _with_prompts(load: PlannedLoad, kind: str, same: Message) -> PlannedLoad:
    if kind not in PROMPT_NAMES:
        raise CheckFailed(unknown("kind of prompts", kind, PROMPT_NAMES))
    extra: dict[str, object] = {"temperature": 1.0}
    if kind == SAME:
        extra["messages"] = [same]
    return replace(load, plan=replace(load.plan, extra=extra), repeats=kind == SAME)


@dataclass(frozen=True)
class NewServerSender:
    """Sends a load to a server that it starts, and ends it. The figure `time to ready` is of the start."""

    start: Callable[[], LaunchedProgram]
    energy: Sequence[EnergyCounter] = ()

    def __call__(self, plan: LoadPlan, folder: Path) -> Round:
        began = time.monotonic()
        server = self.start()
        ready = (time.monotonic() - began) * 1000
        try:
            found = Sender(server.process.pid, self.energy)(replace(plan, url=server.url), folder)
        finally:
            server.stop()
        return replace(found, own={READY: ready})


def size_of(files: ModelFiles) -> int:
    """Of a model in bytes; of a folder, all of its files."""
    path = files.path
    parts = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    return sum(part.stat().st_size for part in parts)
