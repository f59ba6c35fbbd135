"""The capabilities and model formats that the operator uses: what is not in the scope is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from support.name_registry import unknown

# The folders of `features/`.
CAPABILITIES = (
    *("binary_health", "model_loading", "openai_api", "ollama_api"),
    *("parity", "mcp", "terminal_chat", "aider", "monitoring", "performance"),
)
FORMATS = ("gguf", "safetensors", "ggml")
_FORMAT = re.compile(rf"\b({'|'.join(FORMATS)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Scope:
    """Names of capabilities and of formats; none of a kind: all of that kind."""

    capabilities: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Scope:
        """From `openai_api, terminal_chat, gguf`; raises ValueError for an unknown name."""
        names = {name.strip().lower() for name in text.split(",") if name.strip()}
        known = (*CAPABILITIES, *FORMATS)
        for name in sorted(names):
            if name not in known:
                raise ValueError(unknown("capability or format", name, known))
        return cls(frozenset(names & {*CAPABILITIES}), frozenset(names & {*FORMATS}))

    def reason_outside(self, capability: str, title: str) -> str | None:
        """Why a scenario is out of scope, or None. A title names the format that its scenario is about.

        How a listed format is loaded is in scope, whether `model_loading` is listed or not.
        """
        formats = {name.lower() for name in _FORMAT.findall(title)}
        if self.formats and formats - self.formats:
            return f"out of scope: {', '.join(sorted(formats - self.formats))} is not in acceptance_scope"
        loads_format = capability == "model_loading" and bool(formats & self.formats)
        if self.capabilities and capability not in self.capabilities and not loads_format:
            return f"out of scope: {capability} is not in acceptance_scope"
        return None
