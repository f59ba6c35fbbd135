"""Starting the server under test: ready, refused, hung, interrupted, and never anything left behind."""

from __future__ import annotations

import re
import socket
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import launcher
from support.programs.launcher import LaunchedProgram
from support.servers import mistralrs
from support.servers.discovery import CommandTarget
from support.servers.mistralrs import StartFailure, hint_for, start_server, try_start
from support.waiting import wait_until
from tests.http.tiny_server import TinyServer, json_reply
from tests.programs.vanishing import is_gone
from tests.servers.stand_in_programs import MODEL, Programs
from tests.timeouts import PATIENCE

HANG = "signal.pause()"


def failure_of(programs: Programs, target: CommandTarget, **how: object) -> StartFailure:
    with pytest.raises(StartFailure) as caught:
        start_server(target, MODEL, programs.settings(), **how)  # type: ignore[arg-type]
    return caught.value


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistralrs, "READY_SECONDS", 0.4)
    monkeypatch.setattr(launcher, "REQUEST_SECONDS", 0.2)


# -- ready


def test_a_started_server_answers_lives_and_tells(programs: Programs) -> None:
    started = start_server(programs.server(), MODEL, programs.settings(test_batch_size=5))
    try:
        assert started.alive
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", started.url)
        port = started.url.rpartition(":")[2]
        said = f"serve --host 127.0.0.1 --port {port} --max-seqs 5 -m /models/toy --format gguf -f toy.gguf"
        assert started.log.splitlines() == [said, "listening"]
        assert started.resident_memory() > 1_000_000
    finally:
        started.stop()
    assert not started.alive
    assert started.resident_memory() == 0  # type: ignore[unreachable]  # the property changes


def test_two_servers_have_two_ports(programs: Programs) -> None:
    target, settings = programs.server(), programs.settings()
    servers = [start_server(target, MODEL, settings) for _ in range(2)]
    assert servers[0].url != servers[1].url
    for each in servers:
        each.stop()


def test_the_port_that_was_asked_for_is_used(programs: Programs) -> None:
    port = launcher.free_port()
    started = start_server(programs.server(), MODEL, programs.settings(test_port=port))
    assert started.url.endswith(f":{port}")
    started.stop()


def test_the_server_gets_the_log_filter_and_a_home_of_its_own(programs: Programs) -> None:
    body = "print(os.environ['RUST_LOG'], os.environ['EXTRA'], os.environ['HOME'], os.getcwd()); serve()"
    started = start_server(
        programs.server(body), MODEL, programs.settings(rust_log="debug"), environment={"EXTRA": "more"}
    )
    home = str(started.folder)
    assert started.log.splitlines()[1] == f"debug more {home} {home}"
    started.stop()


def test_stopping_ends_grandchildren_too_and_removes_the_folder(programs: Programs) -> None:
    started = start_server(programs.server("child(); serve()"), MODEL, programs.settings())
    assert len(programs.pids) == 2
    assert not any(is_gone(pid) for pid in programs.pids)
    started.stop()
    assert all(map(is_gone, programs.pids))
    assert not started.folder.exists()
    started.stop()


def test_stopping_ends_a_server_that_ignores_the_request(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.programs.process.TERMINATE_SECONDS", 0.1)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"
    started = start_server(programs.server(body), MODEL, programs.settings())
    assert started.process.stop(grace=0.1) == -9
    started.stop()


def test_what_a_dead_server_left_in_the_background_is_ended(programs: Programs) -> None:
    started = start_server(programs.server("child(); serve()"), MODEL, programs.settings())
    started.process.send(9)
    wait_until("the server is dead", lambda: not started.alive, timeout=PATIENCE)
    started.stop()
    programs.check_nothing_left()


# -- refused

# One row per remedy: what a program said, and words of the advice.
KNOWN = {
    "Error: Address already in use (os error 98)": "the port is in use: leave TEST_PORT out",
    "memory allocation of 1099511627776 bytes failed": "out of memory: take a smaller",
    "Error: DriverError(CUDA_ERROR_NO_DEVICE, no CUDA-capable device)": "a CUDA error: check the driver",
    "Error: Missing required props `tokenizer.ggml.model`": "the tokenizer is missing",
    "Error: File `x.gguf` not found in local model directory": "check TEST_MODEL_PATH and TEST_MODEL_FILE",
    "Error: Failed to access `org/model`": "give a folder that exists",
    "Error: Invalid GGUF magic: 0x1234": "the model file is damaged or of another format",
    "error: unexpected argument '--max-seqs' found": "check that MISTRALRS_BIN is a mistral.rs program",
}


@pytest.mark.parametrize(("line", "advice"), KNOWN.items())
def test_a_known_failure_shows_its_remedy_under_the_end_of_the_log(
    programs: Programs, line: str, advice: str
) -> None:
    body = f"[print('line', n) for n in range(30)]; print({line!r}, file=sys.stderr); sys.exit(1)"
    failure = failure_of(programs, programs.server(body), port=launcher.free_port())
    text = str(failure)
    assert "mistralrs 0.8.1 ready to answer: the process ended" in text
    assert failure.exit_code == 1
    assert "(exit code 1)" in text
    assert line in text
    assert "line 29\n" in text
    assert "line 3\n" not in text, "the log is shown from its beginning"
    assert "line 3\n" in failure.log
    assert f"What to do: {hint_for(line)}." in text
    assert advice in text


def test_every_remedy_has_an_example_here() -> None:
    rows = tomllib.loads(mistralrs.HINTS.read_text())["remedy"]
    assert {row["advice"] for row in rows} == {hint_for(line) for line in KNOWN}


@pytest.mark.parametrize(
    "log",
    [
        "",
        "Error: something nobody has seen before",
        "2026-01-01T00:00:00.000000Z  INFO mistralrs: tokenizer.json not found, using the one of the model",
    ],
)
def test_no_remedy_is_made_up(log: str) -> None:
    assert hint_for(log) is None


def test_an_unknown_failure_shows_the_log_without_a_remedy(programs: Programs) -> None:
    failure = failure_of(programs, programs.server("sys.exit('Error: odd')"))
    assert "Error: odd" in str(failure)
    assert "What to do" not in str(failure)
    assert len(programs.pids) == 1, "it was started again"


def test_a_server_that_is_killed_without_a_word_is_told(programs: Programs) -> None:
    target = CommandTarget(programs.shell("kill -9 $$"), "mistralrs", "0.8.1", "a test")
    failure = failure_of(programs, target)
    assert failure.exit_code == -9
    assert "(it wrote nothing)" in str(failure)


def test_a_program_that_vanished_leaves_no_folder(programs: Programs) -> None:
    target = programs.server()
    target.path.unlink()
    with pytest.raises(OSError, match="No such file"):
        start_server(target, MODEL, programs.settings())


def test_a_refusal_is_an_answer_of_an_attempt(programs: Programs) -> None:
    refused = try_start(lambda: start_server(programs.server("sys.exit(1)"), MODEL, programs.settings()))
    assert refused.server is None
    assert refused.failure is not None
    assert refused.failure.exit_code == 1
    assert 0 < refused.seconds < PATIENCE
    made = try_start(lambda: start_server(programs.server(), MODEL, programs.settings()))
    assert made.failure is None
    assert isinstance(made.server, LaunchedProgram)
    made.server.stop()


# -- never ready


@pytest.mark.parametrize(
    "body",
    [
        HANG,
        "child(); signal.pause()",
        "serve('503 Service Unavailable')",
        "listener = socket.create_server(('127.0.0.1', asked)); signal.pause()",
        "serve(port=0)",
    ],
    ids=["no port", "with a child", "unhealthy", "mute", "another port"],
)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_gets_ready_is_ended_in_time(programs: Programs, body: str) -> None:
    started = time.monotonic()
    failure = failure_of(programs, programs.server(body))
    assert time.monotonic() - started < PATIENCE / 2
    assert "ready to answer: not within 0.4 s" in str(failure)
    assert failure.exit_code == -15
    programs.check_nothing_left()


@pytest.mark.usefixtures("impatient")
def test_a_stranger_on_the_port_is_not_taken_for_ours(programs: Programs) -> None:
    stranger = TinyServer(json_reply({}))
    try:
        port = int(stranger.url.rpartition(":")[2])
        failure = failure_of(programs, programs.server(HANG), port=port)
    finally:
        stranger.close()
    assert "not within 0.4 s" in str(failure)
    assert not any(stranger.requests), "a request was sent to another process"


# -- ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        yield blocker.getsockname()[1]


def test_a_port_that_was_taken_meanwhile_is_replaced(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    ports = iter([taken, launcher.free_port()])
    monkeypatch.setattr(launcher, "free_port", lambda: next(ports))
    started = start_server(programs.server(), MODEL, programs.settings())
    assert not started.url.endswith(f":{taken}")
    assert len(programs.pids) == 2
    started.stop()


def test_after_three_taken_ports_the_start_fails(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    monkeypatch.setattr(launcher, "free_port", lambda: taken)
    assert "the port is in use" in str(failure_of(programs, programs.server()))
    assert len(programs.pids) == 3


def test_a_port_that_was_asked_for_is_never_replaced(programs: Programs, taken: int) -> None:
    with pytest.raises(StartFailure, match="the port is in use"):
        start_server(programs.server(), MODEL, programs.settings(test_port=taken))
    assert len(programs.pids) == 1


# -- interrupted


def test_an_interrupted_start_leaves_neither_process_nor_folder(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        wait_until("the child runs", lambda: len(programs.pids) == 2, timeout=PATIENCE)
        assert len(list(Path(programs.folder / "temporary").iterdir())) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "wait_until", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start_server(programs.server("child(); signal.pause()"), MODEL, programs.settings())
    programs.check_nothing_left()
