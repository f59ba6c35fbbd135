"""The APIs that cases are written for. A new one needs a line here and a folder of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from support.conformance.api import Api

_LOCATIONS = {
    "openai": ("support.conformance.oracles.openai", "OPENAI"),
    "ollama": ("support.conformance.oracles.ollama", "OLLAMA"),
    "anthropic": ("support.conformance.oracles.anthropic", "ANTHROPIC"),
    "responses": ("support.conformance.oracles.responses", "RESPONSES"),
}


class _LazyApis(Mapping[str, Api]):
    """By name; each is imported on first use: the official packages take longer than most scenarios."""

    def __getitem__(self, name: str) -> Api:
        module, constant = _LOCATIONS[name]
        api: Api = getattr(import_module(module), constant)
        return api

    def __iter__(self) -> Iterator[str]:
        return iter(_LOCATIONS)

    def __len__(self) -> int:
        return len(_LOCATIONS)


APIS: Mapping[str, Api] = _LazyApis()
