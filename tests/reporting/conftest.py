"""One run of the toy suite, shared by all tests that read what it left."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.reporting import toys

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> toys.Run:
    return toys.behave(
        tmp_path_factory.mktemp("toy"),
        "-D",
        "worker=w1",
        "-D",
        "target_label=engine A",
        binary_health__version=toys.VERSION,
        openai_api__groups=toys.GROUPS,
        openai_api__rules=toys.RULES,
        resilience__broken_feature=toys.BROKEN_FEATURE,
        resilience__broken_end=toys.BROKEN_END,
    )
