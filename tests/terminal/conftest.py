"""Sessions that are ended with the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from support.models.files import ModelFiles
from support.models.script import Script
from support.results.must_check import MustCheck
from support.scenario import ScenarioContext
from support.servers.command_line import ModelArguments
from support.terminal.pty_session import TerminalSession
from support.terminal.scenario import TerminalScenario
from tests.terminal.fakes import environment, words

Open = Callable[[str], TerminalSession]

if os.name == "nt":
    pytest.skip("there are no pseudo-terminals here", allow_module_level=True)


Scenario = Callable[..., TerminalScenario]


@pytest.fixture
def terminal_scenario(tmp_path: Path, script: Script) -> Iterator[Scenario]:
    """The terminal of a scenario; each chat in it is one of the programs of `fakes`, with these arguments."""
    with ExitStack() as cleanups:

        def make(program: str, *arguments: str) -> TerminalScenario:
            executable, *rest = words(program, *arguments)
            suite = SimpleNamespace(
                command=SimpleNamespace(
                    path=executable,
                    version="0.8.1",
                    label="mistralrs 0.8.1",
                    command_line=SimpleNamespace(chat=lambda _model: rest),
                ),
                settings=SimpleNamespace(seconds=lambda seconds: seconds),
                scripted=lambda: ModelArguments(tmp_path, "model.gguf", "gguf"),
                script=script,
                models=SimpleNamespace(scripted=lambda *_, **__: ModelFiles(tmp_path, "model.gguf", "gguf")),
            )
            context = SimpleNamespace(suite=suite, folder=tmp_path, cleanups=cleanups, must_check=MustCheck)
            return TerminalScenario(cast(ScenarioContext, context))

        yield make


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    """Starts one of the programs of `fakes` in a terminal of 12 rows and 60 columns."""
    with ExitStack() as sessions:

        def start(program: str) -> TerminalSession:
            session = TerminalSession(
                words(program), env=environment(tmp_path), cwd=tmp_path, rows=12, columns=60
            )
            sessions.callback(session.stop)
            return session

        yield start
