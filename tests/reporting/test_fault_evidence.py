"""The reports have what the last `acceptance prove` found, or that there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.reporting.fault_evidence import (
    DOCUMENT,
    FOLDER,
    NOT_MEASURED,
    PAGE,
    fault_pages,
    injected_faults,
)

FOUND = {
    "target": "mistralrs 0.8.1",
    "date": "2026-11-30 12:00 UTC",
    "injected": 120,
    "detected": 119,
    "missed": ["openai.stream.no_done"],
    "lower_bound": 0.961,
    "harmless": 20,
    "false_alarms": [],
}


def write(folder: Path, text: str) -> None:
    (folder / FOLDER).mkdir()
    (folder / FOLDER / DOCUMENT).write_text(text)
    (folder / FOLDER / PAGE).write_text("# Injected faults\n")


def test_what_was_missed_is_named(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(FOUND))
    assert injected_faults(tmp_path) == (
        "119 of 120 detected (at least 96.1% of such faults, 95 % confidence), not detected: "
        "openai.stream.no_done; 0 false alarms in 20 harmless variants; mistralrs 0.8.1, 2026-11-30 12:00 UTC"
    )
    (page,) = fault_pages(tmp_path)
    assert page.data == b"# Injected faults\n"


def test_without_a_proof_nothing_is_claimed(tmp_path: Path) -> None:
    assert injected_faults(tmp_path) == NOT_MEASURED
    assert not fault_pages(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**FOUND, "lower_bound": "all"})])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert injected_faults(tmp_path) == "not known: proof.json is damaged"
