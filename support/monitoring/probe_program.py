"""`acceptance probe` as a process beside a monitored server; the Prometheus of the run scrapes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from support.monitoring.alert_rules import default_parameters
from support.monitoring.exposition import MalformedPage, read_page
from support.monitoring.prometheus_pair import MonitoringBroken
from support.programs.child_environment import child_environment
from support.programs.install import EXECUTABLE_SUFFIX
from support.programs.launcher import LaunchedProgram, LaunchFailure, http_ready, launch
from support.settings import Settings

PROBE_JOB = str(default_parameters()["probe_job"])
PROGRAM = Path(sys.executable).with_name(f"acceptance{EXECUTABLE_SUFFIX}")
# One round, at its start: other checks count the requests of the server.
INTERVAL = "1h"
READY_SECONDS = 60.0
# Of a round (support/probe/checks.toml): with fewer runs, the first one has not ended.
RUNS, CHECKS = "acceptance_probe_runs_total", 4
_LISTENING = re.compile(r"metrics: (http://\S+)/metrics")


def start_probe(target_url: str, settings: Settings) -> LaunchedProgram:
    """Start it on a free port and wait until its first round has ended; raises `MonitoringBroken`."""

    def missing(program: LaunchedProgram) -> str:
        listening = _LISTENING.search(program.log)
        if listening is None:
            return "it does not listen"
        program.url = listening[1]
        return http_ready(program.url, "/metrics", lambda exchange: _round_ended(exchange.text))(program)

    try:
        return launch(
            "the probe",
            [PROGRAM, "probe", "--target", target_url, "--every", INTERVAL],
            environment=child_environment,
            ready=missing,
            timeout=settings.seconds(READY_SECONDS),
        )
    except LaunchFailure as failure:
        raise MonitoringBroken(f"the probe does not start: {' '.join(str(failure).split())}") from None


def _round_ended(page: str) -> bool:
    try:
        return read_page(page).total(RUNS) >= CHECKS
    except MalformedPage:
        return False
