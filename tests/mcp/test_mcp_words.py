"""Every name of the MCP tables is used by a feature, and a tool call is one piece, as engines look for it."""

from __future__ import annotations

import pytest

from support.mcp import json_rpc
from support.mcp.tool_servers import MISSING, SESSIONS, STDIO
from support.models.script import TOOLS_SCRIPT, Script
from support.models.vocabulary import script_vocabulary
from support.servers import launch_plans
from tests.style.reading import FEATURES

WRITTEN = "\n".join(file.read_text(encoding="utf-8") for file in FEATURES if file.parent.name == "mcp")


@pytest.mark.parametrize(
    "word",
    [
        *(f'"{name}"' for name in (*SESSIONS, STDIO, MISSING)),
        *launch_plans.table()["mcp_config"],
        launch_plans.ONE_PORT,
        *json_rpc.replies(),
        *json_rpc.table(),
    ],
)
def test_every_name_is_used_by_a_feature(word: str) -> None:
    assert word in WRITTEN


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
