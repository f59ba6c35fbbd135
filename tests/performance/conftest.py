"""The synthetic server, started once for the tests of a module."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from support.performance.ground_truth.server import synthetic_server
from support.settings import default_cache


@pytest.fixture(scope="module")
def synthetic_url() -> Iterator[str]:
    if sys.platform != "linux" or shutil.which(os.environ.get("CC") or "cc") is None:
        pytest.skip("the synthetic server needs Linux and a C compiler")
    with synthetic_server(default_cache()) as url:
        yield url
