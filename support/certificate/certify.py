"""`acceptance certify`: one folder from one or several folders of reports."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from support.certificate.manifest import write_manifest
from support.certificate.provenance import (
    COMMAND,
    machine_facts,
    models_of,
    packages,
    program_of,
    suite_facts,
)
from support.certificate.recomputation import ACCEPTED, KNOWN, RECORDS, RecomputedRun, recompute
from support.errors import SettingsError
from support.reporting.files import ITERATIONS, REPORT, USAGE
from support.reporting.finished_run import load_finished_run
from support.results.redaction import redact_data, redact_tree
from support.settings import ResolvedSettings
from support.units import JsonObject
from support.user_files import problem_of

# The parts of a folder of reports that are kept; HTML pages of other programs are not.
FILES = (RECORDS, REPORT, USAGE, "summary.md", "matrix.md", "known-issues.html", "matrix.html")
FOLDERS = ("junit", "evidence")
CERTIFICATE, RUNS = "certificate.json", "runs"
FORMAT = 1
# Of the report of a run, in the certificate.
RUN_FACTS = (
    *("decision", "text", "gate", "candidate", "exit_code", "timestamp", "unselected", "out_of_scope"),
    *("summary", "checks"),
)


def certify(resolved: ResolvedSettings, folders: Sequence[Path], place: Path) -> str:
    """Make the folder `place`; a text about it. Raises `SettingsError`: no run, one that does not count.

    Several folders: the reports of several runs of the same program, all of which have to be GO.
    """
    if place.exists():
        raise SettingsError(f"{place} exists already; give another folder with --output")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all.
        part = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise _cannot_be_made(place, error) from None
    try:
        runs = [_add_run(resolved, folder, part / RUNS / str(n)) for n, folder in enumerate(folders, 1)]
        _write(part / CERTIFICATE, _certificate(resolved, runs))
        digest = write_manifest(part)
        part.chmod(0o755)
        part.rename(place)
    except OSError as error:
        raise _cannot_be_made(place, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    headline = "; ".join(run.headline for run in runs)
    return f"{place}: {headline}\nSHA-256 of its manifest, to be kept elsewhere: {digest}"


def _cannot_be_made(place: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{place} cannot be made ({problem_of(error)}); give another folder with --output")


def _add_run(resolved: ResolvedSettings, reports: Path, place: Path) -> RecomputedRun:
    """Copy what is certified of a run; raises `SettingsError` when its decision cannot be recomputed."""
    # Raises for a folder without a report, and for a run that was not complete.
    iterated = len(load_finished_run(reports).reports) > 1
    if not (reports / RECORDS).is_file():
        raise SettingsError(f"{reports} has no {RECORDS}, the raw results; run the suite again")
    place.mkdir(parents=True)
    for name in FILES:
        if (reports / name).is_file():
            _copy(reports / name, place / name)
    for name in (*FOLDERS, *([ITERATIONS] if iterated else [])):
        for file in sorted((reports / name).rglob("*")):
            # What a link leads to is no part of the reports, and may be anything.
            if file.is_file() and not file.is_symlink():
                _copy(file, place / file.relative_to(reports))
    accepted = resolved.settings.acceptance_accepted
    for file, name in ((accepted, ACCEPTED), (Path(KNOWN), KNOWN)):
        if file.is_file():
            _copy(file, place / name)
    run = recompute(place)
    if run.differences:
        raise SettingsError(
            f"{reports}: the decision is not that of the raw results ({run.differences[0]}); "
            f"was {accepted} or {KNOWN} changed after the run? Run the suite again"
        )
    return run


def _certificate(resolved: ResolvedSettings, runs: Sequence[RecomputedRun]) -> JsonObject:
    subjects = {run.report["subject"] for run in runs}
    if len(subjects) > 1:
        raise SettingsError(f"a certificate is for one program, not {', '.join(sorted(subjects))}")
    reports = [run.report for run in runs]
    last = reports[-1]
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "decision": "GO" if all(report["decision"] == "GO" for report in reports) else "NO-GO",
        "subject": last["subject"],
        "runs": [run_facts(report) for report in reports],
        "program": program_of(last),
        "models": models_of(last, resolved.settings),
        "suite": suite_facts(),
        "system": machine_facts(last),
        "packages": packages(),
    }


def run_facts(report: JsonObject) -> JsonObject:
    """What a run decided, how it was started, and its settings."""
    facts = report["environment"]
    prefix = "setting "
    return {
        **{name: report[name] for name in RUN_FACTS},
        "command": facts.get(COMMAND, ""),
        "settings": {
            name.removeprefix(prefix): value for name, value in facts.items() if name.startswith(prefix)
        },
    }


def _write(file: Path, document: JsonObject) -> None:
    file.write_text(json.dumps(redact_tree(document), indent=2) + "\n", encoding="utf-8")


def _copy(file: Path, place: Path) -> None:
    """Without secrets: those of the settings of today may not have been known when it was written."""
    place.parent.mkdir(parents=True, exist_ok=True)
    data = file.read_bytes()
    content = gzip.decompress(data) if file.suffix == ".gz" else data
    clean = _redacted(content, file.suffix)
    if clean != content:
        data = gzip.compress(clean, mtime=0) if file.suffix == ".gz" else clean
    place.write_bytes(data)


def _redacted(content: bytes, suffix: str) -> bytes:
    """Of JSON each text in it, so that it remains JSON."""
    try:
        if suffix == ".json":
            return _redacted_json(content)
        if suffix == ".jsonl":
            return b"".join(map(_redacted_json, content.splitlines(keepends=True)))
    except ValueError:
        # Such as a last line that was cut.
        pass
    return redact_data(content)


def _redacted_json(content: bytes) -> bytes:
    document = json.loads(content)
    clean = redact_tree(document)
    return content if clean == document else json.dumps(clean).encode() + b"\n"
