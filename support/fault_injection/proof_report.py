"""What `acceptance prove` prints and leaves: a table by capability, `proof.json`, `proof.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from support.fault_injection.catalogue import HARMLESS, faults
from support.fault_injection.proof import (
    Detection,
    FaultResult,
    Proof,
    lower_bound,
    upper_bound,
)
from support.reporting.fault_evidence import DOCUMENT, PAGE
from support.reporting.files import write_atomically
from support.results.safe_text import shortened

# The columns of the table on the terminal, and their headings.
_COLUMNS = {
    Detection.EXPECTED: "expected check",
    Detection.OTHER: "other check",
    Detection.UNNAMED: "not named",
    Detection.HARNESS: "harness broken",
    Detection.MISSED: "missed",
    Detection.NOT_INJECTED: "not injected",
    Detection.NOT_APPLICABLE: "not applicable",
}


def result_line(result: FaultResult) -> str:
    """One line as soon as a run has ended."""
    shown = f"  {shortened(result.message, 140)}" if result.message else ""
    return f"{result.detection:<12} {result.seconds:5.1f}s  {result.fault.id}{_others(result)}{shown}"


def _others(result: FaultResult) -> str:
    """How many other checks were run."""
    if not result.others:
        return ""
    part = "" if result.all_others else ", then the run ended"
    return f"  ({result.others} other checks and scenarios{part})"


def bounds(proof: Proof) -> list[str]:
    """The rates with their exact bounds."""
    lines = []
    injected, detected = len(proof.injected), len(proof.detected)
    if injected:
        expected = sum(result.detection == Detection.EXPECTED for result in proof.injected)
        rate = f", in 1 of {proof.every} exchanges," if proof.every > 1 else ""
        lines.append(
            f"{detected} of {injected} faults{rate} detected, {expected} by the expected check: "
            f"at least {lower_bound(detected, injected):.1%} of such faults (95 % confidence)"
        )
    if injected and proof.every > 1:
        unnamed = sum(result.detection == Detection.UNNAMED for result in proof.injected)
        lines.append(
            f"{detected + unnamed} of {injected} runs with such a fault are red, {unnamed} of them with a "
            "message of another check, which the pattern of the fault is not for"
        )
    if proof.harmless:
        wrong, tried = len(proof.false_alarms), len(proof.harmless)
        alarms, runs = sum(r.alarms for r in proof.harmless), sum(r.runs for r in proof.harmless)
        lines.append(
            f"{wrong} false alarms in {tried} harmless variants: "
            f"at most {upper_bound(wrong, tried):.1%} of such variants (95 % confidence)"
        )
        if runs > tried:
            lines.append(
                f"{alarms} of the {runs} runs of these variants raised one: "
                f"at most {upper_bound(alarms, runs):.1%} of such runs (95 % confidence)"
            )
    return lines


def summary_lines(proof: Proof) -> Iterator[str]:
    """What is printed at the end."""
    yield ""
    for result in proof.results:
        if not result.detection.counts and result.detection != Detection.NO_ALARM:
            yield f"{result.detection}: {result.fault.id}: {result.fault.does}{_others(result)}"
            if result.message:
                yield f"    {result.message}"
    yield ""
    yield f"{'capability':<18}{'faults':>7}" + "".join(f"{heading:>16}" for heading in _COLUMNS.values())
    for capability, counts in proof.by_capability().items():
        if capability == HARMLESS:
            continue
        cells = "".join(f"{counts[column]:>16}" for column in _COLUMNS)
        yield f"{capability:<18}{counts.total():>7}{cells}"
    yield ""
    yield from bounds(proof)
    yield f"{proof.target}, by {proof.suite}, {proof.date}, {proof.seconds:.0f} s"


def write_proof(proof: Proof, folder: Path) -> list[Path]:
    """Write both files; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "suite": proof.suite,
        "target": proof.target,
        "date": proof.date,
        "command": proof.command,
        "every": proof.every,
        "seconds": round(proof.seconds, 1),
        "catalogue": len(faults()),
        "injected": len(proof.injected),
        "detected": len(proof.detected),
        "detected_by_expected": sum(r.detection == Detection.EXPECTED for r in proof.injected),
        "missed": [r.fault.id for r in proof.injected if not r.detection.counts],
        "lower_bound": lower_bound(len(proof.detected), len(proof.injected)),
        "harmless": len(proof.harmless),
        "harmless_runs": sum(r.runs for r in proof.harmless),
        "false_alarms": [r.fault.id for r in proof.false_alarms],
        "faults": [
            {
                "id": r.fault.id,
                "capability": r.fault.capability,
                "does": r.fault.does,
                "seen": r.fault.seen,
                "means": r.fault.means,
                "expected": list(r.fault.expected),
                "verdict": str(r.detection),
                "by": list(r.by),
                "message": r.message,
                "runs": r.runs,
                "alarms": r.alarms,
                "others": r.others,
                "all_others": r.all_others,
                "seconds": round(r.seconds, 1),
            }
            for r in proof.results
        ],
    }
    files = [folder / DOCUMENT, folder / PAGE]
    write_atomically(files[0], json.dumps(document, indent=1, ensure_ascii=False).encode())
    write_atomically(files[1], "\n".join(_page(proof)).encode())
    return files


def _page(proof: Proof) -> Iterator[str]:
    yield "# Injected faults"
    yield ""
    yield f"{proof.target}, by {proof.suite}, {proof.date}, `{proof.command}`, {proof.seconds:.0f} s."
    yield ""
    for line in bounds(proof):
        yield f"- {line}"
    yield ""
    yield "| fault | what it does | verdict | by | message |"
    yield "|---|---|---|---|---|"
    for result in proof.results:
        cells = (
            f"`{result.fault.id}`",
            result.fault.does,
            str(result.detection),
            ", ".join(result.by),
            shortened(result.message, 160),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
