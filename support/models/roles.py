"""The suite's models by the part that they have in checks: the names that case tables and servers use.

scripted      the scripted model with the template of its file
tools         the same weights with a template for tool calls and thinking
embedding     a model for embeddings
unloadable    a scripted model that may be unloaded, on a server that is used for nothing else: mistral.rs
              loses a part of its state then (docs/findings.md#unload)
categorical   the known-distribution model: its next token is sampled from a known distribution
"""

from __future__ import annotations

SCRIPTED, TOOLS, EMBEDDING = "scripted", "tools", "embedding"
UNLOADABLE, CATEGORICAL = "unloadable", "categorical"
ROLES = (SCRIPTED, TOOLS, EMBEDDING, UNLOADABLE, CATEGORICAL)
