"""The suite as behave reads it, once for all checks."""

from __future__ import annotations

import pytest

from tests.style.reading import Vocabulary, read_vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return read_vocabulary()
