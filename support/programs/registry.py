"""The parts by their names."""

from __future__ import annotations

from pathlib import Path

from support.models.store import ModelStore
from support.programs.allure import AllurePart
from support.programs.mistralrs import MISTRALRS
from support.programs.node import NodePart
from support.programs.ollama import OLLAMA
from support.programs.program import Part, Say
from support.programs.tmux import TMUX

PARTS: dict[str, Part] = {
    "mistralrs": MISTRALRS,
    "ollama": OLLAMA,
    "allure": AllurePart(),
    "node": NodePart(),
    "tmux": TMUX,
}


def get_part(name: str, cache: Path, say: Say) -> str:
    """Get a part (or the model `smollm2`) and describe it in one line; raises `PartUnavailable`."""
    if name == "smollm2":
        return f"smollm2: {ModelStore(cache / 'models').smollm2().path}"
    found = PARTS[name].get(cache, say)
    return f"{found.name} {found.version}: {found.path} ({found.origin})"
