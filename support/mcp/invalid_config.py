"""MCP configurations that a target has to reject."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.programs.launcher import free_port
from support.servers.launch_plans import LaunchPlan

# By their names in the features. None: there is no such file.
INVALID_CONFIGS: dict[str, str | None] = {
    "a missing tool server file": None,
    "a tool server file that is not valid JSON": "servers: http",
    "a tool server file without servers": '{"auto_register_tools": true}',
    "a tool server file with an unknown server type": (
        '{"servers": [{"source": {"type": "Pigeon"}}], "auto_register_tools": true}'
    ),
}
ONE_PORT = "the same port for the API and MCP"


def with_invalid_config(plan: LaunchPlan, what: str, folder: Path) -> LaunchPlan:
    """The plan with this invalid setting; a file goes into the folder."""
    if what == ONE_PORT:
        port = free_port()
        return replace(plan, port=port, options=("--mcp-port", str(port)), expected_words=("differ",))
    file, content = folder / "tool-servers.json", INVALID_CONFIGS[what]
    if content is not None:
        file.write_text(content, encoding="utf-8")
    return replace(plan, options=("--mcp-config", str(file)), expected_words=(file.name,))
