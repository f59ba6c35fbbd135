"""The skips that a list predicts are those of the run, with their reasons: a program and a URL."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reference_server.stand_ins import PLAIN_ENVIRONMENT, Server

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
ACCEPTANCE = Path(sys.executable).with_name("acceptance")
# Models that a URL does not have, routes that the gateway does not have, changes of a user's server, a
# version without an API.
SELECTION = (
    *("ollama_api/embeddings", "ollama_api/model_store", "ollama_api/tool_calls", "ollama_api/sampling"),
    *("parity/clients", "openai_api/anthropic_messages"),
)
_SCENARIO = re.compile(r"^  (\S+\.feature:\d+)  ")
# The run has the version of the gateway before it, which a list does not start.
_GATEWAY = re.compile(r"mistralrs-gateway \S+: ")
_REASON = re.compile(r"^      (?:\w+: unmet|unsupported), (.+)$")


@pytest.fixture(params=["program", "URL"])
def target(request: pytest.FixtureRequest) -> str:
    if request.param == "program":
        return "reference"
    server: Server = request.getfixturevalue("server")
    return server.url


def acceptance(target: str, reports: Path, *options: str) -> str:
    features = [f"features/{name}.feature" for name in SELECTION]
    command = [str(ACCEPTANCE), "run", *features, "--target", target, "--tags", "not slow", *options]
    done = subprocess.run(
        [*command, "-D", f"acceptance_reports_dir={reports}"],
        cwd=ROOT,
        env=PLAIN_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return str(done.stdout)


def predicted(listing: str) -> dict[str, set[str]]:
    """Scenario -> the reasons why it would be skipped."""
    found: dict[str, set[str]] = {}
    scenario = ""
    for line in listing.splitlines():
        if match := _SCENARIO.match(line):
            scenario = match[1]
        elif match := _REASON.match(line):
            found.setdefault(scenario, set()).add(match[1])
    return found


def test_a_list_predicts_what_the_run_skips(target: str, tmp_path: Path) -> None:
    listing = acceptance(target, tmp_path, "--list")
    acceptance(target, tmp_path, "--report", "json")
    tests = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["tests"]
    skipped = {
        test["location"]: _GATEWAY.sub("", test["reason"])
        for test in tests
        if test["kind"] == "scenario" and test["verdict"] == "skipped"
    }
    expected = predicted(listing)
    assert skipped.keys() == expected.keys()
    assert not {place: reason for place, reason in skipped.items() if reason not in expected[place]}
    assert f", {len(skipped)} would be skipped for an unmet need" in listing
