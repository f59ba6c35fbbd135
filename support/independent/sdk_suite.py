"""The tests of a Python SDK on a server: `TEST_API_BASE_URL`, as the instructions of the SDK describe.

Their models have fixed names, under which the server has to serve one. They run unchanged, in an environment
of their own, and the report is pytest's JUnit XML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from support.independent import pytest_plugin
from support.independent.results import Rule, SuiteBroken, TestOutcome
from support.programs.child_environment import child_environment
from support.programs.independent_suites import ENVIRONMENT, SOURCE
from support.programs.install import EXECUTABLE_SUFFIX, SCRIPTS_FOLDER, InstalledProgram
from support.programs.process import run_command

# A test may take such a part of the time for all: one that hangs leaves the others theirs.
TEST_SHARE = 12
# pytest: all passed, some failed.
FINISHED = (0, 1)
PLUGIN = Path(pytest_plugin.__file__)


def run(
    program: InstalledProgram,
    part: Mapping[str, Any],
    rules: Sequence[Rule],
    url: str,
    folder: Path,
    within: float,
) -> list[TestOutcome]:
    """Run the tests of a part on the server at a URL, with all output in `folder`.

    Raises `SuiteBroken` when pytest does not get to its end, `CommandTimeout` after `within` seconds.
    """
    root = program.path.parents[2]
    report, listed = folder / "junit.xml", folder / "not-applicable.json"
    listed.write_text(json.dumps([(rule.tests.pattern, rule.reason) for rule in rules]))
    python = root / ENVIRONMENT / SCRIPTS_FOLDER / f"python{EXECUTABLE_SUFFIX}"
    limit = ["--timeout", f"{within / TEST_SHARE:.0f}"]
    options = ["-p", PLUGIN.stem, "-p", "no:cacheprovider", *limit, "--tb=short"]
    variables = {
        "TEST_API_BASE_URL": url + part.get("base_path", ""),
        "PYTHONPATH": str(PLUGIN.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        pytest_plugin.VARIABLE: str(listed),
    }
    done = run_command(
        # Its own options (`addopts`) start a process per core.
        [python, "-m", "pytest", *options, "-o", "addopts=", f"--junit-xml={report}", *part["files"]],
        within=within,
        env=child_environment(folder, **variables),
        cwd=root / SOURCE,
    )
    (folder / "output.txt").write_text(done.describe())
    if done.exit_code not in FINISHED or not report.is_file():
        raise SuiteBroken(f"pytest of {program.name} did not run: {done.describe()}")
    return read_junit(report.read_bytes())


def read_junit(document: bytes) -> list[TestOutcome]:
    """The tests of a JUnit XML report of pytest; raises `SuiteBroken` when it is none."""
    try:
        cases = list(ElementTree.fromstring(document).iter("testcase"))
    except ElementTree.ParseError as error:
        raise SuiteBroken(f"the report of pytest cannot be read: {error}") from None
    return [_outcome(case) for case in cases]


def _outcome(case: ElementTree.Element) -> TestOutcome:
    # `tests.api_resources.test_models.TestModels`: from the file on.
    place = re.sub(r"^tests\.(api_resources\.)?", "", case.get("classname", ""))
    name = f"{place}.{case.get('name', '')}"
    for kind in ("failure", "error"):
        if (found := case.find(kind)) is not None:
            return TestOutcome(name, "failed", found.get("message", "") or (found.text or ""))
    if (found := case.find("skipped")) is not None:
        return TestOutcome(name, "skipped", found.get("message", ""))
    return TestOutcome(name, "passed")
