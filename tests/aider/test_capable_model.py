"""The scenarios of a capable model pass with a model scripted to solve them, and fail with another one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.aider.project import ProjectSource
from support.models.script import Script
from support.models.store import ModelStore
from support.programs.aider import AIDER
from support.settings import load_settings
from tests.reference_server.stand_ins import PLAIN_ENVIRONMENT, Server
from tests.runs.launching import ACCEPTANCE, ROOT

FEATURE = "features/aider/capable_model.feature"
# The keyword of the first one, "docstrings", is in prompts of Aider as well: all later ones decide over it.
NAMES = ("museum", "thermometer", "stationery", "garden", "parking", "theatre")
# Of a long answer and Aider's prompts.
CONTEXT = 16384
Run = Callable[[Script], dict[str, str]]

pytestmark = pytest.mark.skipif(
    AIDER.locate(load_settings().settings) is None, reason=f"Aider is not installed: {AIDER.remedy}"
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The suite's command on a server with this script; the verdict of each scenario."""

    def judged(script: Script) -> dict[str, str]:
        model = ModelStore(tmp_path / "models", verify=False).scripted(script, context=CONTEXT)
        server = Server(
            tmp_path / "log", "-m", str(model.directory), "--format", "gguf", "-f", str(model.file)
        )
        options = ["-D", "aider_model=openai/default", "-D", f"acceptance_reports_dir={tmp_path / 'reports'}"]
        try:
            done = subprocess.run(
                [*ACCEPTANCE, FEATURE, "--tags", "slow", "--target", server.url, *options],
                cwd=ROOT,
                env=PLAIN_ENVIRONMENT,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.close()
        assert done.returncode in (0, 1), done.stdout + done.stderr
        tests = json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8"))["tests"]
        return {
            test["name"]: test.get("error", test["verdict"]) for test in tests if test["kind"] == "scenario"
        }

    return judged


def test_a_model_that_solves_the_tasks_passes(run: Run) -> None:
    sources = [ProjectSource.load(name) for name in NAMES]
    *_, commit = sources[0].script.rows
    edits = [row for source in sources for row in source.script.rows if row != commit]
    verdicts = run(Script((*edits, commit), sources[0].script.default))
    assert len(verdicts) == 12
    assert verdicts == dict.fromkeys(verdicts, "passed")


def test_a_model_that_edits_nothing_fails(run: Run) -> None:
    verdicts = run(Script((), ProjectSource.load(NAMES[0]).script.default))
    assert "passed" not in verdicts.values(), verdicts
