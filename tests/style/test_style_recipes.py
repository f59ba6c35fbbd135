"""The recipes for CI servers and containers are valid by the schemas of their services."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_the_script_is_one_of_a_posix_shell() -> None:
    done = subprocess.run(["sh", "-n", str(ROOT / "docs/ci/judge.sh")], timeout=SECONDS, check=False)
    assert done.returncode == 0


def test_inputs_of_the_action_are_no_part_of_its_scripts() -> None:
    """A value such as `$(...)` would be run."""
    document = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in document["runs"]["steps"] if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]
