"""A session: what a program prints until it waits for the next line, with each of its prompts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aider.session import AiderSession
from support.waiting import WaitTimeout
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
# Shows the prompt, and prints what a line stands for.
PROGRAM = r"""
import sys
answers = {
    "edit": "Applied edit to a.py\nCommit 1 feat: x",
    "quote": "> a line that begins as a prompt does\nend",
    "add": "Create new file? (Y)es/(N)o [Yes]: ",
}
prompt = sys.argv[1]
print("Aider v0", end="\n" + prompt, flush=True)
for line in sys.stdin:
    line = line.strip()
    if line == "leave":
        sys.exit()
    answer = answers.get(line, "unknown " + line)
    print(answer, end="" if answer.endswith(": ") else "\n" + prompt, flush=True)
"""


@pytest.fixture(params=["> ", "diff> ", "ask> "])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AiderSession]:
    env = {"PATH": os.environ["PATH"], "TERM": "dumb"}
    made = AiderSession([sys.executable, "-c", PROGRAM, request.param], env, tmp_path, PATIENCE, lambda: True)
    yield made
    made.terminal.stop()


def test_the_first_prompt_follows_what_is_printed_at_the_start(session: AiderSession) -> None:
    assert session.wait_for_prompt().startswith("Aider v0\n")


def test_a_turn_has_its_own_output_only(session: AiderSession) -> None:
    session.wait_for_prompt()
    assert "Applied edit to a.py\nCommit 1 feat: x\n" in session.enter("edit")
    second = session.enter("other")
    assert "unknown other\n" in second
    assert "Applied" not in second


def test_a_question_waits_for_its_answer(session: AiderSession) -> None:
    session.wait_for_prompt()
    assert session.enter("add").endswith("(Y)es/(N)o [Yes]: ")
    assert "unknown y" in session.enter("y")


def test_a_quoted_line_is_no_prompt(session: AiderSession) -> None:
    session.wait_for_prompt()
    assert "> a line that begins as a prompt does\nend\n" in session.enter("quote")


def test_a_program_that_has_ended_is_reported(session: AiderSession) -> None:
    session.wait_for_prompt()
    with pytest.raises(WaitTimeout, match="a prompt of Aider"):
        session.enter("leave")
