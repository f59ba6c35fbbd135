"""What a version of the server is documented not to have: asked for as a need, not as a failure.

Source: what two versions answered (docs/findings.md), and mistral.rs' HTTP API reference. A server at an
address is not known: it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True)
class Capability:
    """Something that a server does. `programs`: which versions of which; `instead`: what others do."""

    what: str
    programs: dict[str, SpecifierSet]
    instead: str = "has none of it"

    def is_missing_in(self, program: str, version: str) -> bool:
        """Whether this program is known not to have it; one that is not listed may."""
        if program == "mistralrs-reference" and program not in self.programs:
            return True
        if program not in self.programs:
            return False
        try:
            return not self.programs[program].contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


CAPABILITIES = {
    "needs.own_routes": Capability(
        "mistral.rs' own routes (/v1/models/status, /v1/system/info, ...)",
        {"mistralrs": SpecifierSet(">=0.8")},
    ),
    "needs.responses": Capability("the Responses API", {"mistralrs": SpecifierSet(">=0.8")}),
    # As far as a tiny one can be made here: mistralrs-server loads text models only.
    "needs.embeddings": Capability(
        "embedding models",
        {
            "mistralrs": SpecifierSet(">=0.8"),
            "mistralrs-reference": SpecifierSet(">=0.9"),
            "mistralrs-server": SpecifierSet("<0"),
        },
    ),
    "needs.messages": Capability("Anthropic's Messages API", {"mistralrs": SpecifierSet(">=0.9")}),
    "needs.request_ids": Capability(
        "ids of requests", {"mistralrs": SpecifierSet(">=0.9"), "mistralrs-reference": SpecifierSet(">=0.9")}
    ),
    # Source: the tags of mistral.rs, mistralrs-cli/src/commands/serve.rs; seen on 0.8.1 and 0.9.2.
    "needs.mcp_server": Capability(
        "MCP",
        {"mistralrs": SpecifierSet(">=0.8.4"), "mistralrs-reference": SpecifierSet(">=0.9")},
        "accepts --mcp-port, but nothing listens there (docs/findings.md#mcp); judge 0.8.4 or newer",
    ),
    "needs.mcp_client": Capability(
        "MCP",
        {"mistralrs": SpecifierSet(">=0.8.2"), "mistralrs-reference": SpecifierSet(">=0.9")},
        "accepts --mcp-config, but never reads the file (docs/findings.md#mcp); judge 0.8.2 or newer",
    ),
}


def unmet_capability(tags: set[str], program: str, version: str) -> str | None:
    """The reason why a scenario with these tags cannot run on this program, or None."""
    for tag, capability in CAPABILITIES.items():
        if tag in tags and capability.is_missing_in(program, version):
            return f"needs {capability.what}, {program} {version} {capability.instead}"
    return None
