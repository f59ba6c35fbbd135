"""`acceptance doctor` tells what is there and how to get the rest."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner

from support import doctor
from support.cli import main
from support.programs.registry import PROGRAMS
from support.runner.tags import NEEDS
from support.servers.capabilities import CAPABILITIES
from support.servers.ollama_backends import OllamaAtUrl
from support.settings import Settings, load_settings
from tests.http.tiny_server import Reply, TinyServer, json_reply

Serve = Callable[[Reply], TinyServer]

FIRST = {
    *("python", "engine", "mistralrs", "smollm2", "own model", "langchain", "schemathesis"),
    *("locust", "cargo", "cmake", "c++", "disk", "gpu"),
}


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing on its PATH and an empty cache."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("ACCEPTANCE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACCEPTANCE_CACHE_DIR", str(tmp_path / "cache" / "below"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_each_missing_thing_has_its_remedy() -> None:
    done = CliRunner().invoke(main, ["doctor", "--json"])
    findings = {finding["name"]: finding for finding in json.loads(done.output)}
    assert done.exit_code == 0, "nothing that every run needs is missing here"
    assert findings.keys() == FIRST | PROGRAMS.keys()
    assert all(finding["purpose"] and finding["remedy"] for finding in findings.values())
    assert {name for name in findings if findings[name]["available"]} - {"gpu", "locust"} == {
        "python",
        "engine",
        "disk",
    }


def test_a_line_has_state_name_place_purpose_and_remedy() -> None:
    lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
    assert lines[0].startswith("ok       python              3.1")
    node = next(line for line in lines if " node " in line)
    assert node.startswith("missing  node                -  -- makes the HTML report; `acceptance get node")


def test_the_places_stand_below_each_other() -> None:
    lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
    assert {line[28] for line in lines} == {" "} and " " not in {line[29] for line in lines}


def test_a_program_that_is_set_and_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_BIN", "nowhere/mistralrs")
    lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
    line = next(line for line in lines if " mistralrs " in line)
    assert line.startswith("missing") and "nowhere/mistralrs" in line


def test_servers_at_urls_are_asked_for_their_model(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"role": "assistant", "content": "Good day, what would you like to know about my garden?"}
    url = serve(
        json_reply(
            {"data": [{"id": "theirs"}], "choices": [{"index": 0, "message": message}], "version": "9"}
        )
    ).url
    theirs = OllamaAtUrl(url, "url", "9", takes_models=False, other_answer="Good day")
    monkeypatch.setattr(doctor, "examined", lambda *_: theirs)
    for name in ("TARGET_URL", "OLLAMA_URL", "OLLAMA_API"):
        monkeypatch.setenv(name, url)
    lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
    found = [line for line in lines if f"{url}; it serves another model" in line]
    assert [line.split(f" {url}")[0].split()[:2] for line in found] == [
        ["ok", "server"],
        ["ok", "ollama"],
        ["ok", "ollama"],
    ]


def test_an_ollama_url_without_a_server_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_URL", serve(json_reply({"version": "9"})).url)
    lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
    line = next(line for line in lines if " ollama " in line)
    assert line.startswith("missing") and "give the address of a server of the Ollama API" in line


def test_1_when_every_run_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", not_there)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "missing  engine" in done.output


def test_each_need_of_a_model_is_looked_at() -> None:
    """The doctor reports what a machine may lack; other requirements are about the target or the system."""
    about_the_target = {
        "needs.command",
        "needs.scripted_model",
        "needs.subcommands",
        "needs.ollama_api",
        "needs.scripted_gateway",
        "needs.scripted_ollama",
        "needs.own_ollama",
        "needs.ollama_command",
        "needs.model_file",
        "needs.same_model",
        "needs.pty",
        "needs.aider_model",
        "needs.grafana",
        "needs.prometheus_url",
        "needs.second_mistralrs",
    }
    about_the_target |= set(CAPABILITIES)
    reported = {f"needs.{re.sub('[ -]', '_', name)}" for name in FIRST | PROGRAMS.keys()}
    assert about_the_target | reported >= NEEDS


@pytest.mark.parametrize(
    ("body", "found", "usable"),
    [
        ("echo cargo 1.99.0", "1.99.0", True),
        ("echo cargo 1.70.0", "1.70.0", False),
        ("exit 1", "(prints no version)", False),
    ],
)
def test_a_cargo_that_cannot_build_the_server_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, found: str, *, usable: bool
) -> None:
    program = tmp_path / "cargo"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    cargo = next(finding for finding in doctor.examine(load_settings().settings) if finding.name == "cargo")
    assert cargo.found == f"{found} {program}"
    assert cargo.available == usable
    assert usable or "install Rust 1.88 or newer" in cargo.line()
