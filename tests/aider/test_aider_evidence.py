"""What a run of Aider leaves in the report is short, whole enough to be read, and without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.aider.evidence import (
    CHANGE_CHARACTERS,
    KEPT,
    OUTPUT_CHARACTERS,
    Turn,
    change_evidence,
    run_evidence,
    shortened_middle,
    turn_evidence,
)
from support.aider.project import Project, ProjectSource
from support.aider.run import AiderRun
from support.aider.traffic import aider_requests
from support.http.exchange import NO_STATUS, Exchange
from support.models.script import Row, Script
from support.programs.process import run_command
from support.results.redaction import Redactor, set_redactor

SERVER = "openai/default at http://127.0.0.1:1"


def exchange(status: int = 200, usage: str = "") -> Exchange:
    body = b'{"messages": [{"role": "system", "content": "Act as an expert"}]}'
    url = "http://127.0.0.1:1/v1/chat/completions"
    return Exchange("POST", url, {}, body, status, {}, usage.encode(), 0.25)


def run(output: str, *exchanges: Exchange, code: int | None = 0) -> AiderRun:
    return AiderRun(
        output, code, tuple(aider_requests(exchanges)), (), 1.5, "$ aider --message 'Correct it'", SERVER
    )


def project(tmp_path: Path, content: str = "a = 1\n") -> Project:
    source = ProjectSource("small", {"a.py": content}, Script((Row("keyword", "Yes."),), "No."))
    return Project(source, tmp_path / "project", tmp_path / "home")


def test_a_run_is_shown_with_its_command_requests_and_output() -> None:
    usage = '{"usage": {"prompt_tokens": 812, "completion_tokens": 57}}'
    text = run_evidence([run("Applied edit to a.py", exchange(200, usage))]).data.decode()
    assert text == (
        "$ aider --message 'Correct it'\n"
        "[exit 0 after 1.50 s]\n"
        "--- 1 request\n"
        "edit: status 200, tokens: prompt 812, answer 57, 0.25 s\n"
        "--- output\n"
        "Applied edit to a.py\n"
    )


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ("tokens: prompt 9, answer 4", exchange(200, '{"prompt_eval_count": 9, "eval_count": 4}')),
        ("status 500, tokens: prompt ?, answer ?", exchange(500)),
        ("no response, tokens: prompt ?, answer ?", exchange(NO_STATUS)),
    ],
)
def test_a_request_is_shown_with_its_status_and_tokens(shown: str, sent: Exchange) -> None:
    assert shown in run_evidence([run("", sent)]).data.decode()


def test_a_turn_of_a_session_has_no_exit_code() -> None:
    assert "\n[after 1.50 s]\n" in run_evidence([run("", code=None)]).data.decode()


def test_each_turn_has_its_seconds_and_the_memory_where_it_is_known() -> None:
    found = turn_evidence([Turn(0.5, 12_300_000), Turn(0.25, 0)])
    assert found.data.decode() == "turn,seconds,memory_mb\n1,0.500,12.3\n2,0.250,\n"


def test_many_runs_and_long_outputs_are_shortened() -> None:
    runs = [run(f"{number}" + 10 * OUTPUT_CHARACTERS * "x", *30 * [exchange()]) for number in range(50)]
    text = run_evidence(runs).data.decode()
    assert len(text) < 2 * KEPT * (OUTPUT_CHARACTERS + 3000)
    assert "[... 30 runs left out ...]" in text
    assert "[... 10 requests left out ...]" in text
    assert "characters left out" in text


def test_the_start_and_the_end_of_a_text_are_kept() -> None:
    assert shortened_middle("abcdef", 4) == "ab\n[... 2 characters left out ...]\nef"
    assert shortened_middle("abcd", 4) == "abcd"


def test_a_secret_in_an_output_is_redacted() -> None:
    set_redactor(Redactor(["hunter2-hunter2"]))
    try:
        assert "hunter2" not in run_evidence([run("key: hunter2-hunter2")]).data.decode()
    finally:
        set_redactor(Redactor())


def test_commits_and_other_changes_are_shown(tmp_path: Path) -> None:
    edited = project(tmp_path)
    assert change_evidence(edited).data == b"(no change)\n"
    edited.write("a.py", "a = 2\n")
    uncommitted = change_evidence(edited).data.decode()
    assert uncommitted.startswith("not committed:\n\ndiff --git a/a.py b/a.py")
    commit = ["git", "commit", "--quiet", "--all", "--message", "Change a"]
    assert run_command(commit, within=30.0, env=edited.environment, cwd=edited.folder).exit_code == 0
    committed = change_evidence(edited).data.decode()
    assert committed.startswith("commit: Change a\n")
    assert "\n-a = 1\n+a = 2\n" in committed
    assert "not committed" not in committed


def test_a_long_change_is_shortened(tmp_path: Path) -> None:
    edited = project(tmp_path)
    edited.write("b.txt", "line\n" * CHANGE_CHARACTERS)
    assert len(change_evidence(edited).data) < CHANGE_CHARACTERS + 100


def test_a_repository_that_git_cannot_read_fails_no_scenario(tmp_path: Path) -> None:
    broken = project(tmp_path)
    (broken.folder / ".git" / "HEAD").unlink()
    assert change_evidence(broken).data.startswith(b"(git failed: ")
