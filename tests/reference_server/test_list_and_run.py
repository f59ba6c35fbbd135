"""The skips that a list predicts are those of the run, with their reasons: programs, URLs, other models."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.models.script import TOOLS_SCRIPT, Script
from support.models.store import ModelStore
from support.servers.bundled_gateway import start_gateway
from support.settings import load_settings
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
# With groups of which the gateway supports a part.
STRICT_SELECTION = ("ollama_api/chat", "ollama_api/model_lifecycle", "ollama_api/embeddings")
# Comparisons, which need the same model, or the scripted one.
OTHER_SELECTION = (*SELECTION[:4], "parity/clients", "parity/models", "parity/many_users", "parity/stops")
_SCENARIO = re.compile(r"^  (\S+\.feature:\d+)  ")
# The run has the version and the place of the gateway before it.
_GATEWAY = re.compile(r"mistralrs-gateway \S+(?: at \S+)?: ")
_REASON = re.compile(r"^      (?:\w+: unmet|unsupported), (.+)$")
_STRICT = "not run, and this run is strict: "


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with another model, under a name that is not the scripted one's."""
    folder = tmp_path_factory.mktemp("other")
    made = ModelStore(folder / "models", verify=False).scripted(Script.load(TOOLS_SCRIPT))
    shutil.copytree(made.directory, folder / "theirs")
    options = ("-m", str(folder / "theirs"), "--format", "gguf", "-f", str(made.file))
    server = Server(folder / "log", *options)
    yield server
    server.close()


@pytest.fixture(scope="module")
def other_gateway(other: Server) -> Iterator[str]:
    """A gateway in front of it."""
    gateway = start_gateway(other.url, load_settings().settings)
    yield gateway.url
    gateway.stop()


@pytest.fixture(
    params=["program", "strict", "URL", "another model", "another Ollama", "another gateway of a program"]
)
def options(request: pytest.FixtureRequest) -> list[str]:
    """The features and options of a run."""
    kind, get = request.param, request.getfixturevalue
    if kind in ("program", "strict"):
        strict = kind == "strict"
        return [
            *_features(STRICT_SELECTION if strict else SELECTION),
            *("--target", "reference"),
            *["--strict"] * strict,
        ]
    if kind == "URL":
        return [*_features(SELECTION), "--target", get("server").url]
    if kind == "another model":
        return [*_features(OTHER_SELECTION), "--target", get("other").url]
    url = get("other_gateway")
    gateway = ["-D", f"ollama_url={url}", "-D", f"ollama_api={url}"]
    if kind == "another Ollama":
        return [*_features(OTHER_SELECTION), "--target", get("other").url, *gateway]
    return [
        *_features(("parity/models", "parity/stops", "parity/clients")),
        "--target",
        "reference",
        *gateway,
    ]


def _features(names: tuple[str, ...]) -> list[str]:
    return [f"features/{name}.feature" for name in names]


def acceptance(reports: Path, *options: str) -> str:
    command = [str(ACCEPTANCE), "run", *options, "--tags", "not slow"]
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


def skipped(report: Path) -> dict[str, str]:
    """Scenario -> why it was skipped, or failed under `--strict` for the same reason."""
    tests = json.loads(report.read_text(encoding="utf-8"))["tests"]
    reasons = {
        test["location"]: test["reason"]
        if test["verdict"] == "skipped"
        else test.get("error", "").partition(_STRICT)[2]
        for test in tests
        if test["kind"] == "scenario"
    }
    return {place: _GATEWAY.sub("", reason) for place, reason in reasons.items() if reason}


def test_a_list_predicts_what_the_run_skips(options: list[str], tmp_path: Path) -> None:
    listing = acceptance(tmp_path, *options, "--list")
    acceptance(tmp_path, *options, "--report", "json")
    found, expected = skipped(tmp_path / "report.json"), predicted(listing)
    assert found and found.keys() == expected.keys()
    assert not {place: reason for place, reason in found.items() if reason not in expected[place]}
    outcome = "would fail" if "--strict" in options else "would be skipped"
    assert f", {len(found)} {outcome} for an unmet need" in listing
