"""A toy suite for real behave, and what a run of it leaves."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.results.record import Record, read_records

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

CONFIGURATION = """\
[behave]
scenario_outline_annotation_schema = {name}

[behave.formatters]
allure = support.reporting.allure_formatter:AcceptanceAllure
live = support.reporting.progress:Live
"""

RUNNER = "tests.reporting.toy_runner:ToyRunner"

VERSION = """\
@smoke
Feature: Version and help
  A toy with every way to end.

  Scenario: It passes
    Given a target
    When it answers 4
    Then the answer is 4

  Scenario: It fails
    Given a target
    When it answers 4
    Then the answer is 5
    And the answer is 6

  Scenario: It breaks
    Then the harness fails

  Scenario: It is undefined
    Given a target
    Then nobody has written this

  @broken_before
  Scenario: Its hook before fails
    Given a target

  @broken_after
  Scenario: Its hook after fails
    Given a target

  @unclean
  Scenario: Its cleanup fails
    Given a target

  @needs.gpu
  Scenario: It lacks a need
    Given a target

  Scenario: It skips itself
    Given a target
    Then nothing more is asked
    And the answer is 9

  @known
  Scenario: It is a known issue
    When it answers 1
    Then the answer is 2

  @measured
  Scenario: It is measured
    Given a target
"""

GROUPS = """\
Feature: Groups of checks

  @checked @critical
  Scenario: Bodies that are not JSON are rejected
    Given a target
"""

RULES = """\
Feature: Rules and rows

  Rule: Arithmetic is kept

    Scenario: A rule passes
      When it answers 4
      Then the answer is 4

    Scenario: A rule fails
      When it answers 4
      Then the answer is 5

  Scenario Outline: <given> is answered with <wanted>
    When it answers <given>
    Then the answer is <wanted>

    Examples: numbers
      | given | wanted |
      | 1     | 1      |
      | 2     | 3      |
"""

BROKEN_FEATURE = """\
@broken_feature
Feature: Nothing gets to run

  Scenario: It never runs
    Given a target
"""

BROKEN_END = """\
@broken_end
Feature: The end fails

  Scenario: It had passed
    Given a target
"""


def unpacked(data: bytes) -> str:
    """The text of data that may be compressed."""
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")


def packed_content(page: bytes) -> dict[str, Any]:
    """The program (`app`), the data (`data`) and the other pages (`pages`) in an HTML report."""
    found = re.search(rb'id="packed-report" type="text/plain">([^<]*)<', page)
    assert found
    content: dict[str, Any] = json.loads(unpacked(base64.b64decode(found[1])))
    return content


@dataclass(frozen=True)
class Run:
    """One run of real behave."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str

    @property
    def results(self) -> Path:
        return self.folder / "reports" / "allure-results"

    @property
    def records(self) -> dict[str, Record]:
        return {record.name: record for record in read_records(self.folder / "reports" / "records.jsonl")}

    @property
    def allure(self) -> dict[str, dict[str, Any]]:
        found = [json.loads(file.read_bytes()) for file in self.results.glob("*-result.json")]
        named = {test["name"]: test for test in found}
        assert len(named) == len(found), "two results of one name"
        return named


def behave(folder: Path, *options: str, env: dict[str, str] | None = None, **features: str) -> Run:
    """Run the features (capability__name -> text), with records, Allure results and progress."""
    for key, text in features.items():
        capability, name = key.split("__")
        file = folder / "features" / capability / f"{name}.feature"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / "toy.py").write_text((HERE / "toy_steps.py").read_text())
    (folder / "environment.py").write_text((HERE / "toy_environment.py").read_text())
    (folder / "behave.ini").write_text(CONFIGURATION)
    # fmt: off
    command = [
        sys.executable, "-m", "behave", "--no-summary", "--runner", RUNNER,
        "-f", "allure", "-o", "reports/allure-results",
        "-f", "live",
        *options, "features",
    ]
    # fmt: on
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    full = clean | {"PYTHONPATH": str(ROOT), "HOME": str(folder)} | (env or {})
    done = subprocess.run(command, cwd=folder, env=full, capture_output=True, timeout=300, check=False)
    return Run(folder, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode())
