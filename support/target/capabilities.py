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
    """A part of the HTTP interface. `programs`: which versions of which program have it."""

    what: str
    programs: dict[str, SpecifierSet]

    def lacking(self, program: str, version: str) -> bool:
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
    # As far as a tiny one can be made here: the reference stack and mistralrs-server load text models only.
    "needs.embeddings": Capability(
        "embedding models",
        {"mistralrs": SpecifierSet(">=0.8"), "mistralrs-server": SpecifierSet("<0")},
    ),
    "needs.messages": Capability("Anthropic's Messages API", {"mistralrs": SpecifierSet(">=0.9")}),
    "needs.request_ids": Capability(
        "ids of requests", {"mistralrs": SpecifierSet(">=0.9"), "mistralrs-reference": SpecifierSet(">=0.9")}
    ),
}


def unmet_capability(tags: set[str], program: str, version: str) -> str | None:
    """The reason why a scenario with these tags cannot run on this program, or None."""
    for tag, capability in CAPABILITIES.items():
        if tag in tags and capability.lacking(program, version):
            return f"needs {capability.what}, {program} {version} has none of it"
    return None
