"""Sessions that are ended with the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.terminal.pty_session import TerminalSession
from tests.terminal.fakes import environment, words

Open = Callable[[str], TerminalSession]

if os.name == "nt":
    pytest.skip("there are no pseudo-terminals here", allow_module_level=True)


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    """Starts one of the programs of `fakes` in a terminal of 12 rows and 60 columns."""
    with ExitStack() as sessions:

        def start(program: str) -> TerminalSession:
            session = TerminalSession(
                words(program), env=environment(tmp_path), cwd=tmp_path, rows=12, columns=60
            )
            sessions.callback(session.stop)
            return session

        yield start
