"""A run of Aider that does not end: the suite ends it, and reports what it waited for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.aider.scenario import RUN_SECONDS, AiderScenario
from support.aider.server import ConnectedServer
from support.chat.client import OPENAI_CHAT, ChatEndpoint
from support.errors import CheckFailed
from support.http.recording_proxy import Fault, RecordingProxy
from support.scenario import ScenarioContext
from tests.http.tiny_server import Reply, TinyServer, reply

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
        aider = AiderScenario(SimpleNamespace(suite=suite, context=context))  # type: ignore[arg-type]
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
    assert "the end of Aider: not within 6.0 s" in aider.runs.get().output


def test_a_server_that_cannot_be_reached_ends_the_run(make: Callable[[str], AiderScenario]) -> None:
    aider = make(UNREACHABLE)
    aider.ask("Describe the waves", None)
    assert "ended by the suite: it has sent its request 4 times" in aider.runs.get().output
