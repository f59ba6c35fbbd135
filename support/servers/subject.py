"""What a run tests: the target, and the server of the Ollama API where that is another one."""

from __future__ import annotations

from dataclasses import dataclass

from support.results.program_version import GATEWAY, REFERENCE
from support.servers.discovery import UNKNOWN, Target, UrlTarget


@dataclass(frozen=True)
class Subject:
    """`ollama_api`: the server of the Ollama API, for a reader; `ollama_program`: its program.

    `own_gateway`: whether that is the suite's own gateway in front of the target, or no scenario uses it.
    """

    target: Target
    ollama_api: str = ""
    ollama_program: str = GATEWAY
    own_gateway: bool = True

    @property
    def label(self) -> str:
        """What goes live or not. Without the path of a program: that is in the header."""
        if self.own_gateway:
            return self.target.label
        ollama = self.ollama_api.partition(" (")[0]
        if self.target.program == REFERENCE:
            return ollama
        return f"{self.target.label} with the Ollama API of {ollama}"

    @property
    def is_candidate(self) -> bool:
        """Whether something of it may go live: the reference server and the bundled gateway may not."""
        return not {self.target.program, self.ollama_program} <= {REFERENCE, GATEWAY}

    @property
    def version_unknown(self) -> str:
        """Why no known issue applies, with the remedy; empty where the version is known."""
        if isinstance(self.target, UrlTarget) and self.target.is_version_unknown:
            return (
                f"The {self.target.label} states no version, so no known issue applies: set target_version "
                '(for example "mistralrs 0.9.2")'
            )
        if self.ollama_program == UNKNOWN:
            return (
                f"The {self.ollama_api} does not state its program, so no known issue of the Ollama API "
                'applies: give it a `Server` header (for example "ollama/0.17.4")'
            )
        return ""
