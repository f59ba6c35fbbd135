"""The APIs that cases are written for. A new one gets its line here and a folder of tables."""

from __future__ import annotations

from support.contracts.api import Api
from support.contracts.ollama import OLLAMA
from support.contracts.openai import OPENAI

APIS: dict[str, Api] = {api.name: api for api in (OPENAI, OLLAMA)}
