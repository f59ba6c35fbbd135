"""What a scenario requires of Aider's work: files, commits, outputs of a session, the program of a step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from support.aider.run import AiderRun
from support.aider.scenario import AiderScenario
from support.aider.server import ConnectedServer
from support.chat.client import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint, ChatProtocol
from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed
from support.http.recording_proxy import RecordingProxy
from support.programs.process import run_command
from support.results.must_check import MustCheck
from support.settings import load_settings

SERVER = "openai/default at http://127.0.0.1:1"

FILE, OTHER = "museum.py", "test_museum.py"


def run(output: str = "Applied edit", code: int = 0) -> AiderRun:
    return AiderRun(output, code, (), (), 1.0, "$ aider", SERVER)


@pytest.fixture
def scenario(tmp_path: Path) -> AiderScenario:
    context = SimpleNamespace(
        folder=tmp_path,
        must_check=MustCheck,
        add_evidence=lambda _: None,
        cleanups=ExitStack(),
        evidence=[],
        record=lambda *_: None,
    )
    servers = SimpleNamespace(context=context, suite=SimpleNamespace(settings=load_settings().settings))
    made = AiderScenario(cast(ScenarioServers, servers))
    made.start_project("museum")
    made.runs.add(run())
    return made


def change(scenario: AiderScenario, *files: str) -> None:
    for file in files:
        scenario.project.write(file, f"{scenario.project.read(file)}\n# changed\n")


def commit(scenario: AiderScenario, subject: str = "feat: change") -> None:
    project = scenario.project
    words = ["git", "commit", "--quiet", "--all", "--message", subject]
    done = run_command(words, within=30, env=project.environment, cwd=project.folder)
    assert done.exit_code == 0, done.describe()


def test_a_committed_change_of_the_named_files_is_right(scenario: AiderScenario) -> None:
    change(scenario, FILE, OTHER)
    commit(scenario)
    scenario.require_committed((OTHER, FILE))


def _nothing(_: AiderScenario) -> None:
    pass


def _uncommitted(scenario: AiderScenario) -> None:
    change(scenario, FILE)


def _one_more(scenario: AiderScenario) -> None:
    change(scenario, FILE, OTHER)
    commit(scenario)


def _another(scenario: AiderScenario) -> None:
    change(scenario, OTHER)
    commit(scenario)


def _left(scenario: AiderScenario) -> None:
    change(scenario, FILE)
    commit(scenario)
    scenario.project.write("left.txt", "text")


def _failed(scenario: AiderScenario) -> None:
    change(scenario, FILE)
    commit(scenario)
    scenario.runs.add(run("Retrying in 0.2 seconds"))


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (_nothing, f"expected changes of {FILE}, found changes of no file"),
        (_uncommitted, f"not committed:  M {FILE}"),
        (_one_more, f"found changes of {FILE}, {OTHER}"),
        (_another, f"found changes of {OTHER}"),
        (_left, "not committed: .. left.txt"),
        (_failed, "the run with .* failed"),
    ],
)
def test_any_other_state_is_no_committed_change(
    scenario: AiderScenario, work: Callable[[AiderScenario], None], message: str
) -> None:
    work(scenario)
    with pytest.raises(CheckFailed, match=message):
        scenario.require_committed((FILE,))


def test_an_unchanged_project_has_no_changed_file(scenario: AiderScenario) -> None:
    scenario.require_changed(())
    scenario.project.write(".aider.chat.history.md", "text")
    scenario.project.write(".cecli/chat.history", "text")
    scenario.require_changed(())
    change(scenario, FILE)
    with pytest.raises(CheckFailed, match=r"(?s)expected changes of no file, .*it printed:\nApplied edit"):
        scenario.require_changed(())


def test_a_change_that_was_taken_back_is_none_but_its_commits_count(scenario: AiderScenario) -> None:
    before = scenario.project.read(FILE)
    change(scenario, FILE)
    commit(scenario)
    scenario.project.write(FILE, before)
    commit(scenario, "fix: take it back")
    scenario.require_changed(())
    scenario.require_commits(2, None)
    with pytest.raises(CheckFailed, match="expected 0 new commits, found 2: fix: take it back; feat: change"):
        scenario.require_commits(0, None)


def test_the_subjects_of_commits_are_compared_in_their_order(scenario: AiderScenario) -> None:
    scenario.require_commits(0, None)
    for subject in ("feat: first", "fix: second"):
        change(scenario, FILE)
        commit(scenario, subject)
    latest_first = [{"subject": "fix: second"}, {"subject": "feat: first"}]
    scenario.require_commits(2, latest_first)
    for wrong in (latest_first[::-1], latest_first[:1]):
        with pytest.raises(CheckFailed, match="expected commits with the subjects"):
            scenario.require_commits(2, wrong)


def enter(scenario: AiderScenario, rows: list[dict[str, str]], outputs: list[str]) -> None:
    """Lines in a session that prints these outputs."""
    proxy = SimpleNamespace(count=0, exchanges_since=lambda _: [])
    server = SimpleNamespace(
        proxy=proxy, serves_ollama=False, resident_memory=lambda: 0, note_model_processes=lambda: None
    )
    printed = iter(outputs)
    session = SimpleNamespace(enter=lambda _: next(printed))
    vars(scenario).update(_server=server, _session=session, runs=MustCheck("result of Aider"))
    scenario.enter(rows)


ROWS = [
    {"line": "one", "times": "2", "output": "first"},
    {"line": "/tokens", "times": "1", "output": "total"},
]


def test_each_turn_has_the_output_of_its_row(scenario: AiderScenario) -> None:
    enter(scenario, ROWS, ["the first", "first again", "in total 5"])
    scenario.require_listed_outputs()


def test_many_turns_are_recorded_one_by_one(scenario: AiderScenario) -> None:
    evidence = vars(scenario)["_context"].evidence
    few, many = ([{"line": "one", "times": str(times), "output": "first"}] for times in (9, 10))
    enter(scenario, few, 9 * ["first"])
    assert not evidence
    enter(scenario, many, 10 * ["first"])
    (turns,) = evidence
    assert (turns.file, len(turns.data.splitlines())) == ("turns.csv", 11)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["first", "second", "total"], "turn 2, 'one': expected 'first', it printed:\nsecond"),
        (["first", "first", "first"], "turn 3, '/tokens': expected 'total'"),
        (["", "first total", "total"], "turn 1"),
    ],
)
def test_the_output_of_another_turn_does_not_count(
    scenario: AiderScenario, outputs: list[str], message: str
) -> None:
    enter(scenario, ROWS, outputs)
    with pytest.raises(CheckFailed, match=message):
        scenario.require_listed_outputs()


def test_a_line_needs_a_session(scenario: AiderScenario) -> None:
    with pytest.raises(CheckFailed, match="a session of Aider has to come first"):
        scenario.enter(ROWS)


def test_a_step_about_a_program_that_is_not_connected_fails(scenario: AiderScenario) -> None:
    assert scenario.of("Aider") is scenario
    with pytest.raises(CheckFailed, match="a Given step that connects cecli to a server"):
        scenario.of("cecli")


@pytest.mark.parametrize(
    ("api", "address", "unreachable"),
    [
        (OPENAI_CHAT, "http://127.0.0.1:5/v1", "http://127.0.0.1:1/v1"),
        (OLLAMA_CHAT, "http://127.0.0.1:5", "http://127.0.0.1:1"),
    ],
)
def test_a_configuration_has_the_address_that_the_api_needs(
    scenario: AiderScenario, api: ChatProtocol, address: str, unreachable: str
) -> None:
    proxy = cast(RecordingProxy, SimpleNamespace(url="http://127.0.0.1:5"))
    server = ConnectedServer(ChatEndpoint("", "", "m", api), proxy, None, "")
    vars(scenario).update(_server=server, _model="openai/m")
    scenario.write_file("the project", ".env", "A={address}\nB={unreachable}\nC={model}\nD={other}")
    expected = f"A={address}\nB={unreachable}\nC=openai/m\nD={{other}}\n"
    assert scenario.project.read(".env") == expected
    assert address in server.variables.values()
    # Configuration is no change of the project.
    scenario.require_changed(())
