"""The wheel: a server is judged from any folder, in an environment that has nothing but the wheel."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.programs.install import find_uv
from support.settings import default_cache
from tests.runs.launching import ROOT, Launched, Run

SECONDS = 300.0
INPUT = re.compile(r"\$\{\{ inputs\.(\S+) \}\}")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`acceptance` of an environment with the wheel alone."""
    uv = find_uv()
    if uv is None:
        pytest.skip("uv is not installed: `python3 tools/setup.py` fetches it")
    folder = tmp_path_factory.mktemp("package")
    for words in (
        ["build", "--wheel", "--out-dir", str(folder), str(ROOT)],
        ["venv", "--python", sys.executable, str(folder / "environment")],
    ):
        subprocess.run([uv, *words, "--quiet"], check=True, timeout=SECONDS)
    (wheel,) = folder.glob("*.whl")
    python = folder / "environment" / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, timeout=SECONDS)
    return python.with_name("acceptance")


def run(program: Path, folder: Path, *words: str) -> Run:
    environment = {
        "PYTHONPATH": "",
        "ACCEPTANCE_CACHE_DIR": str(default_cache()),
        # `uv` installs sources alone: the first run compiles for the later ones, also where this is set.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return Launched(folder, [str(program), *words], environment).end()


def test_it_judges_a_server_from_any_folder(program: Path, tmp_path: Path) -> None:
    (tmp_path / "acceptance.toml").write_text('acceptance_html = false\nacceptance_reports_dir = "verdict"\n')
    done = run(
        program,
        tmp_path,
        "run",
        "binary",
        "--target",
        "reference",
        "--name",
        "prints name and semantic version",
    )
    assert done.exit_code == 0, done.output
    assert "2 scenarios in" in done.stdout, done.output
    assert {entry.name for entry in tmp_path.iterdir()} >= {"verdict", "acceptance.toml"}
    assert (tmp_path / "verdict" / "report.json").is_file()
    assert not (tmp_path / "features").exists()
    assert (done.processes, done.temporary) == ((), ())


def test_paths_of_the_user_are_those_of_their_folder(program: Path, tmp_path: Path) -> None:
    wrong = run(program, tmp_path, "run", "binary", "--target", "./no-such-program")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("acceptance: --target './no-such-program' is not an existing program")
    (tmp_path / "mistralrs").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "mistralrs").chmod(0o755)
    found = run(program, tmp_path, "run", "binary", "--target", "./mistralrs")
    assert str(tmp_path / "mistralrs") in found.stdout + found.stderr, found.output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-D", "acceptance_reports_dir=/proc/reports"), "acceptance: the reports folder /proc/reports"),
        (
            ("--target", "real", "-D", "acceptance_cache_dir=nothing"),
            "acceptance: no real mistral.rs: none by ",
        ),
        (("-D", "acceptance_cache_dir=nothing"), "acceptance: no target: none by TARGET_URL or "),
        (("--target", "http://127.0.0.1:1"), "acceptance: cannot be reached: http://127.0.0.1:1"),
    ],
    ids=["a folder that cannot be written", "no program", "no target", "no server"],
)
def test_what_cannot_be_run_is_one_line(
    program: Path, tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    done = run(program, tmp_path, "run", "binary", *words)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(line), done.output
    assert done.stderr.count("\n") == 1, done.output


def test_installers_refuse_other_versions_of_python(program: Path) -> None:
    """`pip`, `pipx` and `uv` read it; each names both versions."""
    (metadata,) = (program.parent.parent / "lib").glob("*/site-packages/mistralrs_acceptance-*/METADATA")
    assert "Requires-Python: <3.14,>=3.11\n" in metadata.read_text(encoding="utf-8")


def test_the_action_needs_no_file_of_the_repository_that_uses_it(program: Path, tmp_path: Path) -> None:
    """Its script with its defaults, as GitHub starts it."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (step,) = (step for step in action["runs"]["steps"] if step.get("name") == "Judge the server")
    inputs = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
    inputs["target"] = "http://127.0.0.1:1"
    environment = {key: inputs[INPUT.fullmatch(value)[1]] for key, value in step["env"].items()}  # type: ignore[index]
    (tmp_path / "mistralrs-acceptance").symlink_to(program.parent.parent)
    environment |= {"RUNNER_TEMP": str(tmp_path), "PYTHONPATH": ""}
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = Launched(tmp_path, bash, environment).end()
    assert done.stderr.startswith("acceptance: cannot be reached: http://127.0.0.1:1"), done.output
    assert done.exit_code == 2


def test_it_has_a_version(program: Path, tmp_path: Path) -> None:
    version = importlib.metadata.version("mistralrs-acceptance")
    done = run(program, tmp_path, "--version")
    assert (done.exit_code, done.stdout.split()[:2]) == (0, ["mistralrs-acceptance", version]), done.output


def test_a_run_is_certified_and_its_faults_are_proven_in_any_folder(program: Path, tmp_path: Path) -> None:
    """Known issues, features and steps are those of the wheel, all else is the user's."""
    name = "prints name and semantic version"
    ran = run(program, tmp_path, "run", "binary", "--target", "reference", "--name", name)
    assert ran.exit_code == 0, ran.output
    certified = run(program, tmp_path, "certify", "reports", "-o", "made")
    assert certified.exit_code == 0, certified.output
    known = tmp_path / "made" / "runs" / "1" / "known_issues.toml"
    assert known.read_bytes() == (ROOT / "known_issues.toml").read_bytes()
    assert run(program, tmp_path, "verify", "made").exit_code == 0
    title = '"mistralrs -V" prints name and semantic version'
    accepted = run(program, tmp_path, "accept", title, "--reason", "a reason", "--until", "2099-01-01")
    assert accepted.exit_code == 0, accepted.output
    fault = ("--fault", "binary.version.exit_code", "--target", "reference", "--reports-dir", "proof")
    proven = run(program, tmp_path, "prove", *fault)
    assert proven.exit_code == 0, proven.output
    assert (proven.processes, proven.temporary) == ((), ())
    assert {entry.name for entry in tmp_path.iterdir()} >= {"accepted.toml", "made", "proof", "reports"}
