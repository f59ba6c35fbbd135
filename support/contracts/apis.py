"""The APIs that cases are written for. A new one gets its line here and a folder of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from support.contracts.api import Api

_WHERE = {
    "openai": ("support.contracts.openai", "OPENAI"),
    "ollama": ("support.contracts.ollama", "OLLAMA"),
    "anthropic": ("support.contracts.anthropic", "ANTHROPIC"),
    "responses": ("support.contracts.responses", "RESPONSES"),
}


class _Apis(Mapping[str, Api]):
    """By name; each is read when first asked for: the official packages take longer than most scenarios."""

    def __getitem__(self, name: str) -> Api:
        module, constant = _WHERE[name]
        api: Api = getattr(import_module(module), constant)
        return api

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


APIS: Mapping[str, Api] = _Apis()
