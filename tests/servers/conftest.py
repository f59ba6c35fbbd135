"""A machine without any mistral.rs: no settings, an empty PATH, temporary folders that can be counted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.settings import Settings
from tests.servers.stand_in_programs import Programs


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("ACCEPTANCE_"):
            monkeypatch.delenv(name)
    for folder in ("work", "temporary", "path"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Makes programs and knows the processes that they were; none may be there at the end."""
    made = Programs(tmp_path)
    yield made
    made.check_nothing_left()
