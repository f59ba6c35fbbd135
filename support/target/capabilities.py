"""What a version of the program is known not to do although it takes the option for it."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

# Capability -> first version of `mistralrs` that has it, and the option that older ones take and ignore.
# Source: the tags of mistral.rs, mistralrs-cli/src/commands/serve.rs; seen on 0.8.1.
_SINCE = {
    "mcp_server": (Version("0.8.4"), "--mcp-port", "nothing listens there"),
    "mcp_client": (Version("0.8.2"), "--mcp-config", "never reads the file"),
}


def lack(capability: str, program: str, version: str) -> str | None:
    """Why this program cannot be asked about it, with the remedy, or None when it may be asked.

    A version that is no number (the program was not asked yet) may.
    """
    since, option, instead = _SINCE[capability]
    try:
        known = program == "mistralrs" and Version(version) < since
    except InvalidVersion:
        return None
    if not known:
        return None
    return (
        f"needs MCP: {program} {version} accepts {option}, but {instead} (docs/findings.md#mcp); "
        f"judge {since} or newer"
    )
