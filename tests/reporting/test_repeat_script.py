"""`repeat.sh` starts the servers of a scenario, sends its requests, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from support.http.exchange import Exchange
from support.programs.launcher import free_port
from support.programs.process import CompletedCommand
from support.programs.starts import ServerStart, Starts
from support.reporting import repeat_script
from support.reporting.evidence import Transcript, write_evidence
from support.reporting.repeat_script import SCRIPT, replay_evidence, suite_evidence
from support.results.rerun_command import set_rerun_target
from support.servers.discovery import CommandTarget
from support.settings import ResolvedSettings, Settings
from support.suite import RunContext
from support.world import World
from tests.timeouts import PATIENCE


@pytest.fixture(autouse=True)
def known_starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    made = Starts()
    monkeypatch.setattr(repeat_script, "STARTS", made)
    return made


def file_server(port: int, folder: Path, *options: str) -> ServerStart:
    command = (*(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"), *options)
    url = f"http://127.0.0.1:{port}"
    return ServerStart.of([*command, "--directory", folder], {"GREETING": "it's"}, Path("/none"), url)


def get(url: str) -> Exchange:
    return Exchange("GET", url, {}, b"", 200, {}, b"", 0.1)


def run(folder: Path | None, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the script; its temporary folder has to be empty afterwards."""
    assert folder is not None
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        ["sh", folder / "repeat.sh"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "TMPDIR": str(temporary)},
        check=False,
    )
    assert not list(temporary.iterdir())
    return done


@pytest.mark.parametrize("place", ["the scenario", "the scenario/model"])
def test_the_server_is_started_with_its_files_and_ended(
    tmp_path: Path, known_starts: Starts, place: str
) -> None:
    scenario = tmp_path / "the scenario"
    model = tmp_path / place
    model.mkdir(parents=True)
    (model / "weights").write_bytes(b"\0broken\0")
    start = file_server(free_port(), model)
    known_starts.add(start)
    asked = replace(get(f"{start.url}/weights"), request_headers={"Authorization": "Bearer none"})
    pieces = replay_evidence([asked], folder=scenario)
    folder = write_evidence(pieces, tmp_path, "toy.broken")
    (model / "weights").unlink()
    done = run(folder, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("HTTP/1.0 200") and "broken" in done.stdout
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(start.url.rpartition(":")[2]))) != 0


def test_a_file_that_scenarios_share_is_kept(tmp_path: Path) -> None:
    scenario, shared = tmp_path / "run" / "scenario", tmp_path / "run" / "tool-server" / "tools.json"
    for folder in (scenario, shared.parent):
        folder.mkdir(parents=True)
    shared.write_text("{}")
    start = ServerStart(("server", "--mcp-config", str(shared)), {}, "http://127.0.0.1:2")
    script, kept = replay_evidence([], [start], scenario)
    assert "server --mcp-config files/tools.json" in script.data.decode()
    assert (kept.file, kept.data) == ("files/tools.json", b"{}")


def test_a_server_gets_its_models_before_the_requests(tmp_path: Path, known_starts: Starts) -> None:
    start = file_server(free_port(), tmp_path)
    known_starts.add(start)
    known_starts.add_setup(start.url, "echo created")
    known_starts.add_setup("http://127.0.0.1:1", "echo not started here")
    done = run(write_evidence(replay_evidence([get(start.url)]), tmp_path, "toy.models"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("created\nHTTP/1.0 200")


def test_a_server_is_started_after_the_one_behind_it(tmp_path: Path, known_starts: Starts) -> None:
    behind = file_server(free_port(), tmp_path)
    front = ServerStart(("gateway", "--target", behind.url), {}, "http://127.0.0.1:2")
    known_starts.add(behind)
    known_starts.add(front)
    (script,) = replay_evidence([get(f"{front.url}/api/tags"), get(f"{behind.url}/")])
    lines = [line for line in script.data.decode().splitlines() if line.startswith(("start http", "curl"))]
    assert [line.split()[1] for line in lines[:2]] == [behind.url, front.url]
    assert len(lines) == 4


def test_a_start_that_fails_shows_its_log(tmp_path: Path) -> None:
    failing = file_server(free_port(), tmp_path, "--no-such-option")
    folder = write_evidence(replay_evidence([], [failing]), tmp_path, "toy.failing")
    done = run(folder, tmp_path)
    assert done.returncode == 1
    assert "--no-such-option" in done.stderr and done.stderr.endswith("the server did not become ready\n")


def test_a_port_that_is_in_use_is_one_line(tmp_path: Path, known_starts: Starts) -> None:
    start = file_server(free_port(), tmp_path)
    with subprocess.Popen(start.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        try:
            subprocess.run(
                ["curl", "-s", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", start.url],
                stdout=subprocess.DEVNULL,
                check=True,
            )
            known_starts.add(start)
            done = run(write_evidence(replay_evidence([get(start.url)]), tmp_path, "toy.taken"), tmp_path)
        finally:
            other.kill()
    assert (done.returncode, done.stderr) == (1, f"{start.url} is in use: end what listens there\n")


def test_no_script_starts_a_server_without_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat_script, "MAX_FILES_BYTES", 10)
    (tmp_path / "model.gguf").write_bytes(b"x" * 11)
    start = ServerStart(("server", "-f", str(tmp_path / "model.gguf")), {}, "http://127.0.0.1:2")
    assert replay_evidence([], [start], tmp_path) == []


SETTINGS = [
    ("target_api_key", "(redacted)", "the environment"),
    ("test_batch_size", "4", "-D test_batch_size"),
    ("acceptance_cases", "a.b", "-D acceptance_cases"),
    ("test_port", "-", "default"),
]


def test_the_suite_repeats_what_requests_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    program = tmp_path / "bin dir" / "acceptance"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.chdir(tmp_path)
    request.addfinalizer(partial(set_rerun_target, []))
    set_rerun_target(["--target", "reference"])
    script = suite_evidence("scenario", ["features/x.feature:3"], SETTINGS)
    folder = write_evidence([script], tmp_path / "the reports", "Many users")
    assert folder is not None
    monkeypatch.delenv("TARGET_API_KEY", raising=False)
    refused = run(folder, tmp_path)
    assert refused.returncode != 0 and "TARGET_API_KEY: set it as in the run that failed" in refused.stderr
    monkeypatch.setenv("TARGET_API_KEY", "k")
    done = run(folder, tmp_path)
    assert done.returncode == 1, done.stderr
    place, *words = done.stdout.splitlines()
    assert place == str(tmp_path)
    assert words[:4] == ["run", "features/x.feature:3", "--tags", "slow or not slow"]
    assert words[-6:-2] == ["--target", "reference", "--gate", "strict"]
    assert words[-1] == f"acceptance_reports_dir={folder}/repeated"
    assert "test_batch_size=4" in words and not any("a.b" in word for word in words)


# What a scenario has beside the requests of one client, as an attribute of its world.
KINDS = ("mcp", "parity", "performance", "faults", "clients")


@pytest.mark.parametrize("kind", [*KINDS, "task_result", "difference", "program", "terminal", "requests"])
def test_only_requests_of_one_client_are_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, kind: str
) -> None:
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", "a test")
    run_context = RunContext(ResolvedSettings(Settings(), {}), target)
    request.addfinalizer(run_context.close)
    world = World(run_context, tmp_path)
    monkeypatch.setattr(World, "exchanges", lambda _: [get("http://127.0.0.1:1/x")])
    if kind in KINDS:
        vars(world)[kind] = object()
    elif kind == "program":
        world.program.completed.set(CompletedCommand(("a",), 1, "", "", 0.1))
    elif kind == "terminal":
        monkeypatch.setattr(world.terminal, "transcripts", lambda: [Transcript("a chat", "> ")])
    elif kind != "requests":
        getattr(world, kind).set("an outcome")
    world.collect()
    scripts = [piece for piece in world.evidence if piece.file == SCRIPT]
    assert len(scripts) == (kind == "requests")


def test_what_every_process_has_and_what_names_the_home_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "RUST_LOG": "off"})
    given = {"PATH": "/bin", "RUST_LOG": "info", "HOME": "/tmp/h", "HF_HOME": "/tmp/h/hf"}
    assert ServerStart.of(["a"], given, Path("/tmp/h"), "").environment == {"RUST_LOG": "info"}
