"""What the options stand for, and that README tells all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import run
from support.errors import AcceptanceError, NothingSelected, SettingsError
from support.runner import rerun, selection, tags
from support.runner.behave_config import plain_configuration
from support.runner.list_scenarios import list_features

ROOT = Path(__file__).resolve().parents[2]


def test_readme_tells_every_option() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = {"-D", "--suite"}  # in the settings; a name in the reports
    options = {option.opts[0] for option in run.params if option.opts[0].startswith("-")}
    assert not [name for name in options if f"`{name}" not in text and name not in told | {"--define"}]


def test_what_is_inside_of_another_path_is_run_once() -> None:
    names = ["mcp", "features/mcp/agents.feature", "mcp", "features/aider/editing.feature:12"]
    assert selection.resolve_paths_and_tags([*names, "features/aider/editing.feature"])[0] == [
        "features/mcp",
        "features/aider/editing.feature",
    ]
    lines = ["features/aider/editing.feature:12", "features/aider/editing.feature:30"]
    assert selection.resolve_paths_and_tags(lines)[0] == lines


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["features/mcp/", "mcp"], ["features/mcp/"]),
        (["./features", "all"], ["./features"]),
        (["features/aider/../mcp", "features/aider"], ["features/aider/../mcp", "features/aider"]),
        (["features/aider/../mcp", "mcp"], ["features/aider/../mcp"]),
        ([str(ROOT / "features" / "mcp"), "all"], ["features"]),
        (["features/mcp/agents.feature:3", "./features/mcp"], ["./features/mcp"]),
        (["mcp", "features/mcp/none.feature"], ["features/mcp", "features/mcp/none.feature"]),
    ],
    ids=["slash", "dot", "elsewhere", "dots", "absolute", "line", "missing"],
)
def test_paths_are_compared_by_what_they_name(names: list[str], kept: list[str]) -> None:
    """Two spellings of one folder do not remove each other, and what is not there remains an error."""
    assert selection.resolve_paths_and_tags(names)[0] == kept


def test_a_suite_is_a_folder_or_a_run_class() -> None:
    assert selection.resolve_paths_and_tags(["api", "smoke", "slow"]) == (
        ["features/openai_api"],
        ["smoke or slow"],
    )
    assert selection.resolve_paths_and_tags(["features/openai_api", "a.feature:3"])[0] == [
        "features/openai_api",
        "a.feature:3",
    ]
    assert all((ROOT / folder).is_dir() for folder in selection.FOLDERS.values())
    assert set(selection.RUN_CLASS_TAGS) == tags.RUN_CLASS


def test_a_combined_suite_is_several_folders() -> None:
    folders = ["features/openai_api", "features/ollama_api", "features/parity"]
    assert selection.resolve_paths_and_tags(["integration"]) == (folders, [])
    assert selection.resolve_paths_and_tags(["all"]) == (["features"], [])


def test_an_unknown_suite_is_one_line_with_all_suites() -> None:
    with pytest.raises(SettingsError, match=r"'nosuchsuite'.* is no suite") as found:
        list_features(["nosuchsuite"])
    assert ", ".join(selection.SUITES) in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("line", [0, 999])
def test_a_line_that_a_feature_does_not_have_is_an_error_with_those_of_its_scenarios(line: int) -> None:
    with pytest.raises(
        SettingsError, match=r"health\.feature has no line \d+, it has \d+; .* lines 9; line 1 "
    ):
        list_features([f"features/openai_api/health.feature:{line}"])


def test_a_case_that_the_tags_leave_out_is_named_without_a_pattern() -> None:
    arguments = ["--tags=smoke", *selection.case_arguments(["openai.chat.body.empty"])]
    with pytest.raises(NothingSelected, match=r"tags 'smoke' and cases openai\.chat\.body\.empty: "):
        list_features(arguments)


def test_a_list_predicts_the_skips_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version of the program, a missing Ollama, routes that the gateway does not have, scope."""
    program = tmp_path / "mistralrs"
    program.write_text("#!/bin/sh\necho mistralrs 0.8.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    settings = {"mistralrs_bin": program, "acceptance_target": "real", "acceptance_cache_dir": tmp_path}
    defines = [f"--define={name}={value}" for name, value in settings.items()]
    list_features(
        [
            *defines,
            "features/parity/clients.feature",
            "features/mcp",
            "features/ollama_api/model_store.feature",
        ]
    )
    listed = capsys.readouterr().out
    assert "Target:   mistralrs 0.8.1\n" in listed
    assert "ollama: unmet, needs a real Ollama; `acceptance get ollama` builds one" in listed
    assert "unmet, needs MCP, mistralrs 0.8.1 " in listed
    for what in ("pulling", "copying"):  # a group of cases, a group of sequences
        assert f"unsupported, {what} a model is not supported by this gateway (docs/gateway.md)" in listed
    # Its version is not known before the run.
    messages = "features/openai_api/anthropic_messages.feature"
    list_features(["--define=target_url=http://127.0.0.1:1", messages])
    listed = capsys.readouterr().out
    assert "messages: checked when the run starts" in listed
    assert "0 would be skipped for an unmet need, 4 with a need that is checked when the run starts" in listed
    named = "--define=target_embedding_model=vectors"
    list_features(["--define=target_url=http://127.0.0.1:1", named, "features/openai_api/embeddings.feature"])
    assert "5 scenarios selected, 1 would be skipped for an unmet need" in capsys.readouterr().out
    list_features(["--define=acceptance_scope=openai_api", *defines, "features/parity"])
    assert re.search(r"(\d+) scenarios selected, 0 .*, \1 out of scope$", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("short", "long"), [("-v", "--verbose"), ("-s", "--skip-benchmarks"), ("--format", "--report")]
)
def test_other_names_of_options(short: str, long: str) -> None:
    assert [option.opts for option in run.params if short in option.opts] == [[long, short]]


def test_every_folder_of_features_has_a_short_word() -> None:
    folders = {f"features/{folder.name}" for folder in (ROOT / "features").iterdir() if folder.is_dir()}
    assert folders == set(selection.FOLDERS.values())


def test_tags_are_joined_and_keep_the_configured_ones() -> None:
    assert selection.tag_arguments([], skip_benchmarks=False) == []
    assert selection.tag_arguments(["smoke"], skip_benchmarks=False) == ["--tags=smoke"]
    assert selection.tag_arguments([], skip_benchmarks=True) == ["--tags=({config.tags}) and not @benchmark"]
    assert selection.tag_arguments(["a or b"], skip_benchmarks=True) == ["--tags=(a or b) and not @benchmark"]


def test_a_target_is_a_word_a_url_or_a_program(tmp_path: Path) -> None:
    program = tmp_path / "mistralrs"
    program.touch()
    assert selection.target_settings("reference") == [
        "acceptance_target=reference",
        "option.acceptance_target=--target",
    ]
    assert selection.target_settings("http://host:1") == [
        "acceptance_target=auto",
        "option.acceptance_target=--target",
        "target_url=http://host:1",
        "option.target_url=--target",
    ]
    assert selection.target_settings(str(program)) == [
        "acceptance_target=real",
        "option.acceptance_target=--target",
        f"mistralrs_bin={program}",
        "option.mistralrs_bin=--target",
    ]
    with pytest.raises(SettingsError, match="a URL"):
        selection.target_settings(str(tmp_path / "nothing"))


def test_a_model_is_a_folder_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.touch()
    (tmp_path / "readme.md").touch()
    folder = [f"test_model_path={tmp_path}", "option.test_model_path=--model"]
    assert selection.model_settings(str(tmp_path)) == [
        *folder,
        *("test_model_file=", "option.test_model_file=--model"),
    ]
    assert selection.model_settings(str(file)) == [
        *folder,
        "test_model_file=mine.gguf",
        "option.test_model_file=--model",
    ]
    for wrong in ("nothing.gguf", "readme.md"):
        with pytest.raises(SettingsError, match="a folder"):
            selection.model_settings(str(tmp_path / wrong))


def test_failed_places_of_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.feature").touch()
    report = tmp_path / "report.json"
    with pytest.raises(SettingsError, match="no report of an earlier run"):
        rerun.failed_locations(tmp_path)
    report.write_text("{}")
    with pytest.raises(AcceptanceError, match="not a report of this suite"):
        rerun.failed_locations(tmp_path)
    tests = [("a/x.feature:3", "failed"), ("b/x.feature:5", "broken"), ("a/x.feature:9", "known_issue")]
    tests += [("environment.py:1", "broken"), ("a/gone.feature:3", "failed")]
    rows = [f'{{"location": "{place}", "verdict": "{verdict}"}}' for place, verdict in tests]
    report.write_text(f'{{"tests": [{", ".join(rows)}]}}')
    assert rerun.failed_locations(tmp_path) == ["a/x.feature:3", "b/x.feature:5"]
    assert rerun.failed_locations(tmp_path, ["b/"]) == ["b/x.feature:5"]
    with pytest.raises(NothingSelected, match="in c"):
        rerun.failed_locations(tmp_path, ["c"])
    with pytest.raises(SettingsError, match="leave out the line of a"):
        rerun.failed_locations(tmp_path, ["a/x.feature:3"])


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("~smoke", "not smoke"),
        ("smoke,critical", "smoke or critical"),
        ("~@smoke,-critical", "not @smoke or not critical"),
        ("-@slow", "not @slow"),
        ("!slow", "not slow"),
        ("smoke && ! slow || critical", "smoke and not slow or critical"),
        ("not slow,critical", "not slow or critical"),
        ("(~slow)", "(not slow)"),
    ],
)
def test_an_old_tag_expression_is_refused_with_the_current_one(old: str, current: str) -> None:
    with pytest.raises(SettingsError) as caught:
        tags.check_expression([old])
    assert f"old tag syntax (from --tags {old!r}): write {current!r}; other examples: " in str(caught.value)


@pytest.mark.parametrize(
    "expression", ["smoke", "@lock.* and not slow", "(smoke or critical) and not serial"]
)
def test_a_current_tag_expression_is_accepted(expression: str) -> None:
    tags.check_expression([expression])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: selection.tag_arguments([""], skip_benchmarks=False), "--tags is empty"),
        (lambda: selection.resolve_paths_and_tags([""]), "a suite or path is empty"),
        (lambda: plain_configuration(["--name=("]), r"--name '\(' is no regular expression"),
    ],
)
def test_what_is_empty_or_no_regular_expression_is_refused_in_one_line(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
