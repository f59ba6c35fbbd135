"""A master and workers as processes: the same figures, and every way in which one of them fails.

Locust is optional: without it there is one line, and these tests are skipped.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from support.cli import main
from support.performance.distributed import locust_library
from support.performance.ground_truth.server import Schedule
from support.programs.launcher import free_port
from support.programs.process import run_command
from support.waiting import wait_until
from tests.performance.programs import ACCEPTANCE, Program
from tests.timeouts import PATIENCE

needs_locust = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None,
    reason="needs locust; `python3 tools/setup.py --group distributed` installs it",
)
ANSWER = Schedule(ttft_us=20_000, itl_us=5_000, tokens=8)
DISTRIBUTED = locust_library.__name__.rpartition(".")[0]
NAMESPACE = ("unshare", "--map-root-user", "--net")
# Of a load that goes on until a test ends it.
ENDLESS = ("--users", "2", "--seconds", "3000")


Start = Callable[..., Program]


def changed(module: str, name: str, value: str) -> tuple[str, ...]:
    """The command, in a process where a module of this package is otherwise."""
    *python, code = ACCEPTANCE
    return (*python, f"from {DISTRIBUTED} import {module}; {module}.{name} = {value}; {code}")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts programs, and ends those that have not ended."""
    with ExitStack() as cleanup:

        def begin(name: str, *words: str, before: tuple[str, ...] = ACCEPTANCE) -> Program:
            program = Program(tmp_path / f"{name}.log", *words, before=before)
            cleanup.callback(program.process.stop, grace=0)
            return program

        yield begin


def master(start: Start, url: str, *words: str, workers: int = 2) -> tuple[Program, str]:
    """Waiting for its workers, and where it listens."""
    target = ("--target", url, "--model", ANSWER.model, "--output-tokens", "8")
    program = start("master", "load", *target, "--workers", str(workers), *words)
    return program, program.printed(r"master: (127\.0\.0\.1:\d+); workers to come")[1]


def generators(program: Program) -> list[psutil.Process]:
    found = psutil.Process(program.process.pid).children(recursive=True)
    return [one for one in found if "support.performance.load" in one.cmdline()]


def during_a_load(start: Start, url: str) -> tuple[Program, Program, list[psutil.Process]]:
    """A master and its one worker while the load runs, and the generators of the worker."""
    program, address = master(start, url, *ENDLESS, workers=1)
    worker = start("worker", "load-worker", "--master", address)
    worker.printed("load 1")
    return program, worker, generators(worker)


@needs_locust
def test_two_workers_measure_what_the_server_states(synthetic_url: str, tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "found"
    folder.mkdir()
    program, address = master(
        *(start, synthetic_url, "--users", "1,4", "--requests", "12", "--folder", str(folder)),
        *("-D", "target_api_key=top-secret"),
    )
    # One of them sends its records in many parts.
    small = changed("messages", "PART_BYTES", "500")
    workers = [
        start(f"worker-{number}", "load-worker", "--master", address, before=command)
        for number, command in enumerate((ACCEPTANCE, small), 1)
    ]
    code, _ = program.ended()
    assert code == 0, program.output
    assert [worker.ended()[0] for worker in workers] == [0, 0]
    # One user is on one worker, four are on both.
    summaries = [json.loads(file.read_text()) for file in sorted(folder.glob("load-*/summary.json"))]
    by_users = {one["plan"]["users"]: one for one in summaries}
    assert [len(by_users[users]["workers"]) for users in (1, 4)] == [1, 2]
    four = by_users[4]
    assert (four["figures"]["requests"], four["contradictions"]) == (12, [])
    assert [one["load"] for one in four["workers"]] == ["2 users", "2 users"]
    (place,) = (
        file.parent for file in folder.glob("load-*/summary.json") if '"users": 4' in file.read_text()
    )
    with (place / "requests.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    measured = [row for row in rows if row["phase"] == "measured"]
    assert [sum(row["worker"] == number for row in measured) for number in "12"] == [6, 6]
    assert "2 workers, which began within" in (folder / "report.md").read_text()
    assert (place / "quality.json").exists()
    assert len(list(place.glob("worker-*/requests.csv"))) == 2
    # The key was sent to the workers, and is in no file.
    assert not [file for file in tmp_path.rglob("*.*") if b"top-secret" in file.read_bytes()]


@needs_locust
def test_a_worker_that_is_killed_makes_the_run_invalid(synthetic_url: str, start: Start) -> None:
    program, address = master(start, synthetic_url, *ENDLESS)
    first, second = (start(f"worker-{number}", "load-worker", "--master", address) for number in (1, 2))
    second.printed("load 1")
    first.printed("load 1")
    left = [*generators(first), *generators(second)]
    assert len(left) == 2
    second.process.send(signal.SIGKILL)
    code, line = program.ended()
    assert code == 4
    assert re.fullmatch(r"acceptance: worker [12] \(.+\) was lost; the run is invalid", line)
    code, line = first.ended()
    assert code == 4
    assert re.fullmatch(r"acceptance: the master has ended the run: worker . \(.+\) was lost; .*", line)
    assert not any(one.is_running() for one in left)


@needs_locust
def test_workers_end_without_their_master(synthetic_url: str, start: Start) -> None:
    program, address = master(start, synthetic_url, *ENDLESS, workers=1)
    soon = changed("worker", "MASTER_SECONDS", "8.0")
    worker = start("worker", "load-worker", "--master", address, before=soon)
    worker.printed("load 1")
    left = generators(worker)
    assert left
    program.process.send(signal.SIGKILL)
    assert worker.ended() == (4, "acceptance: the master has not answered for 8 s")
    assert not any(one.is_running() for one in left)


@needs_locust
def test_a_signal_ends_the_master_and_its_workers(synthetic_url: str, start: Start) -> None:
    program, worker, left = during_a_load(start, synthetic_url)
    program.process.send(signal.SIGINT)
    assert program.ended() == (130, "acceptance: interrupted")
    assert worker.ended() == (4, "acceptance: the master has ended the run: the master was ended")
    assert left
    assert not any(one.is_running() for one in left)


@needs_locust
def test_a_signal_ends_a_worker(synthetic_url: str, start: Start) -> None:
    program, worker, left = during_a_load(start, synthetic_url)
    worker.process.send(signal.SIGTERM)
    assert worker.ended() == (143, "acceptance: interrupted")
    code, line = program.ended()
    assert (code, line.endswith("was lost; the run is invalid")) == (4, True)
    assert left
    assert not any(one.is_running() for one in left)


@needs_locust
def test_a_worker_of_another_version_is_refused(synthetic_url: str, start: Start) -> None:
    program, address = master(start, synthetic_url, *ENDLESS, workers=1)
    other = changed("messages", "version", "lambda: 'that of yesterday'")
    worker = start("other", "load-worker", "--master", address, before=other)
    code, line = worker.ended()
    assert code == 2
    refused = "acceptance: the master does not take this worker: its version is that of yesterday, that of "
    assert line.startswith(refused)
    program.printed("refused: its version is that of yesterday")
    # The run waits for a worker of its own version.
    start("worker", "load-worker", "--master", address).printed("load 1")
    late = start("late", "load-worker", "--master", address)
    assert late.ended()[1].endswith("the run has all of its workers (1)")
    assert program.process.alive


@needs_locust
def test_workers_that_do_not_come(start: Start) -> None:
    program, address = master(start, "http://127.0.0.1:1", *ENDLESS, "--worker-wait", "0.2")
    code, line = program.ended()
    assert code == 4
    assert line == (
        "acceptance: 0 of 2 workers have connected within 0.2 s (none); start `acceptance load-worker "
        f"--master ADDRESS:{address.rpartition(':')[2]}` on each machine"
    )


@needs_locust
def test_a_generator_that_fails_is_named(start: Start) -> None:
    program, address = master(start, "https://127.0.0.1:1", "--users", "1", "--requests", "1", workers=1)
    bad = changed("generator", "ca_file", "lambda: '/no/file.pem'")
    worker = start("worker", "load-worker", "--master", address, before=bad)
    code, line = program.ended()
    assert code == 4
    assert re.match(r"acceptance: worker 1 \(.+\): the load ended with exit code 1: FileNotFoundError", line)
    code, line = worker.ended()
    assert code == 4
    assert line.startswith("acceptance: the master has ended the run: worker 1 ")


@needs_locust
def test_a_worker_may_be_there_before_its_master(synthetic_url: str, start: Start) -> None:
    address = f"127.0.0.1:{free_port()}"
    worker = start("worker", "load-worker", "--master", address)
    # Its connection is refused meanwhile, and tried again.
    wait_until(
        "an attempt to connect",
        lambda: psutil.Process(worker.process.pid).num_threads() > 1,
        timeout=PATIENCE,
        alive=lambda: worker.process.alive,
    )
    load = ("--users", "1", "--requests", "2", "--listen", address)
    program, where = master(start, synthetic_url, *load, workers=1)
    assert where == address
    assert (program.ended()[0], worker.ended()[0]) == (0, 0)


@needs_locust
def test_a_master_that_is_not_there() -> None:
    done = CliRunner().invoke(main, ["load-worker", "--master", f"127.0.0.1:{free_port()}", "--wait", "1"])
    assert done.exit_code == 4
    assert re.match(r"acceptance: no master has answered at 127.0.0.1:\d+ within 1 s; start", done.output)


@needs_locust
def test_an_address_that_cannot_be_used() -> None:
    words = ("--target", "http://127.0.0.1:1", "--model", "m", "--users", "1", "--requests", "1")
    for address, why in (
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("here", "give an address and a port"),
    ):
        done = CliRunner().invoke(main, ["load", *words, "--workers", "1", "--listen", address])
        assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
        assert why in done.output


def test_without_locust_there_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locust_library, "MODULE", "no_such_module")
    line = (
        "acceptance: a load from several machines needs no_such_module; `python3 tools/setup.py --group "
        "distributed` installs it\n"
    )
    words = ("--target", "http://127.0.0.1:1", "--model", "m", "--users", "1", "--requests", "1")
    for command in (["load", *words, "--workers", "2"], ["load-worker", "--master", "127.0.0.1:1"]):
        done = CliRunner().invoke(main, command)
        assert (done.exit_code, done.output) == (2, line)


def no_namespaces() -> str | None:
    """Why there are none for this user on this system; None where there are."""
    if sys.platform != "linux":
        return f"network namespaces are Linux's; this is {sys.platform}"
    if missing := [name for name in ("unshare", "ip") if shutil.which(name) is None]:
        return f"needs the program {missing[0]}"
    link = ("ip", "link", "add", "master1", "type", "veth", "peer", "name", "worker1")
    done = run_command([*NAMESPACE, *link], within=PATIENCE)
    return f"no network namespace: {done.stderr.strip()}" if done.exit_code else None


@needs_locust
def test_workers_in_network_namespaces_of_their_own(synthetic_url: str, tmp_path: Path, start: Start) -> None:
    """As on three machines: each worker has one link to the master, and no other network."""
    assert synthetic_url
    if reason := no_namespaces():
        pytest.skip(reason)
    words = (sys.executable, "-m", "tests.performance.in_namespaces", str(tmp_path))
    program = start("namespaces", before=(*NAMESPACE, *words))
    assert program.ended()[0] == 0, program.output
    found = json.loads(program.output)
    assert (found["code"], [code for code, _ in found["workers"]]) == (0, [0, 0]), found["output"]
    assert "12 measured requests" in found["output"]
    # A server that is not on loopback: the round trip of the network is known.
    assert "a TCP handshake takes" in found["output"]
    assert "worker 2 (" in found["output"]
