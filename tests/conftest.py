"""What tests of several folders share: servers on loopback that end with their test, a scripted model."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from support.conformance import contract
from support.http import client
from support.http.responsiveness import Responsiveness
from support.models.files import ModelFiles
from support.models.script import Script
from support.models.store import ModelStore
from support.programs import process
from support.programs.never_ready import NEVER_READY, NeverReady
from tests.conformance import samples
from tests.http.tiny_server import Reply, TinyServer

# The folders with tests that start whole runs, servers, or the tools of the style.
LONG = ("runs", "reporting", "reference_server", "models", "style")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, so that no worker of pytest-xdist ends alone.

    By itself pytest-xdist begins with the files of many tests: a file of a few whole runs would be its last.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONG)


def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: three for two processors, since many tests wait for other programs; four at most."""
    return min(4, math.ceil(1.5 * (os.cpu_count() or 1)))


@pytest.fixture(autouse=True)
def _a_folder_of_a_run_is_left() -> Iterator[None]:
    """One that is not closed keeps its folder as that of all temporary files, until another removes it."""
    before = tempfile.gettempdir()
    yield
    assert tempfile.gettempdir() == before


@pytest.fixture(autouse=True)
def _the_present_of_the_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "time", SimpleNamespace(time=lambda: samples.NOW))


@pytest.fixture(autouse=True)
def _servers_of_other_tests_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is a run: what never became ready, or no longer answers, is not tried again.

    Once it was interrupted, programs get no time to end.
    """
    for name, value in vars(NeverReady()).items():
        monkeypatch.setattr(NEVER_READY, name, value)
    monkeypatch.setattr(client, "RESPONSIVENESS", Responsiveness())
    monkeypatch.setattr(process, "_longest_grace", process.TERMINATE_SECONDS)


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], TinyServer]]:
    with ExitStack() as servers:

        def begin(answer: Reply) -> TinyServer:
            server = TinyServer(answer)
            servers.callback(server.close)
            return server

        yield begin


@pytest.fixture(scope="session")
def script() -> Script:
    return Script.standard()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    # A context that an endless answer cannot fill within a test.
    return ModelStore(tmp_path_factory.mktemp("models"), verify=False).scripted(context=32768)
