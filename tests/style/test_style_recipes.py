"""The recipes for CI servers and containers are valid by the schemas of their services and by linters."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tools.setup import UV_VERSION

ROOT = Path(__file__).resolve().parents[2]
RECIPES = {
    "action.yml": "vendor.github-actions",
    ".github/workflows/acceptance.yml": "vendor.github-workflows",
    ".github/workflows/judge.yml": "vendor.github-workflows",
    "docs/ci/gitlab-ci.yml": "vendor.gitlab-ci",
    "docs/ci/compose.yaml": "vendor.compose-spec",
}
SECONDS = 120.0


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_valid(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", RECIPES[name], str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def lint(program: str, *arguments: str, text: str = "") -> str:
    """What a linter has found: nothing where it ends with 0."""
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{program} has no wheel for this platform")
    done = subprocess.run(
        [found, *arguments], input=text, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit code {done.returncode}"


def test_the_recipe_of_an_image_has_no_finding() -> None:
    assert lint("hadolint", "--no-color", str(ROOT / "docs/ci/Dockerfile")) == ""
    assert "DL3059" in lint("hadolint", "--no-color", "-", text="FROM a:1\nRUN a\nRUN b\n")


@pytest.mark.parametrize("name", ["docs/ci/judge.sh", ".ci/run"])
def test_a_script_has_no_finding(name: str) -> None:
    assert lint("shellcheck", str(ROOT / name)) == ""


def scripts() -> Iterator[tuple[str, str]]:
    """Of the action and the workflows: where each is, and its text without expressions of GitHub."""
    for name in ("action.yml", ".github/workflows/acceptance.yml", ".github/workflows/judge.yml"):
        document = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        jobs = document.get("jobs", {"": document.get("runs")}).values()
        for step in (step for job in jobs for step in job["steps"] if "run" in step):
            environment = "".join(f"export {key}=value\n" for key in step.get("env", {}))
            yield f"{name}: {step['name']}", environment + step["run"].replace("${{", "").replace("}}", "")


@pytest.mark.parametrize(("place", "text"), list(scripts()))
def test_a_script_of_a_recipe_has_no_finding(place: str, text: str) -> None:
    assert lint("shellcheck", "--shell", "bash", "-", text=text) == "", place


def test_the_reusable_workflow_passes_its_inputs_to_the_action() -> None:
    """`repository` and `ref` are those of the suite: a default from the context would be the caller's."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((ROOT / ".github/workflows/judge.yml").read_text(encoding="utf-8"))
    # YAML 1.1 reads `on` as true.
    inputs = workflow[True]["workflow_call"]["inputs"]
    (step,) = (
        step for step in workflow["jobs"]["judge"]["steps"] if "with" in step and "target" in step["with"]
    )
    assert set(step["with"]) == set(inputs) - {"runs-on", "repository", "ref"}
    assert set(step["with"]) >= {"target", "suites", "gate", "accepted"}
    assert set(step["with"]) <= set(action["inputs"])
    assert inputs["repository"]["required"] is True
    assert "default" not in inputs["repository"]


def test_the_user_of_a_container_writes_the_reports() -> None:
    """Docker makes a missing folder of a mount for root."""
    compose = yaml.safe_load((ROOT / "docs/ci/compose.yaml").read_text(encoding="utf-8"))
    judge = compose["services"]["judge"]
    assert "./reports:/reports" in judge["volumes"]
    assert judge["user"] == "root"


def test_an_image_has_no_environment_of_the_checkout() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".venv", ".cache", ".git", "reports"} <= set(ignored)


def test_each_recipe_installs_what_a_checkout_has() -> None:
    """Without uv the scenarios of Aider are skipped, without Allure there is no HTML page."""
    recipes = ("action.yml", "docs/ci/Dockerfile", "docs/ci/gitlab-ci.yml", "docs/ci/judge.sh")
    for name in recipes:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        (install,) = (line for line in lines if "pip install" in line)
        # The version of the suite's own environment.
        assert f" uv=={UV_VERSION} " in f"{install} ", name
        assert [line for line in lines if " get allure" in line], name


def test_inputs_of_the_action_are_no_part_of_its_scripts() -> None:
    """A value such as `$(...)` would be run."""
    document = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in document["runs"]["steps"] if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]
