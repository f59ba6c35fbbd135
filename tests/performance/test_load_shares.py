"""A load from several machines, without Locust: shares, arrivals, messages, merged records."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

from support.errors import SettingsError
from support.performance.distributed.arrivals import no_poisson_reason
from support.performance.distributed.generator import coordinated_generator
from support.performance.distributed.merging import WorkerResult, merged
from support.performance.distributed.messages import PART_BYTES, Hello, packed, unpacked
from support.performance.distributed.shares import shares
from support.performance.ground_truth.server import Schedule
from support.performance.load.arrivals import Phases, due_times
from support.performance.load.clock import SECOND
from support.performance.load.files import REQUESTS
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadFailed, read_result
from support.performance.load.prompts import Prompts
from support.performance.load.quality import WorkerQuality
from support.performance.load.record import Phase, write_records
from support.performance.load.summary import figures_of, lines
from support.performance.load.trace import TracedRequest
from support.performance.load_figures import LoadFigures, Throughput
from support.performance.load_validation import contradictions
from support.performance.validity import invalid_latency_reasons, invalid_load_reasons
from support.waiting import wait_until
from tests.performance.loads import GOOD, MS, PLAN, failed, request, result
from tests.timeouts import PATIENCE

URL = "http://127.0.0.1:1"


def plan(**changes: Any) -> LoadPlan:
    return LoadPlan(**{"url": URL, "model": "m", "requests": 12, **changes})


def times(load: LoadPlan, count: int) -> list[int]:
    return list(itertools.islice(due_times(load), count))


def test_users_and_requests_are_divided_in_proportion() -> None:
    found = shares(plan(users=10, requests=100), 3)
    assert [(one.users, one.requests) for one in found] == [(4, 40), (3, 30), (3, 30)]
    # Workers without a user have no load.
    assert [(one.users, one.requests) for one in shares(plan(users=1), 3)] == [(1, 12)]


@pytest.mark.parametrize(
    "load", [{"rate": 40.0}, {"rate": 40.0, "arrivals": "ramp", "seconds": 2.0}], ids=["constant", "ramp"]
)
def test_the_shares_of_a_schedule_are_the_schedule(load: dict[str, Any]) -> None:
    whole = plan(**load)
    parts = [times(share, 100) for share in shares(whole, 3)]
    together = sorted(itertools.chain.from_iterable(parts))
    assert together == pytest.approx(times(whole, 300), abs=1000)
    assert [share.requests for share in shares(whole, 3)] == [4, 4, 4]


def test_the_shares_of_a_ramp_are_measured_for_the_same_time() -> None:
    whole = plan(rate=30.0, arrivals="ramp", seconds=2.0, requests=0)
    counts = []
    for share in shares(whole, 2):
        phases = Phases(share, 0)
        found = [phases.next(due) for due in times(share, 60)]
        counts.append(found.count(Phase.MEASURED))
    # Half the final rate on average, over both: 30 requests in 2 seconds.
    assert counts == [15, 15]


def test_poissons_arrivals_of_several_workers_are_poissons() -> None:
    whole = plan(rate=100.0, arrivals="poisson", seed=5)
    parts = [times(share, 1000) for share in shares(whole, 4)]
    assert len({tuple(part) for part in parts}) == 4
    end = min(part[-1] for part in parts)
    together = sorted(time for part in parts for time in part if time <= end)
    gaps = [after - before for before, after in itertools.pairwise(together)]
    # Of an exponential distribution both are equal. The tolerance is that of some 4 000 gaps of one seed.
    assert fmean(gaps) == pytest.approx(SECOND / 100, rel=0.05)
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)
    assert no_poisson_reason(dict(enumerate(parts)), 100.0) is None


def test_arrivals_that_are_not_poissons_are_found() -> None:
    one = times(plan(rate=25.0, arrivals="poisson", seed=5), 500)
    pairs = no_poisson_reason({1: one, 2: one}, 50.0)
    assert pairs is not None
    assert pairs.startswith("the requests of all workers are no Poisson arrivals at 50 per second")
    even = times(plan(rate=25.0), 500)
    assert no_poisson_reason({1: even, 2: [time + 20 * MS for time in even]}, 50.0) is not None
    assert no_poisson_reason({1: one[:5], 2: one[:5]}, 50.0) is None


def test_seeds_and_salts_are_those_of_a_worker() -> None:
    first, second = shares(plan(users=2, seed=7, salt="s"), 2)
    assert (first.seed, first.salt) != (second.seed, second.salt)
    assert shares(plan(users=2, seed=7, salt="s"), 2) == [first, second]
    assert {(one.seed, one.salt) for one in shares(plan(users=2), 2)} == {(None, None)}


def test_all_workers_have_the_prefix_of_the_load() -> None:
    found = shares(plan(users=2, prefix_words=5, seed=7, salt="s"), 2)
    makers = [Prompts(share.seed, share.salt, share.prefix_words, share.prefix) for share in found]
    prompts = [maker.next(3).split() for maker in makers]
    assert prompts[0][:5] == prompts[1][:5] == Prompts(7, "s", 5).prefix.split()
    assert [len(prompt) for prompt in prompts] == [8, 8]
    assert prompts[0][5:] != prompts[1][5:]
    assert {share.prefix for share in shares(plan(users=2), 2)} == {""}


def test_a_trace_is_divided() -> None:
    trace = tuple(TracedRequest(100.0 * number, 3, 4) for number in range(5))
    whole = LoadPlan(URL, "m", trace=trace)
    assert [one.trace for one in shares(whole, 2)] == [trace[::2], trace[1::2]]


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"users": 4, "requests": 1}, "1 requests are too few for 2 workers"),
        ({"rate": 4.0, "requests": 1}, "1 requests are too few for 2 workers"),
        ({"requests": 0, "trace": (TracedRequest(0.0, 1, 1),)}, "a trace of 1 requests is too short for 2"),
    ],
)
def test_a_load_that_cannot_be_divided(load: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        shares(plan(**load), 2)


def test_results_are_sent_in_parts() -> None:
    texts = {"requests.csv": "a,b\n" * 3, "quality.json": "{}"}
    assert unpacked(packed(texts)) == texts
    large = {"events.jsonl": "".join(chr(33 + number * number % 89 % 31) for number in range(PART_BYTES * 3))}
    assert unpacked(packed(large)) == large
    for parts in ([], packed(texts)[0][:-1:1], [b"no results"]):
        with pytest.raises((ValueError, TypeError)):
            unpacked(parts)  # type: ignore[arg-type]  # what a broken worker may send


def test_a_worker_that_sends_no_version_has_none() -> None:
    assert Hello.of(None).version == Hello.of({"host": "a"}).version == "no version"


def worker(number: int, start: float, *records: Any, **quality: Any) -> WorkerResult:
    """Its load began at a time, milliseconds of its clock."""
    return WorkerResult(number, f"host-{number}", round(start * MS), result(*records, **quality))


TWO = (
    worker(1, 5000, *(request(number, 5000 + 20 * number) for number in range(1, 6)), achieved=0.9),
    worker(
        2,
        90_000,
        *(request(number, 90_010 + 20 * number) for number in range(1, 5)),
        failed(5, 90_110),
        cpu_share=0.9,
        late_max_us=70.0,
    ),
)


def test_records_of_different_clocks_are_one_load(tmp_path: Path) -> None:
    found = merged(PLAN, TWO, 0.01)
    assert [one.number for one in found.records] == list(range(1, 11))
    assert [one.worker for one in found.records] == [1, 2] * 5
    assert [one.sent_ns // MS for one in found.records] == [20, 30, 40, 50, 60, 70, 80, 90, 100, 110]
    # Durations are those that were measured, and the window is that of both.
    assert LoadFigures.of(found).latencies("time to first token") == [100.0] * 9
    assert Throughput.of(found).window == pytest.approx(0.09)
    write_records(tmp_path / REQUESTS, found.records)
    assert list(contradictions(figures_of(found), tmp_path / REQUESTS)) == []


def test_what_did_not_happen_has_no_time() -> None:
    gone = request(1, 5000, first_byte_ns=0, first_token_ns=0, event_times_ns=())
    (one,) = merged(PLAN, [worker(1, 4000, gone)], 0.0).records
    assert (one.sent_ns, one.first_byte_ns, one.first_token_ns) == (1000 * MS, 0, 0)


def test_the_quality_of_each_worker_is_kept_and_the_worst_is_that_of_the_load() -> None:
    found = merged(PLAN, TWO, 0.01)
    assert [str(one) for one in found.workers] == ["worker 1 (host-1)", "worker 2 (host-2)"]
    assert found.workers[1].quality.cpu_share == found.quality.cpu_share == 0.9
    assert (found.quality.requested, found.quality.achieved) == (2.0, 1.9)
    assert found.quality.lag_p99_us == GOOD.lag_p99_us
    assert math.isnan(found.quality.machine.steal)
    text = "\n".join(lines(found))
    assert "2 workers, which began within 10 ms" in text
    assert "worker 2 (host-2): 1 user; 5 requests, 1 failed; " in text


def test_one_bad_worker_makes_the_load_invalid() -> None:
    (cpu,) = invalid_load_reasons(merged(PLAN, TWO, 0.01))
    assert cpu == "worker 2 (host-2) has used 90% of a core: it was the bottleneck"
    slow = replace(TWO[0].result, quality=replace(GOOD, achieved=0.5, clock_shift_us=5000.0))
    found = merged(PLAN, [replace(TWO[0], result=slow)], 3.0)
    assert list(invalid_load_reasons(found)) == [
        "the load of worker 1 (host-1) was 0.5 instead of 1",
        "the workers may have begun 3.0 s apart",
    ]
    assert "the wall clock moved by 5.0 ms during a request of worker 1 (host-1)" in list(
        invalid_latency_reasons(found, 10.0)
    )


def test_workers_with_the_same_arrivals_make_the_load_invalid() -> None:
    poisson = LoadPlan(URL, "m", rate=50.0, requests=1, arrivals="poisson", prompt_words=16, output_tokens=5)
    due = times(replace(poisson, rate=25.0, seed=5), 300)
    records = [request(number, time / MS) for number, time in enumerate(due, 1)]
    pair = [worker(number, 0, *records) for number in (1, 2)]
    (reason,) = invalid_load_reasons(merged(poisson, pair, 0.0))
    assert "no Poisson arrivals" in reason
    assert WorkerQuality(1, "h", "", GOOD) != WorkerQuality(2, "h", "", GOOD)


ANSWER = Schedule(ttft_us=5_000, itl_us=1_000, tokens=8)


def awaited(what: str, check: Any) -> None:
    wait_until(what, check, timeout=PATIENCE)


@pytest.mark.parametrize("load", [{"users": 2}, {"rate": 50.0}], ids=["closed", "open"])
def test_a_generator_begins_and_ends_when_it_is_told_to(
    synthetic_url: str, tmp_path: Path, load: dict[str, Any]
) -> None:
    whole = LoadPlan(synthetic_url, ANSWER.model, requests=4, output_tokens=8, timeout=PATIENCE, **load)
    with coordinated_generator(replace(whole, key="top-secret"), tmp_path) as generator:
        awaited("the generator", lambda: generator.ready)
        assert not generator.measured
        generator.begin()
        awaited("the start", lambda: generator.start_ns)
        start = generator.start_ns
        awaited("the measured requests", lambda: generator.measured)
        assert not generator.ended
        generator.release()
        awaited("the end", lambda: generator.ended)
        files = generator.files()
    found = read_result(whole, tmp_path)
    assert set(files) == {"requests.csv", "quality.json"}
    assert len(found.measured) == 4
    assert start is not None
    assert all(start <= one.scheduled_ns for one in found.records)
    # It has gone on until it was released: the last request was sent after the last measured one had ended.
    last = max(found.records, key=lambda one: one.sent_ns)
    assert last.phase is Phase.COOL_DOWN
    assert last.sent_ns >= max(one.end_ns for one in found.measured)
    assert not [file for file in tmp_path.iterdir() if b"top-secret" in file.read_bytes()]


def test_a_generator_that_is_left_alone_ends(synthetic_url: str, tmp_path: Path) -> None:
    whole = LoadPlan(synthetic_url, ANSWER.model, users=1, requests=1, output_tokens=8)
    with coordinated_generator(whole, tmp_path) as generator:
        awaited("the generator", lambda: generator.ready)
        generator.release()
        awaited("the end", lambda: generator.ended)
        with pytest.raises(LoadFailed, match="the standard input was closed before the load began"):
            generator.require_success()
