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


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authorizations: set[str]
) -> Iterator[Runs]:
    """Those of the module's `RUNS`: its tests may run in another process than those of another module."""
    folder = tmp_path_factory.mktemp("runs")
    with servers.small_api() as (api, seen), servers.mute() as mute, servers.closed() as closed:
        known = cases(api, mute, closed)
        made = Runs(folder, {name: case for name, case in known.items() if name in request.module.RUNS})
        try:
            yield made
        finally:
            made.close()
            authorizations |= seen
