"""A start that is ready or explained: what was awaited, for how long, and the end of the log."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import launcher
from support.programs.launcher import (
    LaunchedProgram,
    LaunchFailure,
    WaitStrategy,
    free_port,
    http_ready,
    launch,
    launch_on_free_port,
    log_matches,
    port_open,
)
from support.waiting import wait_until
from tests.http.tiny_server import Reply, TinyServer, json_reply
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
LISTEN = (
    "import socket, signal, sys\n"
    "listener = socket.create_server(('127.0.0.1', 0))\n"
    "print('listening on', listener.getsockname()[1], flush=True)\n"
    "signal.pause()"
)
LISTENING = re.compile(r"listening on (\d+)")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def start(code: str, ready: WaitStrategy, timeout: float = PATIENCE, kind: str = "") -> LaunchedProgram:
    return launch(
        "the toy",
        [sys.executable, "-c", code],
        environment=lambda folder: {"HOME": str(folder)},
        ready=ready,
        timeout=timeout,
        kind=kind,
    )


def lacks(what: str) -> WaitStrategy:
    return lambda _program: what


def test_a_program_is_ready_when_its_log_matches_and_its_port_is_open(temporary: Path) -> None:
    program = start(LISTEN, log_matches(LISTENING))
    try:
        found = LISTENING.search(program.log)
        assert found is not None
        assert port_open(int(found[1]))(program) == ""
        assert "does not listen on port" in port_open(free_port())(program)
        assert program.alive and program.folder.parent == temporary
    finally:
        program.stop()
    assert not program.alive and not program.folder.exists()  # type: ignore[unreachable]  # it has ended


def test_a_foreign_process_on_the_port_does_not_count(serve: Serve) -> None:
    port = int(serve(json_reply({})).url.rpartition(":")[2])
    with pytest.raises(
        LaunchFailure, match=rf"not within 0.2 s; last seen: it does not listen on port {port}"
    ):
        start("import signal; signal.pause()", port_open(port), timeout=0.2)


def test_an_http_response_is_accepted_or_shown(serve: Serve) -> None:
    program: LaunchedProgram = object.__new__(LaunchedProgram)
    good = http_ready(serve(json_reply({})).url, "/health", lambda exchange: exchange.status == 200)
    assert good(program) == ""
    busy = serve(json_reply({"error": "loading"}, "503 Service Unavailable")).url
    assert "GET /health: 503" in http_ready(busy, "/health", lambda e: e.status == 200)(program)
    assert http_ready(f"http://127.0.0.1:{free_port()}", "/", lambda _: True)(program) != ""


def listens_after_its_first_line(program: LaunchedProgram) -> str:
    """The time limit counts from that line on: until it comes, the machine may take its time."""
    wait_until("its first line", lambda: "\n" in program.log, timeout=PATIENCE)
    return log_matches(LISTENING)(program)


@pytest.mark.parametrize(
    ("code", "words", "exit_code", "timeout"),
    [
        ("import sys; print('no room', flush=True); sys.exit(3)", "the process ended after", 3, PATIENCE),
        ("import signal; print('no room', flush=True); signal.pause()", "not within 0.3 s", -15, 0.3),
    ],
    ids=["ended", "silent"],
)
def test_a_failed_start_is_explained_and_leaves_nothing(
    code: str, words: str, exit_code: int, timeout: float, temporary: Path
) -> None:
    with pytest.raises(LaunchFailure) as caught:
        start(code, listens_after_its_first_line, timeout)
    text = str(caught.value)
    assert text.startswith("the toy ready to answer: ") and words in text
    assert "last seen: no 'listening on" in text
    assert f"(exit code {exit_code})" in text and text.endswith("no room")
    assert (caught.value.exit_code, caught.value.log) == (exit_code, "no room\n")
    assert not list(temporary.glob("acceptance-server-*"))


def test_a_program_that_cannot_be_executed_leaves_no_folder(temporary: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        launch(
            "the toy",
            [temporary / "missing"],
            environment=lambda _: {},
            ready=lacks(""),
            timeout=1.0,
        )
    assert not list(temporary.glob("acceptance-server-*"))


def test_another_port_is_tried_when_one_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([1, 2, 3, 4])
    monkeypatch.setattr(launcher, "free_port", lambda: next(ports))
    tried: list[int] = []

    def fail(log: str, until: int) -> Callable[[int], int]:
        def start(port: int) -> int:
            tried.append(port)
            if port < until:
                raise LaunchFailure("no", exit_code=1, log=log)
            return port

        return start

    assert launch_on_free_port(fail("address in use", 3), "in use") == 3
    with pytest.raises(LaunchFailure):
        launch_on_free_port(fail("out of memory", 9), "in use")
    assert tried == [1, 2, 3, 4]


def test_a_program_that_was_never_ready_twice_is_not_started_again(temporary: Path) -> None:
    for _ in range(2):
        with pytest.raises(LaunchFailure, match=r"not within 0\.3 s"):
            start("import signal; signal.pause()", lacks("a line"), timeout=0.3)
    with pytest.raises(LaunchFailure, match="was not started again: its last 2 starts never became ready"):
        start(LISTEN, log_matches(LISTENING))
    assert not any(temporary.iterdir())


def test_after_a_start_that_was_never_ready_one_that_does_nothing_is_ended_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with other models, once each; all of it has one cause."""
    monkeypatch.setattr(launcher, "IDLE_SECONDS", 0.2)
    causes = []
    for kind, limit in (("A", 0.5), ("A", PATIENCE), ("B", PATIENCE), ("C", PATIENCE)):
        with pytest.raises(LaunchFailure) as caught:
            start("import signal; signal.pause()", lacks("a line"), limit, kind)
        causes.append(caught.value.cause)
        assert ("not within 0.5 s" if limit == 0.5 else "s without CPU time, reading or output") in str(
            caught.value
        )
    for kind in "ABC":
        with pytest.raises(LaunchFailure, match=rf"the toy \({kind}\) was not started again") as caught:
            start(LISTEN, log_matches(LISTENING), kind=kind)
        causes.append(caught.value.cause)
    assert set(causes) == {"the toy does not become ready in time"}


@pytest.mark.parametrize(
    "work", ["print('loading', flush=True); time.sleep(0.1)", "sum(range(200_000))"], ids=["output", "CPU"]
)
def test_a_slow_start_after_one_that_was_never_ready_has_its_whole_time(
    monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    monkeypatch.setattr(launcher, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(launcher, "IDLE_CPU_SECONDS", 0.01)
    with pytest.raises(LaunchFailure):
        start("import signal; signal.pause()", lacks("a line"), timeout=0.3)
    loading = f"import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end:\n    {work}\n"
    start(f"{loading}\n{LISTEN}", log_matches(LISTENING)).stop()


def test_a_program_that_was_ready_once_is_not_given_up_with_other_models() -> None:
    start(LISTEN, log_matches(LISTENING), kind="A").stop()
    for kind in "BC":
        with pytest.raises(LaunchFailure) as caught:
            start("import signal; signal.pause()", lacks("a line"), 0.3, kind)
        assert caught.value.cause == f"the toy ({kind}) does not become ready in time"
        start(LISTEN, log_matches(LISTENING), kind=kind).stop()


def test_a_program_that_ends_at_once_is_started_again() -> None:
    for _ in range(2):
        with pytest.raises(LaunchFailure, match="exit code 3"):
            start("raise SystemExit(3)", lacks("a line"))
    start(LISTEN, log_matches(LISTENING)).stop()


def test_a_start_that_was_ready_is_a_new_beginning() -> None:
    for code, ready in (
        ("import signal; signal.pause()", lacks("a line")),
        (LISTEN, log_matches(LISTENING)),
    ) * 2:
        if code == LISTEN:
            start(code, ready).stop()
        else:
            with pytest.raises(LaunchFailure):
                start(code, ready, timeout=0.3)
