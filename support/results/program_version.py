"""A program and its version, as in `mistralrs 0.9.2`: known issues and capabilities are listed by it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

MISTRALRS = "mistralrs"
REFERENCE = "mistralrs-reference"
GATEWAY = "mistralrs-gateway"
OLLAMA = "ollama"
LLAMA_CPP_PYTHON = "llama-cpp-python"
# Of which something is listed by version, and the old name of mistral.rs' server.
PROGRAMS = (MISTRALRS, "mistralrs-server", REFERENCE, GATEWAY, OLLAMA, LLAMA_CPP_PYTHON)
_TEXT = re.compile(r"([A-Za-z][\w.-]*) (\S+)", re.ASCII)


@dataclass(frozen=True)
class ProgramVersion:
    """`named`: False where only the API shows the program (`/api/version`); other programs have it too."""

    program: str
    version: str
    named: bool = True

    @classmethod
    def parse(cls, text: str) -> ProgramVersion:
        """From `mistralrs 0.9.2`; raises ValueError. A program of which nothing is listed is valid."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError("it is not a program and a version")
        program, version = match.groups()
        close = difflib.get_close_matches(program.lower(), PROGRAMS, 1, 0.8)
        if close and program not in PROGRAMS:
            raise ValueError(f"there is no program {program!r}; close match: {close[0]}")
        if not is_version(version):
            raise ValueError(f"{version!r} is not a version")
        return cls(program, version)

    def contradicts(self, stated: ProgramVersion) -> bool:
        """Whether the two are different programs or versions."""
        return (self.program, Version(self.version)) != (stated.program, Version(stated.version))

    def __str__(self) -> str:
        return f"{self.program} {self.version}"


def is_version(text: str) -> bool:
    """Whether versions can be compared with it (PEP 440; those of Rust and Go programs are, too)."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
