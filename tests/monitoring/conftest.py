"""Prometheus and Alertmanager, for the tests that start them; without them these are skipped."""

from __future__ import annotations

import pytest

from support.errors import ProgramUnavailable
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS
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
