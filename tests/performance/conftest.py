"""The synthetic server, started once for the tests of a module; the history of loads is that of the test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.performance.ground_truth.server import synthetic_server
from support.settings import default_cache


@pytest.fixture(scope="module")
def synthetic_url() -> Iterator[str]:
    if sys.platform != "linux" or shutil.which(os.environ.get("CC") or "cc") is None:
        pytest.skip("the synthetic server needs Linux and a C compiler")
    with synthetic_server(default_cache()) as url:
        yield url


@pytest.fixture(autouse=True)
def own_history(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test adds to that of the user."""
    file = tmp_path_factory.mktemp("history") / "history.jsonl"
    monkeypatch.setenv("PERFORMANCE_HISTORY", str(file))
    return file
