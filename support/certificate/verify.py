"""`acceptance verify`: whether a certificate is as it was made, and its decision that of its results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.certificate.certify import CERTIFICATE, FORMAT, RUNS, run_facts
from support.certificate.manifest import NAME, check_manifest, read
from support.certificate.recomputation import RecomputedRun, recompute
from support.errors import EXIT_FAILED, EXIT_PASSED, SettingsError
from support.units import JsonObject


@dataclass(frozen=True)
class Verification:
    """`problem`: what was changed, or what the results do not confirm; empty for a certificate as made.

    `headlines`: the decision of each run.
    """

    folder: Path
    digest: str
    problem: str = ""
    made: str = ""
    headlines: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_FAILED if self.problem else EXIT_PASSED

    def __str__(self) -> str:
        """One line."""
        if self.problem:
            return f"{self.folder}: NOT VALID: {self.problem}"
        headlines = "; ".join(self.headlines)
        return f"{self.folder}: unchanged: {headlines}; made {self.made}; manifest {self.digest}"


def verify(folder: Path, expected: str = "") -> Verification:
    """Verify a certificate; raises `SettingsError` for what is none, and for what cannot be read.

    `expected`: the SHA-256 of the manifest that was kept elsewhere: without it, whoever changes a certificate
    may change its manifest, too.
    """
    if not folder.is_dir() or not (folder / NAME).is_file():
        raise SettingsError(f"{folder} is no certificate: it has no {NAME}; `acceptance certify` makes one")
    differences, digest = check_manifest(folder)
    if text := str(differences):
        return Verification(folder, digest, text)
    certificate = _read(folder)
    if expected and expected.lower() != digest:
        return Verification(folder, digest, f"its manifest has the SHA-256 {digest}, not {expected}")
    runs = [recompute(folder / RUNS / str(number)) for number in range(1, len(certificate["runs"]) + 1)]
    problem = _other_runs(folder, len(runs)) or _contradiction(certificate, runs)
    return Verification(folder, digest, problem, certificate["made"], tuple(run.headline for run in runs))


def _read(folder: Path) -> JsonObject:
    wrong = SettingsError(f"{folder / CERTIFICATE} is no certificate of this suite")
    try:
        certificate: JsonObject = json.loads(read(folder / CERTIFICATE))
        found = certificate["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise wrong from None
    if found != FORMAT:
        raise SettingsError(
            f"{folder / CERTIFICATE} has the format {found!r}, this suite reads format {FORMAT}"
        )
    runs = certificate.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise wrong
    if not all(isinstance(certificate.get(name), str) for name in ("decision", "made", "subject")):
        raise wrong
    return certificate


def _other_runs(folder: Path, number: int) -> str:
    """Runs that the certificate does not name: its decision would be without them."""
    known = {str(one) for one in range(1, number + 1)}
    others = sorted(path.name for path in (folder / RUNS).iterdir() if path.name not in known)
    return f"{RUNS} has {', '.join(others)}, which {CERTIFICATE} does not name" if others else ""


def _contradiction(certificate: JsonObject, runs: Sequence[RecomputedRun]) -> str:
    """What the raw results do not confirm."""
    for number, (facts, run) in enumerate(zip(certificate["runs"], runs, strict=True), 1):
        if run.differences:
            return f"run {number}: {run.differences[0]}"
        if not isinstance(run.report.get("environment"), dict):
            return f"run {number} has no environment in its report"
        known = run_facts(run.report)
        if missing := [name for name in known if name not in facts]:
            return f"run {number} has no {missing[0]} in {CERTIFICATE}"
        if certificate["subject"] != run.report["subject"]:
            return f"the subject is {certificate['subject']}, by run {number} {run.report['subject']}"
        for name, value in known.items():
            if facts[name] != value:
                return f"run {number}: {name} is {facts[name]!r:.80}, in its report {value!r:.80}"
    decision = "GO" if runs and all(run.report["decision"] == "GO" for run in runs) else "NO-GO"
    if certificate["decision"] != decision:
        return f"the decision is {certificate['decision']}, by the runs {decision}"
    return ""
