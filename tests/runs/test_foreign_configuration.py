"""Configuration of behave that is not the project's changes no run and is named in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runs.cases import Case, Runs
from tests.runs.launching import ACCEPTANCE, BEHAVE, HERE, WORKERS

OPTIONS = {
    "dry run": "dry_run = true",
    "another runner": "runner = behave.runner:Runner",
    "an unknown formatter": "default_format = nowhere\nformat = nowhere",
    "a version only": "version = true",
    "a filter of names": "name = Nothing has this name",
    "other paths": "paths = nowhere",
    "a wrong level": "logging_level = loud",
    "stop and tags": "stop = true\ntags = not @normal\ndefault_tags = @never",
}


@dataclass(frozen=True)
class Foreign:
    """A file of behave's configuration in a folder of the run: `home` or the checkout (`.`)."""

    name: str
    text: str

    def write(self, folder: Path) -> None:
        file = folder / self.name
        file.parent.mkdir(exist_ok=True)
        file.write_text(self.text)


# One half of the options at home, where the project's file is read later, the other half in the checkout.
PLACES = ("home/.behaverc", "behave.ini")
FILES = {
    **{
        what: Foreign(PLACES[number % 2], f"[behave]\n{text}\n")
        for number, (what, text) in enumerate(OPTIONS.items())
    },
    "an empty file": Foreign("behave.ini", ""),
    "no configuration at all": Foreign(".behaverc", "this is no configuration\n"),
    "setup.cfg": Foreign("setup.cfg", "[metadata]\nname = x\n[behave]\ndry_run = true\n"),
    "tox.ini": Foreign("tox.ini", "[tox]\n[behave]\ndry_run = true\n"),
    "another pyproject.toml": Foreign("home/pyproject.toml", "[tool.behave]\ndry_run = true\n"),
    "other aliases": Foreign(
        "home/pyproject.toml", '[tool.behave]\n[tool.behave.runners]\nguarded = "behave.runner:Runner"\n'
    ),
    "settings of the suite": Foreign("tox.ini", "[behave.userdata]\nacceptance_strict = perhaps\n"),
}
COMMANDS = {
    "behave": BEHAVE,
    "-mbehave": (sys.executable, "-mbehave"),
    # Also a start script of behave with another name.
    "a program": (sys.executable, "-c", "import sys; from behave.__main__ import main; sys.exit(main())"),
    "acceptance": ACCEPTANCE,
}
NAMES = [
    *(("behave", file) for file in FILES),
    ("-mbehave", "another runner"),
    ("a program", "another runner"),
    ("acceptance", "dry run"),
    ("acceptance", "an empty file"),
]
# Behave reads it as its option --stage: other steps, another environment.py.
STAGE = "stage"
# What clients of other programs read.
VARIABLES = "variables"
FOREIGN = {"OPENAI_API_KEY": "s3cret", "OLLAMA_HOST": "http://other:1", "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    scenarios = ("It passes", "It fails")
    wanted = {
        f"{command} {file}": Case(COMMANDS[command], scenarios=scenarios, prepare=FILES[file].write)
        for command, file in NAMES
    }
    wanted |= {
        f"{command} {VARIABLES}": Case(words, scenarios=("It has no foreign variables",), environment=FOREIGN)
        for command, words in {**COMMANDS, "workers": WORKERS, "here": HERE}.items()
    }
    wanted[STAGE] = Case(BEHAVE, scenarios=scenarios, environment={"BEHAVE_STAGE": "other"})
    made = Runs(tmp_path_factory.mktemp("foreign"), wanted)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(("command", "file"), NAMES)
def test_foreign_configuration_changes_nothing(runs: Runs, command: str, file: str) -> None:
    run = runs[f"{command} {file}"]
    assert run.exit_code == 1, run.output
    assert run.verdicts == {"It passes": "passed", "It fails": "failed"}
    ignored = [line for line in run.stdout.splitlines() if line.startswith("acceptance: ignored:")]
    assert len(ignored) == 1, run.output
    assert str(run.folder / FILES[file].name) in ignored[0]


def test_foreign_stage_changes_nothing(runs: Runs) -> None:
    run = runs[STAGE]
    assert run.exit_code == 1, run.output
    assert run.verdicts == {"It passes": "passed", "It fails": "failed"}
    assert "ignored: environment variable BEHAVE_STAGE" in run.stdout


@pytest.mark.parametrize("command", [*COMMANDS, "workers", "here"])
def test_variables_of_other_programs_are_removed_and_named(runs: Runs, command: str) -> None:
    run = runs[f"{command} {VARIABLES}"]
    assert run.exit_code == 0, run.output
    ignored = [line for line in run.stdout.splitlines() if line.startswith("acceptance: ignored:")]
    assert len(ignored) == 1 and all(name in ignored[0] for name in FOREIGN), run.output
    assert not [value for value in FOREIGN.values() if value in run.output]


def test_files_of_other_programs_are_not_mentioned(tmp_path: Path) -> None:
    run = Case(ACCEPTANCE, prepare=Foreign("setup.cfg", "[metadata]\nname = x\n").write).run(tmp_path)
    assert run.exit_code == 0, run.output
    assert "ignored" not in run.output


def test_a_folder_without_the_project_is_rejected(tmp_path: Path) -> None:
    run = Case(
        ACCEPTANCE, prepare=Foreign("pyproject.toml", "[tool.behave]\npaths = ['features']\n").write
    ).run(tmp_path)
    assert run.exit_code == 2, run.output
    assert run.stderr.count("\n") == 1
    assert "start it in the checkout" in run.stderr
