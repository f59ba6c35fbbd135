"""Faults in the process of the suite: no room for files, a clock that is set; and an end in order."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from support.errors import EXIT_HARNESS
from support.fault_injection.suite_process import ProcessFault, SuiteProcess
from support.monitoring.webhook import WebhookReceiver
from support.waiting import wait_until
from tests.timeouts import PATIENCE

NOTHING = ProcessFault()


def run(folder: Path, main: Callable[[Sequence[str]], object], fault: ProcessFault = NOTHING) -> SuiteProcess:
    return SuiteProcess(main, [str(folder / "file")], folder / "output.txt", {}, fault)


def ended(process: SuiteProcess) -> int:
    wait_until("the end of the process", lambda: not process.alive, timeout=PATIENCE)
    return process.stop()


def test_a_file_that_becomes_too_long_is_an_error(tmp_path: Path) -> None:
    def write(words: Sequence[str]) -> NoReturn:
        try:
            Path(words[-1]).write_bytes(bytes(5000))
        except OSError as error:
            sys.exit(error.strerror == "File too large")
        sys.exit(2)

    assert ended(run(tmp_path, write, ProcessFault(file_bytes=4000))) == 1
    assert (tmp_path / "file").stat().st_size == 4000


def test_the_clock_is_set_ahead_in_steps_and_only_there(tmp_path: Path) -> None:
    def read(_: Sequence[str]) -> NoReturn:
        before = time.time()
        wait_until("a step", lambda: time.time() - before > 3600, timeout=PATIENCE)
        sys.exit(7)

    assert ended(run(tmp_path, read, ProcessFault(clock_step=3600))) == 7
    assert time.time.__module__ == "time"


def test_the_webhook_of_the_suite_has_another_port_there(tmp_path: Path) -> None:
    def read(_: Sequence[str]) -> NoReturn:
        with closing(WebhookReceiver()) as webhook:
            sys.exit(webhook.url == "http://127.0.0.1:9/")

    assert ended(run(tmp_path, read, ProcessFault(webhook_port=9))) == 1
    assert ended(run(tmp_path, read)) == 0


def test_an_unexpected_error_is_one_of_the_harness_with_its_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Sequence[str]) -> NoReturn:
        raise LookupError("no such thing")

    with capsys.disabled():
        assert ended(run(tmp_path, fail)) == EXIT_HARNESS
    assert "LookupError: no such thing" in (tmp_path / "output.txt").read_text()


def test_an_output_that_cannot_be_written_is_an_error_of_the_harness(tmp_path: Path) -> None:
    def succeed(_: Sequence[str]) -> NoReturn:
        sys.exit(0)

    (tmp_path / "output.txt").mkdir()
    assert ended(run(tmp_path, succeed)) == EXIT_HARNESS


def test_an_interruption_lets_it_end_in_order(tmp_path: Path) -> None:
    def wait(words: Sequence[str]) -> NoReturn:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            Path(words[-1]).touch()
            signal.pause()
        except KeyboardInterrupt:
            sys.exit(3)
        sys.exit(4)

    process = run(tmp_path, wait)
    wait_until("its start", (tmp_path / "file").exists, timeout=PATIENCE)
    process.interrupt()
    assert ended(process) == 3
