"""Wrong usage of each command: one line with what is wrong, where it is from, what to do; exit code 2."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import EXIT_USAGE

HEALTH = "features/openai_api/health.feature"
ACCEPT = ("accept", "openai.chat.body.empty", "--until", "2099-01-01", "--reason")
# Words of Python and its libraries, and of click's usage of several lines.
FOREIGN = re.compile(
    r"Traceback|Error\(|\[Errno|codec|unable to parse|integer range|Usage:|Input should|\.py\b|No such"
)
# The words of a command, and what its line has.
WRONG = [
    (
        "nosuch",
        rf"^acceptance: no such command 'nosuch'; choose {', '.join(sorted(main.commands))}$",
    ),
    ("--nosuch", r"^acceptance: no such option '--nosuch'; `acceptance --help` lists all options"),
    ("run --nosuch", r"^acceptance run: no such option '--nosuch'; `acceptance run --help` lists"),
    ("run --tag", r"no such option '--tag'.*--tags"),
    ("run --iterations 0", r"'--iterations': '0' is no whole number from 1; "),
    ("run --iterations x", r"'--iterations': 'x' is no whole number from 1; "),
    ("run --report pdf", r"'pdf' is not one of 'html', 'json'"),
    ("run --gate none", r"'none' is not one of 'release', "),
    ("run --jobs x", r"acceptance_jobs = 'x' \(from --jobs\) is wrong: it is no whole number; give a number"),
    ("run --jobs 99", r"\(from --jobs\) is wrong: it should be less than or equal to 64; give a number"),
    ("run --jobs=", r"--jobs is empty; give a value, or leave it out"),
    ("run --suite=", r"--suite '' is no name of one line; give one, or leave it out"),
    ("run --suite a\tb", r"--suite 'a\\tb' is no name of one line"),
    ("run --name=", r"--name is empty; give a part of a title"),
    ("run --tags=", r"--tags is empty; give an expression"),
    ("run --case nope", r"--case: there is no case 'nope'; `acceptance run --list` lists all cases$"),
    (
        "accept nope --reason r --until 2099-01-01",
        r"^acceptance: accept: there is no check or scenario 'nope'; `acceptance run --list` lists all ids",
    ),
    ("run --case=", r"--case is empty; give the id of a case"),
    ("run --target=", r"--target is empty; choose auto, real, reference"),
    ("run --target-version=", r"--target-version is empty; give a value"),
    ("run --model=", r"--model is empty; give the folder or the file of a model"),
    (
        "run --model FOLDER",
        r"\(from --model\) is wrong: there is no .safetensors file .*; give the folder of",
    ),
    ("run --model FOLDER.gguf", r"'FOLDER.gguf' \(from --model\) is wrong: there is no .safetensors file"),
    ("run -D test_model_path=FOLDER", r"\(from -D test_model_path\) is wrong: there is no .safetensors file"),
    ("run -D =bar", r"a name is missing before the = \(from -D\); give -D NAME=VALUE"),
    (
        "run NOT_UTF8.feature",
        r"NOT_UTF8.feature: cannot be read \(it is no text in UTF-8: byte 0xff in line 2",
    ),
    (
        f"run {HEALTH}:5",
        r"line 5 of .*health.feature belongs to no scenario; its scenarios begin at the line",
    ),
    ("run features/openai_api:3", r"'features/openai_api' .* is a folder with the number of a line; give"),
    (
        "run --rerun-failed -D acceptance_reports_dir=OTHER",
        r"report.json is not a report of this suite; remove",
    ),
    ("compare", r"^acceptance compare: missing argument 'OLD'; `acceptance compare --help` lists"),
    ("compare a b", r"'a' is no program, no URL and no folder of an earlier run"),
    ("compare reference real -D =x", r"a name is missing before the = \(from -D\)"),
    ("compare reference real --iterations x", r"'x' is no whole number from 1"),
    ("accept x", r"^acceptance accept: missing option '--reason'; "),
    (
        "accept openai.chat.body.empty --reason r --until 2020-01-01",
        r"accept: --until 2020-01-01 is over; give",
    ),
    ("accept openai.chat.body.empty --reason r --until soon", r"accept: `until` is a day such as 2027-03-31"),
    (
        "compare OTHER/none.json reference",
        r"none.json cannot be read \(no such file or directory\): .*; run the",
    ),
    ("get", r"^acceptance get: missing argument "),
    ("get nosuch", r"'nosuch' is not one of 'mistralrs', 'ollama', "),
    ("doctor x", r"^acceptance doctor: got unexpected extra argument \(x\); "),
    ("settings --nosuch", r"^acceptance settings: no such option '--nosuch'"),
    ("model --format x", r"^acceptance model: invalid value for '--format': 'x' is not one of 'GGUF', "),
]


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with what is no model, no text and no report."""
    for name in ("FOLDER", "FOLDER.gguf", "OTHER"):
        (tmp_path / name).mkdir()
    (tmp_path / "OTHER/report.json").write_text("[]")
    (tmp_path / "NOT_UTF8.feature").write_bytes(b"Feature: a\n  Scenario: \xff\n")
    (tmp_path / "NOT_UTF8.toml").write_bytes(b'[[accepted]]\nid = "\xff"\n')
    return tmp_path


def line_of(*words: str) -> str:
    """The one line of the command, which ends with exit code 2."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == EXIT_USAGE, f"exit code {result.exit_code}: {result.output}"
    lines = result.output.splitlines()
    assert len(lines) == 1, f"not one line: {result.output!r}"
    assert not FOREIGN.search(lines[0]), f"words of a library: {lines[0]!r}"
    return lines[0]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[words for words, _ in WRONG])
def test_wrong_usage_is_one_line_with_exit_code_2(places: Path, words: str, message: str) -> None:
    placed = re.sub(r"(FOLDER|OTHER|NOT_UTF8)", rf"{places}/\1", words)
    listed = ["--list"] if words.startswith("run") and "rerun" not in words else []
    line = line_of(*placed.split(" "), *listed).replace(f"{places}/", "")
    assert re.search(message, line), f"{message!r} is not in {line!r}"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("FOLDER", r"FOLDER: cannot be read \(it is a folder, not a file\); give a file that can be read"),
        (
            "NOT_UTF8.toml",
            r"cannot be read \(it is no text in UTF-8: byte 0xff in line 2\); save it as UTF-8",
        ),
    ],
)
def test_a_list_that_cannot_be_read_has_its_reason_and_remedy(places: Path, file: str, message: str) -> None:
    assert re.search(message, line_of(*ACCEPT, "r", "-D", f"acceptance_accepted={places / file}"))


def test_the_help_names_the_exit_codes_as_the_readme_does() -> None:
    shown = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for code, meaning in ((4, "internal error of the suite"), (5, "too slow")):
        assert f"{code} {meaning}," in shown and f"| {code} | {meaning}," in readme


def test_of_a_scenario_that_runs_checks_the_checks_are_accepted(places: Path) -> None:
    title = "Health check routes return 200"
    line = line_of("accept", title, *ACCEPT[2:], "r", "-D", f"acceptance_accepted={places / 'a.toml'}")
    assert f"accept: the scenario {title!r} runs checks: give the id of the check that fails" in line


@pytest.mark.parametrize("line", [1, 9, 10, 11])
def test_a_line_of_a_scenario_or_of_the_feature_selects_it(line: int) -> None:
    result = CliRunner().invoke(main, ["run", f"{HEALTH}:{line}", "--list"])
    assert result.exit_code == 0, result.output
    assert "1 scenario selected" in result.output


def test_a_list_that_cannot_be_written_is_one_line(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path, _data: bytes) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied", f"{file}.tmp")

    monkeypatch.setattr("support.reporting.files.write_atomically", refuse)
    line = line_of(*ACCEPT, "r", "-D", f"acceptance_accepted={places / 'a.toml'}")
    assert line.endswith(
        "a.toml cannot be written (permission denied); choose another file with -D acceptance_accepted=FILE"
    )


def test_the_embedding_model_is_made_in_the_formats_that_it_has(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCEPTANCE_CACHE_DIR", str(places / "cache"))
    made = CliRunner().invoke(main, ["model", "--embedding"])
    assert made.exit_code == 0 and Path(made.output.strip()).read_bytes().startswith(b"GGUF")
    folder = CliRunner().invoke(main, ["model", "--embedding", "--format", "SafeTensors"])
    assert (Path(folder.output.strip()) / "modules.json").is_file()
    refused = line_of("model", "--embedding", "--format", "GGML")
    assert "there is no embedding model in the format GGML: choose GGUF or SafeTensors" in refused


@pytest.mark.parametrize("command", ["model", "get smollm2"])
def test_a_cache_that_cannot_be_created_is_one_line(
    places: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("ACCEPTANCE_CACHE_DIR", str(places / "cache"))
    (places / "cache").mkdir()
    (places / "cache/models").touch()
    line = line_of(*command.split())
    assert "setting acceptance_cache_dir: " in line
    assert line.endswith("; choose a folder that can be written")
