"""The conformance suite of the Model Context Protocol on the server, and on the client, inside mistral.rs.

Its scenarios for one revision of the specification run one after another. Each writes `checks.json`; one
check of a scenario is one test here. A client is a command, which gets the URL of the suite's own server as
its last argument (the README of the package).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.independent.results import Rule, SuiteBroken, TestOutcome
from support.programs.child_environment import child_environment
from support.programs.independent_suites import CONFORMANCE_NODE
from support.programs.install import InstalledProgram
from support.programs.process import run_command

LIST_SECONDS = 30.0
# What the suite's checks end with; the others (INFO, WARNING) are notes.
STATUSES: Mapping[str, Any] = {"SUCCESS": "passed", "FAILURE": "failed", "SKIPPED": "skipped"}
_LISTED = re.compile(r"^  - (\S+)", re.MULTILINE)
NOTHING_CHECKED = "it has checked nothing"


def run(
    program: InstalledProgram,
    part: Mapping[str, Any],
    rules: Sequence[Rule],
    subject: Sequence[str],
    folder: Path,
    within: float,
) -> list[TestOutcome]:
    """Run the scenarios of a part. `subject`: the arguments that name the server, or the client.

    `within`: seconds for each scenario. Raises `SuiteBroken`, or `CommandTimeout`.
    """
    # The cache is above <name>/<version>/node_modules/@modelcontextprotocol/conformance/dist.
    node = CONFORMANCE_NODE.find(program.path.parents[6])
    if node is None:
        raise SuiteBroken(f"{program.name}: Node.js is gone; `acceptance get {program.name}` installs it")
    tool: list[str | Path] = [node.path, program.path]
    kind, revision = part["kind"], part["revision"]
    environment = child_environment(folder)
    listed = run_command(
        [*tool, "list", f"--{kind}", "--spec-version", revision], within=LIST_SECONDS, env=environment
    )
    scenarios = _LISTED.findall(listed.stdout)
    if not scenarios:
        raise SuiteBroken(f"{program.name} lists no scenario: {listed.describe()}")
    outcomes: list[TestOutcome] = []
    for scenario in scenarios:
        if any(rule.tests.search(scenario) for rule in rules):
            outcomes.append(TestOutcome(scenario, "skipped"))
            continue
        place = folder / scenario.replace("/", "-")
        words = [kind, *subject, "--scenario", scenario, "--timeout", str(int(within * 1000)), "-o", place]
        done = run_command([*tool, *words], within=within + LIST_SECONDS, env=environment, cwd=folder)
        (folder / f"{place.name}.txt").write_text(done.describe())
        outcomes += _results(scenario, place) or [
            TestOutcome(scenario, "failed", f"no results of the suite: {done.describe()}")
        ]
    return outcomes


def _results(scenario: str, place: Path) -> list[TestOutcome]:
    return [one for file in sorted(place.rglob("checks.json")) for one in read_checks(scenario, file)]


def read_checks(scenario: str, file: Path) -> list[TestOutcome]:
    """The checks of one scenario, each by `scenario/id`; raises `SuiteBroken` for another kind of file."""
    try:
        checks = json.loads(file.read_bytes())
        found = list(_outcomes(scenario, checks))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SuiteBroken(f"{file} cannot be read: {error!r}") from None
    return found or [TestOutcome(scenario, "skipped", NOTHING_CHECKED)]


def _outcomes(scenario: str, checks: Sequence[Mapping[str, Any]]) -> Iterator[TestOutcome]:
    for check in checks:
        if (status := STATUSES.get(check["status"])) is not None:
            message = check.get("errorMessage") or ""
            yield TestOutcome(f"{scenario}/{check['id']}", status, message)


def client_command(words: Sequence[str | Path]) -> str:
    """The command line of a client, which the suite gives to a shell."""
    return shlex.join(map(str, words))
