"""A run of Aider that does not end: the suite ends it, and reports what it waited for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from support.aider import scenario
from support.aider.host import AiderHost
from support.aider.scenario import RUN_SECONDS, AiderScenario
from support.aider.server import ConnectedServer
from support.chat.client import OPENAI_CHAT, ChatEndpoint
from support.errors import CheckFailed
from support.http.recording_proxy import Fault, RecordingProxy
from support.programs.install import InstalledProgram
from support.runner.time_limits import BudgetExceeded
from support.scenario import ScenarioContext
from support.waiting import wait_until
from tests.http.tiny_server import Reply, TinyServer, reply
from tests.timeouts import PATIENCE

CHAT = "/v1/chat/completions"
# Seconds for a run.
LIMIT = 6.0
# In place of Aider: it reads a stream without a time limit, or never gets a response.
READER = """
import sys, urllib.request
body = b'{"messages": []}'
response = urllib.request.urlopen(urllib.request.Request(sys.argv[1], body))
print("begun:", response.read(5), flush=True)
response.read()
"""
UNREACHABLE = """
import time
print("Retrying in 0.2 seconds\\n" * 4, flush=True)
time.sleep(600)
"""
# In place of Aider, in its environment: it starts a shell, as for tests, which starts another program.
AIDER_MODULES = {
    "__init__": "",
    "llm": "class litellm:\n    _load_litellm = staticmethod(lambda: None)\n",
    "main": """
import os, subprocess, time
def main(arguments):
    shell = subprocess.Popen("sleep 600 & echo $! > sleep; wait", shell=True)
    while not (os.path.exists("sleep") and open("sleep").read().strip()):
        time.sleep(0.01)
    with open("processes.new", "w") as opened:
        opened.write(f"{os.getpid()} {shell.pid} {open('sleep').read()}")
    os.rename("processes.new", "processes")
    time.sleep(600)
""",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[AiderHost]:
    for name, text in AIDER_MODULES.items():
        (tmp_path / "packages" / "aider").mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / "aider" / f"{name}.py").write_text(text)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}/packages" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    made = AiderHost(InstalledProgram("aider", tmp_path / "aider", "1", "cache"), tmp_path, PATIENCE)
    yield made
    made.stop()


@pytest.fixture
def proxy(serve: Callable[[Reply], TinyServer]) -> Iterator[RecordingProxy]:
    with closing(RecordingProxy(serve(reply(b"data: 1\n\n" * 9)).url, [CHAT])) as made:
        yield made


@pytest.fixture
def make(
    proxy: RecordingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], AiderScenario]]:
    settings = SimpleNamespace(seconds=lambda seconds: LIMIT if seconds == RUN_SECONDS else seconds)
    suite: Any = SimpleNamespace(settings=settings, target=SimpleNamespace(program="", version=""))
    context = ScenarioContext(suite, tmp_path)

    def made(program: str) -> AiderScenario:
        aider = AiderScenario(SimpleNamespace(suite=suite, context=context, discard_shared=lambda: None))  # type: ignore[arg-type]
        aider.start_project("tides")
        endpoint = ChatEndpoint("mistral.rs", proxy.url, "default", OPENAI_CHAT)
        command = [sys.executable, "-I", "-S", "-c", program, f"{proxy.url}{CHAT}"]
        monkeypatch.setattr(AiderScenario, "server", ConnectedServer(endpoint, proxy, None, "unused"))
        monkeypatch.setattr(AiderScenario, "_command", lambda *_: command)
        return aider

    with context.cleanups:
        yield made


def test_a_stream_that_stalls_is_ended_and_reported(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    proxy.faults.append(Fault(ends_after=5, stalls=True))
    aider = make(READER)
    with pytest.raises(CheckFailed, match=r"(?s)the end of Aider.*request 1, .*, 5 bytes.*begun: b'data:"):
        aider.ask("Describe the waves", None)
    assert ": not within 6.0 s" in aider.runs.get().output


def test_a_server_that_cannot_be_reached_ends_the_run(make: Callable[[str], AiderScenario]) -> None:
    aider = make(UNREACHABLE)
    aider.ask("Describe the waves", None)
    assert "ended by the suite: it has sent its request 4 times" in aider.runs.get().output


@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_all_processes_of_a_run_end_with_a_step_that_takes_too_long(
    make: Callable[[str], AiderScenario], host: AiderHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    aider = make("")
    started = aider.project.folder / "processes"
    found: list[psutil.Process] = []

    def exceed(*_: object, **__: object) -> None:
        wait_until("the processes", started.exists, timeout=PATIENCE)
        found.extend(psutil.Process(int(pid)) for pid in started.read_text().split())
        raise BudgetExceeded("the step took too long")

    monkeypatch.setattr(AiderScenario, "_command", lambda *_: host.command([]))
    monkeypatch.setattr(scenario, "wait_until", exceed)
    with pytest.raises(BudgetExceeded):
        aider.ask("Describe the waves", None)
    # Nothing that Aider does is later than what the step sees of the files.
    assert not found[0].is_running()
    wait_until("the end of all", lambda: all(map(has_exited, found)), timeout=PATIENCE)
    assert host.alive
    assert aider.runs.get().output.endswith("(ended with its step)")


def has_exited(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
