"""Models that several tests share, made once per run in a temporary cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.models.store import ModelStore


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with proofs."""
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture
def unproved(tmp_path: Path) -> ModelStore:
    """An empty store that does not start the engine."""
    return ModelStore(tmp_path / "cache", verify=False)
