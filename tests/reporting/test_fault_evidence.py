"""The reports have what the last `acceptance prove` found, or that there is nothing."""

from __future__ import annotations

import json
import os
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
    "suite": "mistralrs-acceptance 1.2.3",
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
        "openai.stream.no_done; 0 false alarms in 20 harmless variants; mistralrs 0.8.1, by "
        "mistralrs-acceptance 1.2.3, 2026-11-30 12:00 UTC"
    )
    (page,) = fault_pages(tmp_path)
    assert page.data == b"# Injected faults\n"


def test_a_part_of_the_catalogue_is_named_as_such(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({**FOUND, "catalogue": 310, "harmless": 0}))
    line = injected_faults(tmp_path)
    assert "openai.stream.no_done; the catalogue has 310 faults; no harmless variant was tried; " in line


def test_of_harmless_variants_alone_no_rate_is_claimed(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({**FOUND, "injected": 0, "detected": 0, "missed": [], "lower_bound": 0.0}))
    assert injected_faults(tmp_path).startswith("no fault was injected; 0 false alarms in 20 harmless ")


def test_what_an_older_suite_has_left_has_no_version(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({name: value for name, value in FOUND.items() if name != "suite"}))
    assert "mistralrs 0.8.1, by an older suite, " in injected_faults(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_a_named_pipe_in_place_of_the_page_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(tmp_path / FOLDER / PAGE)
    assert not fault_pages(tmp_path)


def test_without_a_proof_nothing_is_claimed(tmp_path: Path) -> None:
    assert injected_faults(tmp_path) == NOT_MEASURED
    assert not fault_pages(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**FOUND, "lower_bound": "all"})])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert injected_faults(tmp_path) == "not known: proof.json is damaged"
