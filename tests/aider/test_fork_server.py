"""Runs in forks, with a small Aider: arguments, environment, streams, exit codes, signals and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.aider import fork_server
from support.aider.run import require_local
from support.errors import CheckFailed
from support.waiting import wait_until
from tests.timeouts import PATIENCE

# Imported as `aider.main` and `aider.llm`.
MAIN = """
import os, signal, socket, sys, time
def main(arguments):
    if arguments == ["wait"]:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
        print("waiting", os.getpid(), flush=True)
        time.sleep(600)
    if arguments == ["fail"]:
        raise ValueError("a defect")
    if arguments == ["parse"]:
        import json5
        json5.loads("own")["changed"] = True
        print(json5.loads("own"), json5.loads("another"))
        return 0
    if arguments == ["connect"]:
        socket.socket().connect_ex(("127.0.0.1", 9))
    if arguments == ["listen"]:
        socket.create_server(("", 0)).close()
    print(arguments, os.environ.get("OWN"), os.getcwd(), sys.stdin.read(), sys.argv[0])
    return len(arguments)
"""
LLM = """
class litellm:
    @staticmethod
    def _load_litellm():
        print("loaded", flush=True)
"""
# As `json5`; of the text of `aider/resources/model-metadata.json`, and of others.
JSON5 = """
def loads(text):
    print("parsed", text, flush=True)
    return {text: 1}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    package = tmp_path / "packages" / "aider"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "main.py").write_text(MAIN)
    (package / "llm.py").write_text(LLM)
    (package / "resources").mkdir()
    (package / "resources" / "__init__.py").write_text("")
    (package / "resources" / "model-metadata.json").write_text("own")
    (package.parent / "json5.py").write_text(JSON5)
    path = tmp_path / "s"
    env = {"PYTHONPATH": str(package.parent), "PATH": os.environ["PATH"]}
    command = [sys.executable, fork_server.__file__, "serve", str(path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until("the socket", path.exists, timeout=PATIENCE, alive=lambda: process.poll() is None)
            yield path
        finally:
            process.kill()


def start(server: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", fork_server.__file__, "run", str(server), *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=server.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_is_as_if_it_had_started_the_program(server: Path) -> None:
    process = start(server, "--one", "two words", OWN="mine")
    output, _ = process.communicate("typed", timeout=PATIENCE)
    assert process.returncode == 2
    assert output == f"['--one', 'two words'] mine {server.parent} typed aider\n"


def test_the_own_list_of_models_is_parsed_before_all_runs(server: Path) -> None:
    for _ in range(2):
        output, _ = start(server, "parse").communicate("", timeout=PATIENCE)
        assert output == "parsed another\n{'own': 1} {'another': 1}\n"


def test_a_defect_is_a_traceback_and_exit_code_1(server: Path) -> None:
    process = start(server, "fail")
    output, _ = process.communicate("", timeout=PATIENCE)
    assert process.returncode == 1
    assert "ValueError: a defect" in output


def test_two_runs_do_not_wait_for_each_other(server: Path) -> None:
    waiting = start(server, "wait")
    assert waiting.stdout is not None
    assert waiting.stdout.readline().startswith("waiting")
    assert start(server, "x").communicate("", timeout=PATIENCE)[0].startswith("['x']")
    waiting.kill()
    waiting.communicate()


def test_a_signal_is_passed_on(server: Path) -> None:
    process = start(server, "wait")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 7


def test_a_fork_ends_with_its_run(server: Path) -> None:
    process = start(server, "wait")
    assert process.stdout is not None
    fork = psutil.Process(int(process.stdout.readline().split()[1]))
    process.kill()
    process.communicate()
    wait_until("the end of the fork", lambda: not fork.is_running(), timeout=PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a child with its parent on Linux only")
def test_a_fork_ends_with_the_server(server: Path) -> None:
    process = start(server, "wait")
    assert process.stdout is not None
    fork = psutil.Process(int(process.stdout.readline().split()[1]))
    fork.parent().kill()  # type: ignore[union-attr]
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    wait_until(
        "the end of the fork",
        lambda: not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE,
        timeout=PATIENCE,
    )


def test_connections_are_recorded(server: Path, tmp_path: Path) -> None:
    record = tmp_path / "connections"
    start(server, "connect", ACCEPTANCE_CONNECTIONS=str(record)).communicate("", timeout=PATIENCE)
    assert record.read_text() == "127.0.0.1 9\n"


def test_a_socket_that_listens_for_other_machines_is_recorded(server: Path, tmp_path: Path) -> None:
    record = tmp_path / "connections"
    start(server, "listen", ACCEPTANCE_CONNECTIONS=str(record)).communicate("", timeout=PATIENCE)
    assert record.read_text() == " 0\n"
    with pytest.raises(CheckFailed, match="listens for them"):
        require_local(record.read_text().splitlines())
