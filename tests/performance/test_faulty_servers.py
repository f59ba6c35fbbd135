"""A server without a fault meets each service level; one with the fault that the level is about does not.

The loads are sent to the synthetic server, and judged by the limits of the suite's own file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time_ns
from typing import Any

import psutil
import pytest

from support.errors import CheckFailed, NotSupported
from support.models.files import ModelFiles
from support.performance import load_table as load_table_module
from support.performance.ground_truth.server import NAME, Schedule, synthetic_server
from support.performance.limits import Bounds, MeanLimit, Threshold
from support.performance.load.__main__ import Analyst
from support.performance.load.generator import Generator
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.quality import run_quality
from support.performance.load_table import LoadTable, NewServers, Sender, load_table
from support.performance.measured_load import Round
from support.performance.resources import MIB
from support.performance.service_levels import MeasuredLoads, Send, measure_loads
from support.performance.thresholds import Profile, load_profile
from support.programs.launcher import LaunchedProgram
from support.settings import default_cache
from tests.performance.stub_server import start_stub

PROFILE = load_profile("cpu")
GOOD = Schedule(ttft_us=2_000, itl_us=1_000, tokens=24, prompt_tokens=30)
# As few as have an interval without the first one, whose memory does not count.
ROUNDS = 4
ANY = {"prompt words": "16", "output tokens": "24"}
Rows = Sequence[Mapping[str, str]]


@pytest.fixture(autouse=True)
def _loads_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each of a hundred loads would take minutes."""
    monkeypatch.setattr(load_table_module, "run_load", load_here)


def load_here(plan: LoadPlan, folder: Path) -> LoadResult:
    """As `run_load`, without a process and without files."""
    assert folder.is_dir()
    analyst, before = Analyst(plan), process_time_ns()
    with asyncio.Runner() as runner:
        part = runner.run(Generator(plan, analyst.keep).run())
    analysed = analyst.all()
    quality = run_quality(plan, analysed, part, process_time_ns() - before)
    return LoadResult(plan, [each.record for each in analysed], quality, {})


def rows(*own: Mapping[str, object]) -> Rows:
    return [{**ANY, **{name: str(value) for name, value in row.items()}} for row in own]


@dataclass(frozen=True)
class _NoModels:
    """There are no new servers in these tables."""

    servers = NewServers({}, lambda _: pytest.fail("a server was started"))


@dataclass
class _Counter:
    """In place of NVML: so many joules more at each reading."""

    each: float
    source: str = "a counter"
    total: float = 0.0

    def joules(self) -> float:
        self.total += self.each
        return self.total


@dataclass(frozen=True)
class _WithoutOthers:
    """A sender of whose machine nothing else is known: the tests run beside other tests."""

    send: Send

    def __call__(self, plan: LoadPlan, folder: Path) -> Round:
        found = self.send(plan, folder)
        return replace(found, use=replace(found.use, others=None))


def measured(
    url: str, schedule: Schedule, table: Rows, folder: Path, pid: int | None = None
) -> MeasuredLoads:
    plan = LoadPlan(url, schedule.model, users=1, requests=1, timeout=20.0)
    made = _alone(load_table(table, plan, Sender(pid), _NoModels.servers))
    return measure_loads(made.loads, folder, made.rounds)


def _alone(made: LoadTable) -> LoadTable:
    rounds = min(made.rounds, ROUNDS)
    return LoadTable([replace(load, send=_WithoutOthers(load.send)) for load in made.loads], rounds)


def judged(found: MeasuredLoads, level: str, profile: Profile = PROFILE) -> str:
    """`pass`, or how it ended: a machine that is busy with other tests may leave it open, never turn it."""
    try:
        found.require_level(level, profile)
    except CheckFailed as error:
        return f"fail: {error}"
    except NotSupported as error:
        return f"open: {error}"
    return "pass"


SEVERAL = rows({"users": 1, "requests": 12}, {"users": 8, "requests": 32})
OVERLOADED = rows(
    {"load": "before", "users": 1, "requests": 8},
    {"load": "overload", "users": 8, "requests": 8},
    {"load": "after", "users": 1, "requests": 8},
)
CACHED = rows(
    {"prompts": "different", "users": 1, "requests": 8}, {"prompts": "the same", "users": 1, "requests": 8}
)
MEMORY = rows({"users": 4, "requests": 12}, {"users": 8, "requests": 16})


@pytest.mark.parametrize(
    ("level", "table", "fault", "finding"),
    [
        (
            "smooth streams",
            rows({"users": 12, "requests": 72}),
            {"pause_every": 8, "pause_us": 150_000},
            "gap ratio p90 <= 10: 1",
        ),
        ("several users", SEVERAL, {"crowded_us": 500}, "'8 users' by '1 user' >= 1: 0."),
        (
            "cached answers",
            CACHED,
            {"cached_answers": 1},
            "'the same prompt' by 'different prompts' <= 1.1: ",
        ),
        (
            "separate events",
            rows({"users": 1, "requests": 24}),
            {"nagle": 1},
            "events per TCP segment p90 <= 2: ",
        ),
        ("recovery", OVERLOADED, {"overload": 6}, "tokens per second of 'after' by 'before' >= 0.8: 0."),
        ("memory", MEMORY, {"request_kib": 32_768}, "4 users: memory per request <= 16 MiB: "),
        ("memory", MEMORY, {"kept_kib": 4_096}, "8 users: memory kept <= 24 MiB: "),
    ],
    ids=["pauses", "fewer for 8", "cached answers", "Nagle", "slow after", "request memory", "leak"],
)
def test_a_fault_is_found_and_a_good_server_is_not(
    own_server: tuple[str, int],
    tmp_path: Path,
    level: str,
    table: Rows,
    fault: Mapping[str, Any],
    finding: str,
) -> None:
    url, pid = own_server
    good = judged(measured(url, GOOD, table, tmp_path / "good", pid), level)
    assert good == "pass" or good.startswith("open: "), good
    bad = judged(measured(url, replace(GOOD, **fault), table, tmp_path / "bad", pid), level)
    assert (bad.startswith("fail: ") and finding in bad) or "is invalid" in bad, bad


@pytest.fixture
def own_server() -> Iterator[tuple[str, int]]:
    """URL and process of a synthetic server that has not had a request yet."""
    if sys.platform != "linux" or shutil.which(os.environ.get("CC") or "cc") is None:
        pytest.skip("the synthetic server needs Linux and a C compiler")
    known = {child.pid for child in psutil.Process().children()}
    with synthetic_server(default_cache()) as url:
        children = psutil.Process().children()
        (pid,) = (one.pid for one in children if one.pid not in known and one.name() == NAME)
        yield url, pid


@pytest.mark.parametrize(("late_ms", "verdict"), [(0, "pass"), (700, "fail: ")])
def test_a_server_that_starts_late_is_found(tmp_path: Path, late_ms: int, verdict: str) -> None:
    def start(_: ModelFiles) -> LaunchedProgram:
        return start_stub(tmp_path, late_ms)

    model = tmp_path / "model.gguf"
    model.write_bytes(b"0" * MIB)
    servers = NewServers({"scripted": lambda: ModelFiles(tmp_path, model.name, "gguf")}, start)
    table = rows({"starts": 4, "users": 1, "requests": 3})
    plan = LoadPlan("http://127.0.0.1:1", "tiny", users=1, requests=1)
    made = _alone(load_table(table, plan, Sender(), servers))
    found = measure_loads(made.loads, tmp_path / "loads", made.rounds)
    # A busy machine adds to both: between the limits is room for that.
    limit = MeanLimit("time to ready", Bounds(most=100.0 if late_ms else 60_000.0), for_each_mib=50.0)
    profile = Profile("mine", {"start": (limit,)})
    assert judged(found, "start", profile).startswith(verdict)


def test_the_energy_of_a_load_is_that_of_its_counters(own_server: tuple[str, int], tmp_path: Path) -> None:
    url, _ = own_server
    plan = LoadPlan(url, GOOD.model, users=1, requests=1)
    table = rows({"users": 1, "requests": 8}, {"users": 2, "requests": 8})
    for joules, verdict in ((1.0, "pass"), (1e6, "fail: 'energy' of the profile cpu: fail: 1 user: energy")):
        sender = Sender(None, [_Counter(joules)])
        made = _alone(load_table(table, plan, sender, _NoModels.servers))
        found = measure_loads(made.loads, tmp_path / str(joules), made.rounds)
        assert judged(found, "energy").startswith((verdict, "open: the measurement is invalid"))
    made = load_table(rows({"users": 1, "requests": 8}), plan, Sender(), _NoModels.servers)
    without = judged(measure_loads(made.loads, tmp_path / "none", 3), "energy")
    assert "not measured" in without or without.startswith("open: the measurement is invalid")


def test_a_server_that_stalls_in_each_request_is_judged_by_fewer_loads(
    synthetic_url: str, tmp_path: Path
) -> None:
    table = rows({"users": 1, "requests": 3}, {"users": 8, "requests": 8})
    model = replace(GOOD, ttft_us=400_000).model
    made = _alone(
        load_table(
            table,
            LoadPlan(synthetic_url, model, users=1, requests=1, timeout=2.0),
            Sender(),
            _NoModels.servers,
        )
    )
    # Time for the first load, and after it for none.
    found = measure_loads(made.loads, tmp_path, made.rounds, 1.02 * made.loads[0].longest_seconds)
    assert [len(load.rounds) for load in found.loads] == [1, 0]
    assert judged(found, "several users").startswith(
        "open: 'several users' of the profile cpu: not enough ev"
    )
    profile = Profile("mine", {"quick": (Threshold("time to first token", 0.5, 100.0),)})
    assert judged(found, "quick", profile).startswith("open: ")


def test_a_server_that_ends_during_a_level_fails_it(tmp_path: Path) -> None:
    with synthetic_server(default_cache()) as url:
        plan = LoadPlan(url, replace(GOOD, drop_after=12).model, users=1, requests=1, timeout=20.0)
        made = load_table(SEVERAL, plan, Sender(), _NoModels.servers)
        found = measure_loads(made.loads, tmp_path / "dropped", made.rounds)
        assert [len(load.rounds) for load in found.loads] == [1, 0]
        assert "1 user: 12 of 12 requests failed: connection closed (after 12 events)" in judged(
            found, "several users"
        )
    gone = measure_loads(made.loads, tmp_path / "gone", made.rounds)
    assert "12 of 12 requests failed: no connection" in judged(gone, "several users")
