"""Defects that servers really have: which of them a run without the list of known issues detects."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.results.known_issues import KnownIssues
from tools.gateway_cost import Row

PROJECT = Path(__file__).resolve().parents[1]
# A known issue is a failure with this gate.
STRICT = ("--gate", "strict", "--parallel", "-D", "acceptance_html=false")
RUNS = (
    ("--target", "real", "--tags", "not slow"),
    ("ollama_api", "--target", "reference", "-D", "ollama_api=ollama"),
)
_PROGRAM = re.compile(r"([a-z][\w-]*) (\d[\w.]*)")
NOT_JUDGED = {"skipped", "unsupported", "not_run"}


def natural() -> list[Row]:
    """A run without the list on the real mistral.rs, and one on a real Ollama."""
    rows = []
    for words in RUNS:
        with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
            command = [str(Path(sys.executable).with_name("acceptance")), "run", *words, *STRICT]
            subprocess.run([*command, "-D", f"acceptance_reports_dir={folder}"], cwd=PROJECT, check=False)
            report = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
        found = compared(report, KnownIssues.load())
        for title, names in (("missed", found.missed), ("not listed", found.unlisted)):
            for name in names:
                print(f"{title}: {name}", file=sys.stderr)
        rows.append((f"listed defects of {report['subject']} that fail without the list", "all", str(found)))
    return rows


@dataclass(frozen=True)
class NaturalFaults:
    """Names of checks and scenarios that are listed for the programs of a run, and of other failures.

    `detected`: those with the failure that is listed. `flaky`: those that passed, and that may. `not_judged`:
    what the run skipped or did not select. `unlisted`: failures that are listed for no program."""

    detected: tuple[str, ...]
    missed: tuple[str, ...]
    flaky: tuple[str, ...]
    not_judged: tuple[str, ...]
    unlisted: tuple[str, ...]

    def __str__(self) -> str:
        others = f"{len(self.flaky)} at random passed, {len(self.not_judged)} not judged"
        judged = len(self.detected) + len(self.missed)
        return f"{len(self.detected)} of {judged} ({others}); not listed: {len(self.unlisted)}"


def compared(report: Mapping[str, Any], issues: KnownIssues) -> NaturalFaults:
    """What a run with the gate `strict` has of the listed defects."""
    tests = report["tests"]
    groups = {test.get("scenario") for test in tests if test["kind"] == "check"}
    verdicts: dict[str, set[str]] = {}
    listed: set[str] = set()
    for test in tests:
        if test["kind"] == "check" or test["name"] not in groups:
            verdicts.setdefault(test["name"], set()).add(test["verdict"])
            listed |= {test["name"]} if test.get("known_in") else set()
    # The target is not under test where the Ollama API is that of another program.
    programs = _PROGRAM.findall(f"{report['subject']} {report['environment'].get('Ollama API', '')}")
    is_flaky: dict[str, bool] = {}
    for entry in issues.entries:
        if any(entry.applies_to(program, version) for program, version in programs):
            name = entry.check or entry.scenario
            is_flaky[name] = is_flaky.get(name, True) and entry.flaky
    failed = {name for name, found in verdicts.items() if "failed" in found}
    judged = {name for name in is_flaky if verdicts.get(name, set()) - NOT_JUDGED}
    found = judged & failed & listed
    return NaturalFaults(
        _sorted(found),
        _sorted(name for name in judged - found if not is_flaky[name]),
        _sorted(name for name in judged - found if is_flaky[name]),
        _sorted(is_flaky.keys() - judged),
        _sorted(failed - listed),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
