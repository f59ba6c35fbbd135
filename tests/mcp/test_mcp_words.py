"""Every word for MCP is used by a feature, and a call of a tool is said as engines look for it."""

from __future__ import annotations

import pytest

from support.mcp import invalid_config, json_rpc
from support.mcp.tool_servers import TOOL_SERVER_SETS
from support.models.script import TOOLS_SCRIPT, Script
from support.models.vocabulary import script_vocabulary
from tests.style.reading import FEATURES

WRITTEN = "\n".join(file.read_text(encoding="utf-8") for file in FEATURES if file.parent.name == "mcp")


@pytest.mark.parametrize(
    "word",
    [
        *TOOL_SERVER_SETS,
        *invalid_config.INVALID_CONFIGS,
        invalid_config.ONE_PORT,
        *json_rpc.OUTCOMES,
        *json_rpc.table(),
    ],
)
def test_every_word_is_used_by_a_feature(word: str) -> None:
    assert word in WRITTEN or word == "a question for the tools"


def test_the_markup_of_a_call_is_said_in_one_piece() -> None:
    """An engine looks for it in what was said last: in two pieces it would not be known in time."""
    script = Script.load(TOOLS_SCRIPT)
    vocabulary = script_vocabulary(script)
    calling = [
        pieces
        for row, pieces in zip(script.rows, vocabulary.answer_ids, strict=False)
        if "<tool_call>" in row.answer
    ]
    assert calling
    for pieces in calling:
        said = [vocabulary.text(piece) for piece in pieces]
        assert "<tool_call>" in said[0]
        assert "</tool_call>" in said[-1]
