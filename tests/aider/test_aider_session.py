"""A session of Aider waits for a prompt, and not for a server that has died."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.aider.session import SERVER_DIED, AiderSession
from support.errors import CheckFailed
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a session needs a pty")
# Answers each line, and never the line `wait`.
PROGRAM = """
import time
while True:
    line = input("\\nwhole> ")
    print("answer to", line, flush=True)
    time.sleep(600 if line == "wait" else 0)
"""
Start = Callable[[Callable[[], bool]], AiderSession]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def begin(server_alive: Callable[[], bool]) -> AiderSession:
        command = [sys.executable, "-c", PROGRAM]
        started.append(AiderSession(command, dict(os.environ), tmp_path, PATIENCE, server_alive))
        return started[-1]

    yield begin
    for session in started:
        session.terminal.stop()


def test_what_comes_until_the_next_prompt_is_the_answer(start: Start) -> None:
    session = start(lambda: True)
    session.wait_for_prompt()
    assert "answer to one" in session.enter("one")
    assert "answer to two" in session.enter("two")


def test_a_server_that_has_died_ends_the_wait(start: Start) -> None:
    alive = [True]
    session = start(lambda: alive[0])
    session.wait_for_prompt()
    alive[0] = False
    with pytest.raises(CheckFailed, match=rf"^{SERVER_DIED}; Aider printed:"):
        session.enter("wait")
    assert session.terminal.alive
