"""`acceptance_scope`: capabilities and model formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.reporting.report_writer import CAPABILITY_BUDGETS
from support.results.scope import CAPABILITIES, Scope

FEATURES = Path(__file__).parents[2] / "features"


def test_the_capabilities_are_the_folders_of_features() -> None:
    folders = {folder.name for folder in FEATURES.iterdir() if any(folder.glob("*.feature"))}
    assert folders == {*CAPABILITIES}
    assert folders <= {*CAPABILITY_BUDGETS}


@pytest.mark.parametrize(
    ("scope", "capability", "title", "inside"),
    [
        ("", "mcp", "A tool is called", True),
        ("openai_api, terminal_chat", "mcp", "A tool is called", False),
        ("openai_api, terminal_chat", "terminal_chat", "A chat with a GGML model answers", True),
        ("openai_api,terminal_chat,gguf", "terminal_chat", "A chat with a GGML model answers", False),
        ("GGUF", "mcp", "A tool is called", True),
        ("gguf", "model_loading", "A GGUF model loads", True),
        ("gguf", "model_loading", "A SafeTensors model loads", False),
        ("openai_api, gguf", "model_loading", "A GGUF model loads", True),
        ("openai_api, gguf", "model_loading", "A SafeTensors model loads", False),
        ("openai_api, gguf", "model_loading", "A wrong path is rejected", False),
        ("openai_api, gguf", "terminal_chat", "A chat with a GGUF file is rejected", False),
    ],
)
def test_a_scenario_is_in_scope_by_capability_and_format(
    scope: str, capability: str, title: str, *, inside: bool
) -> None:
    reason = Scope.parse(scope).reason_outside(capability, title)
    assert (reason is None) is inside
    assert inside or str(reason).startswith("out of scope: ")
