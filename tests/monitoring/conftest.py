"""Prometheus and Alertmanager, for the tests that start them; without them these are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS, promtool_of
from support.settings import Settings, load_settings


@pytest.fixture(scope="session")
def monitoring_settings() -> Settings:
    settings = load_settings().settings
    for program in (PROMETHEUS, ALERTMANAGER):
        try:
            program.get(settings.acceptance_cache_dir, print)
        except ProgramUnavailable as missing:
            pytest.skip(str(missing))
    return settings


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own tool, got on first use."""
    try:
        found = PROMETHEUS.get(load_settings().settings.acceptance_cache_dir, print)
    except ProgramUnavailable as error:
        pytest.skip(str(error))
    return promtool_of(found.path)
