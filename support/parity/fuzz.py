"""Requests made up by Schemathesis from the target's own description of its API, for a bounded time.

Asked is what no client may bring about, whatever it sends: a server error (status 500 and above), an answer
that does not come, the end of the server. That a description promises too little is no finding here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from support.errors import NotOffered
from support.http.client import ApiClient
from support.running.processes import CommandTimeout, run_command
from support.target.environment import child_environment

DESCRIPTION = "/api-doc/openapi.json"
MODULE = "schemathesis"
SEED = 1
ANSWER_SECONDS = 10
# To start, to end, and for a request that is under way when the time is over.
SLACK_SECONDS = 30.0
SHOWN = 3000
_MADE = re.compile(r"(\d+) generated")
# Its exit codes: 0 nothing found, 1 failures found, 2 wrong usage; others are errors of its own.
CLEAN, FOUND = 0, 1


@dataclass(frozen=True)
class Fuzzed:
    """What came of it. `findings`: its own words; empty when nothing was found."""

    findings: str
    told: str
    requests: int

    def require_clean(self) -> None:
        """Raises AssertionError with the findings."""
        assert not self.findings, (
            f"{self.requests} made-up requests brought this about:\n{self.findings[-SHOWN:]}"
        )

    def require_asked(self, least: int) -> None:
        """It really asked; raises AssertionError with what it told."""
        assert self.requests >= least, f"only {self.requests} requests were made:\n{self.told[-SHOWN:]}"


def missing() -> str | None:
    """The module that is not installed, or None."""
    return MODULE if importlib.util.find_spec(MODULE) is None else None


def fuzz(url: str, folder: Path, seconds: float) -> Fuzzed:
    """Make up requests to a server on loopback for so many seconds.

    Raises `NotOffered` when the server describes nothing.
    """
    description = _description(url, folder)
    command: list[str | Path] = [
        *(sys.executable, "-m", MODULE + ".cli", "run", description, "--url", url),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
        *("--max-time", str(int(seconds)), "--seed", str(SEED), "--continue-on-failure", "--no-shrink"),
        *("--request-timeout", str(ANSWER_SECONDS), "--warnings", "off", "--no-color"),
    ]
    environment = {**child_environment(folder), "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore"}
    try:
        done = run_command(
            command, within=seconds + SLACK_SECONDS, folder=folder, env=environment, cwd=folder
        )
    except CommandTimeout as error:
        return Fuzzed(str(error), str(error), 0)
    told = done.stdout + done.stderr
    if done.exit_code not in (CLEAN, FOUND):
        raise RuntimeError(f"{MODULE} ended with {done.exit_code}: {told[-SHOWN:]}")
    made = _MADE.search(told)
    return Fuzzed(told if done.exit_code == FOUND else "", told, int(made[1]) if made else 0)


def _description(url: str, folder: Path) -> Path:
    with contextlib.closing(ApiClient(url)) as client:
        answered = client.get(DESCRIPTION)
    if answered.status != 200:
        raise NotOffered(f"the server has no description of its API ({answered.status} for {DESCRIPTION})")
    file = folder / "openapi.json"
    file.write_bytes(answered.body)
    return file
