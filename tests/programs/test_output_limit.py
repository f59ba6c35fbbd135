"""A program that prints without end costs neither the memory nor the disk of the machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from support.programs import output_limit
from support.programs.launcher import LaunchedProgram
from support.programs.output_limit import KEPT_START, LEFT_OUT, LIMIT, OUTPUT_LIMITS, read_output
from support.programs.process import ManagedProcess, OutputTooLong, run_command
from support.waiting import wait_until
from tests.timeouts import PATIENCE

ENDLESS = "import sys\nprint('first', flush=True)\nwhile True: sys.stdout.write('x' * 65536 + '\\n')"


def test_a_command_that_prints_without_end_is_ended() -> None:
    with pytest.raises(OutputTooLong, match=r"was ended: it had printed more than 32 MB; it had printed: "):
        run_command([sys.executable, "-c", ENDLESS], within=PATIENCE)


def test_of_a_log_the_start_and_the_end_are_kept_and_the_program_goes_on(tmp_path: Path) -> None:
    log, go, last, done = (tmp_path / name for name in ("server.log", "go", "last", "done"))
    script = (
        "import pathlib, sys, time\n"
        "print('first', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        f"for _ in range({LIMIT} // 65536 + 20): sys.stdout.write('x' * 65535 + '\\n')\n"
        "sys.stdout.flush()\n"
        f"while not pathlib.Path({str(last)!r}).exists(): time.sleep(0.01)\n"
        "print('last', flush=True)\n"
        f"pathlib.Path({str(done)!r}).touch()\n"
        "time.sleep(60)"
    )
    started = ManagedProcess([sys.executable, "-c", script], stdout=log)
    program = LaunchedProgram(started, tmp_path, log)
    try:
        wait_until("its first line", lambda: "first" in program.log, timeout=PATIENCE)
        position = program.log_position
        go.touch()
        wait_until("a shorter log", lambda: OUTPUT_LIMITS.times_shortened(log) > 0, timeout=PATIENCE)
        last.touch()
        wait_until("its end", done.exists, timeout=PATIENCE)
        OUTPUT_LIMITS.check()
        assert log.stat().st_size < LIMIT
        assert started.alive
        text = program.log
        assert text.startswith("first\n")
        assert text.endswith("last\n")
        assert text.index(LEFT_OUT) == KEPT_START
        since = program.log_since(position)
        assert since.startswith(LEFT_OUT)
        assert since.endswith("last\n")
    finally:
        started.stop(grace=0)


def test_a_file_that_was_not_shortened_yet_is_read_in_part(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"first" + b"x" * LIMIT + b"last")
    text = read_output(file)
    assert len(text) == KEPT_START + len(LEFT_OUT) + output_limit.KEPT_END
    assert text.startswith("first")
    assert text.endswith("last")


def test_what_is_written_while_the_end_is_read_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"first" + b"x" * LIMIT)
    read_end = output_limit.read_end

    def written_meanwhile(stream: BinaryIO) -> bytes:
        end = read_end(stream)
        with file.open("ab") as program:
            program.write(b"the reason of its end")
        return end

    monkeypatch.setattr(output_limit, "read_end", written_meanwhile)
    output_limit.shorten(file)
    text = file.read_bytes()
    assert len(text) == KEPT_START + len(LEFT_OUT) + output_limit.KEPT_END
    assert text.endswith(b"xthe reason of its end")


def test_a_file_that_is_removed_meanwhile_is_not_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is being removed would get a new file, and could not be removed."""
    file = tmp_path / "log"
    file.write_bytes(b"x" * (LIMIT + 1))

    class Kept:
        def __index__(self) -> int:
            file.unlink()
            return KEPT_START

    monkeypatch.setattr(output_limit, "KEPT_START", Kept())
    limits = output_limit.OutputLimits()
    limits.watch(file)
    wait_until("its removal", lambda: not file.exists(), timeout=PATIENCE)
    limits.check()
    assert list(tmp_path.iterdir()) == []
