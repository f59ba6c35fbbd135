"""Which versions are not asked about MCP, and that every word for MCP is used by a feature."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.mcp import rpc, wrong
from support.mcp.names import KITS
from support.models.script import TOOLS_SCRIPT, Script
from support.models.vocabulary import script_vocabulary
from support.running.needs import unmet
from support.settings import Settings
from support.target.capabilities import unmet_capability
from support.target.discovery import CommandTarget
from tests.style.reading import FEATURES, ROOT

WRITTEN = "\n".join(file.read_text(encoding="utf-8") for file in FEATURES if file.parent.name == "mcp")


@pytest.mark.parametrize(
    ("capability", "program", "version", "lacks"),
    [
        ("mcp_server", "mistralrs", "0.8.1", True),
        ("mcp_server", "mistralrs", "0.8.3", True),
        ("mcp_server", "mistralrs", "0.8.4", False),
        ("mcp_client", "mistralrs", "0.8.1", True),
        ("mcp_client", "mistralrs", "0.8.2", False),
        ("mcp_server", "mistralrs-reference", "0.9.5", False),
        ("mcp_server", "mistralrs", "(not asked)", False),
    ],
)
def test_old_versions_are_known_to_ignore_the_option(
    capability: str, program: str, version: str, lacks: bool
) -> None:
    assert (unmet_capability({f"needs.{capability}"}, program, version) is not None) == lacks


def test_a_scenario_is_skipped_with_the_option_and_the_remedy() -> None:
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", "given")
    reason = unmet(["needs.mcp_server"], Settings(), target, speaks=True)
    assert reason is not None
    assert all(words in reason for words in ("--mcp-port", "nothing listens", "0.8.4"))
    assert unmet(["needs.command"], Settings(), target, speaks=True) is None


@pytest.mark.parametrize("word", [*KITS, *wrong.LISTS, wrong.ONE_PORT, *rpc.OUTCOMES, *rpc.table()])
def test_every_word_is_used_by_a_feature(word: str) -> None:
    assert word in WRITTEN or word == "a question for the tools"


def test_the_markup_of_a_call_is_said_in_one_piece() -> None:
    """An engine looks for it in what was said last: in two pieces it would not be known in time."""
    script = Script.load(TOOLS_SCRIPT)
    vocabulary = script_vocabulary(script)
    calling = [
        pieces
        for row, pieces in zip(script.rows, vocabulary.pieces, strict=False)
        if "<tool_call>" in row.answer
    ]
    assert calling
    for pieces in calling:
        said = [vocabulary.text(piece) for piece in pieces]
        assert "<tool_call>" in said[0]
        assert "</tool_call>" in said[-1]


def test_a_run_starts_without_the_packages_of_mcp() -> None:
    """They take more than a second to import: only who asks for an agent or a tool server pays for them."""
    code = (
        "import sys, environment; sys.exit(' '.join({'mcp', 'mcp_types', 'httpx2'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
