"""Starts all runs at once; the tests wait for the one that they look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runs import servers
from tests.runs.cases import Runs, cases


@pytest.fixture(scope="session")
def authorizations() -> set[str]:
    """What the small API was sent."""
    return set()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, authorizations: set[str]) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("runs")
    with servers.small_api() as (api, seen), servers.mute() as mute, servers.closed() as closed:
        made = Runs(folder, cases(api, mute, closed))
        try:
            yield made
        finally:
            made.close()
            authorizations |= seen
