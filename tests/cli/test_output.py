"""Commands whose output nobody can write: a full disk is an error, an ended reader is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.errors import EXIT_HARNESS
from tests.timeouts import PATIENCE

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")


def ended(words: str, output: int) -> tuple[int, str]:
    """Exit code and standard error of a command with this standard output."""
    command = [sys.executable, "-c", "from support.cli import main; main()", *words.split()]
    done = subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stderr


@needs_full
@pytest.mark.parametrize("words", ["rules", "settings", "--help", "run --help"])
def test_output_that_cannot_be_written_is_one_line(words: str) -> None:
    with FULL.open("w") as full:
        code, line = ended(words, full.fileno())
    assert code == EXIT_HARNESS
    assert line == "acceptance: the output cannot be written (no space left on device); it is not complete\n"


@pytest.mark.parametrize("words", ["rules", "--help"])
def test_a_reader_that_has_ended_is_no_error(words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert ended(words, writer) == (0, "")
    finally:
        os.close(writer)
