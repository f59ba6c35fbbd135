"""The checks of Aider's runs and projects fail when what they require is not so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.aider.project import (
    Project,
    ProjectSource,
    public_functions_without_docstring,
    syntax_without_docstrings,
)
from support.aider.run import AiderRun, require_local, require_requests, require_traffic, require_waits
from support.aider.traffic import COMMENT, COMMIT, EDIT, SUMMARY, THINKING, AiderRequest, aider_requests
from support.errors import AcceptanceError, CheckFailed, NotSupported
from support.http.exchange import Exchange

SERVER = "openai/default at http://127.0.0.1:1"

SYSTEM = {
    EDIT: "Act as an expert software developer.",
    COMMIT: "You are an expert software engineer that generates concise, one-line Git commit messages.",
    SUMMARY: "*Briefly* summarize this partial conversation about programming.",
}


def exchange(kind: str = EDIT, path: str = "/v1/chat/completions", **fields: object) -> Exchange:
    messages = [{"role": "system", "content": SYSTEM[kind]}, {"role": "user", "content": "Correct it"}]
    body = json.dumps({"model": "default", "messages": messages, **fields}).encode()
    return Exchange("POST", f"http://127.0.0.1:1{path}", {}, body, 200, {}, b"", 0.1)


def run(output: str = "", *kinds: str, code: int | None = 0, connections: tuple[str, ...] = ()) -> AiderRun:
    requests = tuple(aider_requests([exchange(kind, temperature=0) for kind in kinds]))
    return AiderRun(output, code, requests, connections, 1.0, "$ aider", SERVER)


def found(requests: list[AiderRequest]) -> list[str]:
    return [request.kind for request in requests]


@pytest.mark.parametrize("kind", SYSTEM)
def test_a_request_has_the_kind_of_its_system_message(kind: str) -> None:
    assert found(aider_requests([exchange(kind)])) == [kind]


@pytest.mark.parametrize(("path", "number"), [("/api/chat", 1), ("/api/show", 0), ("/v1/models", 0)])
def test_requests_for_answers_are_those_of_the_chat_paths(path: str, number: int) -> None:
    assert len(aider_requests([exchange(path=path)])) == number


@pytest.mark.parametrize(
    "output",
    [
        "The chat session has hit a token limit!",
        "litellm.APIConnectionError: closed",
        "Retrying in 0.2 seconds...",
        "Empty response received from LLM",
        "The LLM did not conform to the edit format.",
        "1 SEARCH/REPLACE block failed to match!",
        "Only 3 reflections allowed, stopping.",
        "Failed to generate commit message!",
    ],
)
def test_a_printed_failure_is_none_of_a_success(output: str) -> None:
    with pytest.raises(CheckFailed, match=f"^the run with {SERVER} failed"):
        run(output).require_success()


def test_an_exit_code_is_none_of_a_success() -> None:
    run("Applied edit to a.py").require_success()
    with pytest.raises(CheckFailed, match="exit code 1"):
        run(code=1).require_success()
    with pytest.raises(CheckFailed, match="exit code 0 instead of 2"):
        run().require_end(2)


def test_an_output_that_is_missing_is_named() -> None:
    with pytest.raises(CheckFailed, match="did not print 'there'"):
        run("here").require_output(["here", "there"])


@pytest.mark.parametrize(
    "line", ["example.org 443", "93.184.216.34 443", "127.0.0.1 9", "pypi.org None", "2001:db8::1 80"]
)
def test_a_connection_to_another_machine_fails_also_by_the_closed_proxy(line: str) -> None:
    require_local(["127.0.0.1 40000", "::1 40000", "localhost 11434"])
    with pytest.raises(CheckFailed, match="connects to other machines"):
        run(connections=("127.0.0.1 40000", line)).require_local()


@pytest.mark.parametrize("kinds", [(), (EDIT,), (EDIT, EDIT, EDIT), (COMMIT, COMMIT)])
def test_another_number_of_requests_fails(kinds: tuple[str, ...]) -> None:
    require_requests([run("", EDIT, COMMIT), run("", EDIT)], 2, EDIT)
    with pytest.raises(
        CheckFailed, match=f"expected 2 requests of the kind 'edit', found {kinds.count(EDIT)}"
    ):
        require_requests([run("", *kinds), run()], 2, EDIT)


def test_a_request_of_an_early_turn_counts() -> None:
    with pytest.raises(CheckFailed, match="found 2"):
        require_requests([run("", EDIT), run("", EDIT)], 1, EDIT)


def streamed(body: bytes) -> AiderRun:
    requests = aider_requests([replace(exchange(), body=body)])
    return AiderRun("", 0, tuple(requests), (), 1.0, "", SERVER)


def test_comments_before_the_answer_count() -> None:
    stream = b":\n\n:\n\n: more\n\ndata: {}\n\n:\n\ndata: [DONE]\n\n"
    require_traffic([streamed(stream)], 3, COMMENT)
    with pytest.raises(NotSupported, match=r"needs a prefill of 4 comments; .* has sent 3:"):
        require_traffic([streamed(stream)], 4, COMMENT)
    with pytest.raises(CheckFailed, match="expected 1 request of the kind 'edit', found 2"):
        require_traffic([streamed(stream), streamed(stream)], 3, COMMENT)
    require_traffic([streamed(stream)], 1, EDIT)


def test_thinking_in_a_field_of_its_own_counts_where_it_has_a_text() -> None:
    lines = [{"message": {"content": "", "thinking": text}} for text in ("Perhaps", " this", "")]
    stream = b"".join(
        json.dumps(line).encode() + b"\n" for line in [*lines, {"message": {"content": "thinking"}}]
    )
    require_traffic([streamed(stream)], 2, THINKING)
    for body, found in ((stream, 2), (b'{"message": {"content": "<think>Perhaps</think>"}}\n', 0)):
        with pytest.raises(CheckFailed, match=f"expected 3 pieces of thinking or more, found {found}"):
            require_traffic([streamed(body)], 3, THINKING)


def test_the_text_of_the_last_request_is_compared() -> None:
    done = run("", EDIT)
    done.require_received("Correct it", expected=True)
    done.require_received("tulip", expected=False)
    for text, expected in (("tulip", True), ("Correct it", False)):
        with pytest.raises(CheckFailed, match="the last request contains"):
            done.require_received(text, expected=expected)
    with pytest.raises(CheckFailed, match="no request was sent"):
        run().require_received("tulip", expected=False)


def test_a_field_that_differs_or_has_no_request_fails() -> None:
    run("", EDIT).require_fields(EDIT, {"temperature": 0})
    with pytest.raises(CheckFailed, match="temperature = 0 instead of 1"):
        run("", EDIT).require_fields(EDIT, {"temperature": 1})
    with pytest.raises(CheckFailed, match="seed = None instead of 7"):
        run("", EDIT).require_fields(EDIT, {"seed": 7})
    with pytest.raises(CheckFailed, match="no request"):
        run("", COMMIT).require_fields(EDIT, {"temperature": 0})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(ProjectSource.load("museum"), tmp_path / "project", tmp_path / "home")


def test_a_new_project_is_unchanged_and_its_tests_pass(project: Project) -> None:
    assert (project.changed_files, project.uncommitted, project.commits) == ([], [], [])
    project.require_tests(["test_museum"])


@pytest.mark.parametrize(
    ("test", "error"),
    [
        ("self.assertEqual(33.0, 32.0)", "AssertionError: 33.0 != 32.0"),
        ("self.assertEqual(1, 1, undefined)", "NameError: name 'undefined' is not defined"),
        ("self.skipTest(", "SyntaxError: '(' was never closed"),
        (None, "no test was run"),
    ],
)
def test_the_first_line_of_failing_tests_is_their_first_error(
    project: Project, test: str | None, error: str
) -> None:
    head = "import unittest\n\nclass Tests(unittest.TestCase):\n"
    body = "    pass\n" if test is None else f"    def test_one(self):\n        {test}\n"
    project.write("test_new.py", head + body)
    with pytest.raises(CheckFailed, match="tests of the project fail") as caught:
        project.require_tests(["test_new"])
    first, second, *_ = str(caught.value).splitlines()
    assert first == f"the tests of the project fail: {error}"
    assert second.startswith("$ ")


def test_a_git_command_that_fails_has_its_error_in_the_first_line(project: Project) -> None:
    (project.folder / ".git" / "HEAD").unlink()
    with pytest.raises(CheckFailed, match=r"^git status fails: fatal: not a git repository"):
        assert project.uncommitted


def test_a_project_that_git_cannot_make_is_no_failure_of_aider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\necho fatal: index.lock exists >&2\nexit 128\n", encoding="utf-8")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AcceptanceError, match=r"cannot be made: git init fails: fatal: index.lock exists"):
        Project(ProjectSource.load("archive"), tmp_path / "work", tmp_path / "home")


def test_changes_are_seen_without_a_commit_and_files_of_the_chat_are_none(project: Project) -> None:
    project.write("museum.py", "x = 1\n")
    project.write("new.py", "y = 2\n")
    project.write(".aider.chat.history.md", "text")
    assert project.changed_files == ["museum.py", "new.py"]
    assert len(project.uncommitted) == 2
    assert project.run_tests(["test_museum"]).exit_code != 0


def test_a_test_that_does_not_exist_fails(project: Project) -> None:
    assert project.run_tests(["test_nothing"]).exit_code != 0


def test_the_program_of_the_tests_is_quoted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/a folder/python")
    assert project.test_command.startswith("'/a folder/python' ")


def test_an_unknown_project_is_named_with_its_neighbours() -> None:
    with pytest.raises(CheckFailed, match="museum"):
        ProjectSource.load("museums")


DOCUMENTED = 'class A:\n    """A."""\n    async def b(self):\n        """B."""\n        return 1\n'


@pytest.mark.parametrize("docstring", ['"""A."""', '"""B."""'])
def test_a_missing_or_empty_docstring_is_found(docstring: str) -> None:
    assert public_functions_without_docstring(DOCUMENTED) == []
    for other in ("pass", '""', '"  "'):
        assert len(public_functions_without_docstring(DOCUMENTED.replace(docstring, other))) == 1


def test_only_docstrings_and_layout_may_differ() -> None:
    plain = "class A:\n  async def b(self): return 1  # one\n"
    assert syntax_without_docstrings(DOCUMENTED) == syntax_without_docstrings(plain)
    assert syntax_without_docstrings(DOCUMENTED) != syntax_without_docstrings(plain.replace("1", "2"))


@pytest.mark.parametrize("check", [public_functions_without_docstring, syntax_without_docstrings])
def test_broken_code_is_a_failure_of_the_check(check: Callable[[str], object]) -> None:
    with pytest.raises(CheckFailed, match="no valid Python"):
        check("def a(:\n")


@pytest.mark.parametrize("waited", [1.0, 0.97])
def test_a_repeated_request_waits_as_long_as_the_server_wants(waited: float) -> None:
    require_waits(repeated_after(waited))


def test_a_request_that_is_repeated_too_early_is_found() -> None:
    with pytest.raises(CheckFailed, match=r"repeated 0\.50 s after status 429, before the 1 s"):
        require_waits(repeated_after(0.5))


def repeated_after(seconds: float) -> list[AiderRequest]:
    rejected = replace(exchange(), status=429, headers={"retry-after": "1"}, seconds=0.2, sent_at=10.0)
    again = replace(exchange(), sent_at=10.2 + seconds)
    return aider_requests([rejected, again, replace(again, sent_at=again.sent_at + 0.1)])
