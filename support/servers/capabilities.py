"""What a version of the server is documented not to have (`capabilities.toml`): unsupported, not failed.

Source: the responses of two versions (docs/findings.md), and mistral.rs' HTTP API reference. Nothing is known
about a server at a URL that states no version.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

TABLE = Path(__file__).with_name("capabilities.toml")


@dataclass(frozen=True)
class Capability:
    """Something that a server does. `programs`: which versions of which; `instead`: what others do."""

    what: str
    programs: Mapping[str, str]
    instead: str = "has none of it"

    def is_missing_in(self, program: str, version: str) -> bool:
        """Whether this program is known not to have it; one that is not listed may."""
        if program not in self.programs:
            return program == "mistralrs-reference"
        try:
            return not SpecifierSet(self.programs[program]).contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


CAPABILITIES = {
    tag: Capability(**row) for tag, row in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()
}


def unmet_capability(tags: set[str], program: str, version: str) -> str | None:
    """The reason why a scenario with these tags cannot run on this program, or None."""
    for tag, capability in CAPABILITIES.items():
        if tag in tags and capability.is_missing_in(program, version):
            return f"needs {capability.what}, {program} {version} {capability.instead}"
    return None
