"""A run of Aider that does not end: the suite ends it, and reports what it waited for."""

from __future__ import annotations

import os
import re
import signal
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
from support.aider.traffic import EDIT, Traffic
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
# It has started a shell, which starts another program, in a session of its own or not, before it reads.
WITH_CHILD = """
import subprocess
subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session={apart})
"""
# A program that it starts listens for other machines.
LISTENING = """
import subprocess, sys
program = "import socket, sys; s = socket.create_server(('{host}', 0)); print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
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
    made = AiderHost(InstalledProgram("aider", tmp_path / "aider", "1", "cache"), tmp_path)
    made.wait_until_imported(PATIENCE)
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
        # No process has this number.
        monkeypatch.setattr(AiderScenario, "_host", SimpleNamespace(pid=0))
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


def limited(
    aider: AiderScenario, proxy: RecordingProxy, *, stalls: bool = True, late: float = 0.0
) -> AiderScenario:
    """A run whose stream begins after `late` seconds, then stalls, or ends; the suite soon ends it."""
    before = ((late, b"data:"),) if late else ()
    proxy.faults.append(Fault(ends_after=5 if stalls else None, stalls=stalls, before=before))
    vars(aider)["_answer_seconds"] = 1.0
    aider.ask("Describe the waves", None)
    return aider


def test_a_run_that_has_to_be_ended_is_no_failure_where_a_scenario_is_about_it(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    aider = limited(make(WITH_CHILD.format(apart=False) + READER), proxy)
    aider.require_end(None)
    aider.require_traffic(1, Traffic(EDIT))
    aider.require_changed(())
    # What its user sees: the beginning, and nothing more.
    assert re.search(
        r"begun: b'data:'\n\n\(ended by the suite 1 s after the last part of an answer\)$",
        aider.runs.get().output,
    )
    with pytest.raises(CheckFailed, match=r"^ended by the suite 1 s"):
        aider.require_end(0)


def test_a_stream_that_begins_late_has_begun_before_its_run_is_ended(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    """As a model that is loaded first, or a busy machine, makes it: it was ended before it stalled."""
    aider = limited(make(READER), proxy, late=2.0)
    aider.require_end(None)
    assert "begun: b'data:'" in aider.runs.get().output


def test_a_run_that_ends_by_itself_was_not_ended_by_the_suite(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    aider = limited(make(READER), proxy, stalls=False)
    with pytest.raises(CheckFailed, match=r"it ended by itself after .* s, exit code 0"):
        aider.require_end(None)
    aider.require_end(0)


def test_a_process_that_is_left_of_an_ended_run_is_found(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "EXIT_SECONDS", 0.5)
    # As if nobody knew of what is in a session of its own.
    monkeypatch.setattr("support.programs.process._longest_grace", 0.0)
    monkeypatch.setattr(psutil.Process, "kill", lambda _: None)
    aider = limited(make(WITH_CHILD.format(apart=True) + READER), proxy)
    watch = vars(aider)["_watch"]
    try:
        with pytest.raises(
            AssertionError, match=r"(?s)the end of all processes of a run: not within .*sleep"
        ):
            aider.require_end(None)
    finally:
        for process in watch.left:
            os.kill(process.pid, signal.SIGKILL)


def test_a_program_that_it_starts_may_listen_for_this_machine_only(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    limited(make(LISTENING.format(host="127.0.0.1") + READER), proxy)


def test_a_program_that_it_starts_is_watched(
    make: Callable[[str], AiderScenario], proxy: RecordingProxy
) -> None:
    with pytest.raises(CheckFailed, match=r"or listens for them: 0\.0\.0\.0 \d+ \S+, listening"):
        limited(make(LISTENING.format(host="0.0.0.0") + READER), proxy)


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
