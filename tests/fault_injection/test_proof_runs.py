"""The programs that stand in front of the target and of the Ollama API in a run of `acceptance prove`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fault_injection.faulty_program import Plan
from support.fault_injection.proof_runs import FaultyTarget
from support.servers.bundled_gateway import PROGRAM
from support.servers.discovery import CommandTarget
from support.settings import Settings


@pytest.mark.parametrize(
    ("settings", "program"),
    [
        (Settings(ollama_api="gateway"), PROGRAM),
        (Settings(ollama_api="gateway", gateway_bin=Path("/bin/true")), Path("/bin/true")),
    ],
)
def test_the_gateway_of_the_settings_is_behind_the_fault(
    tmp_path: Path, settings: Settings, program: Path
) -> None:
    target = CommandTarget(Path("/bin/true"), "mistralrs", "0.9.5", "a test")
    words = FaultyTarget(target, settings, []).options(None, tmp_path)
    assert f"--define=gateway_bin={tmp_path / 'gateway'}" in words
    assert Plan.read(tmp_path / "gateway.json").program == (str(program),)
