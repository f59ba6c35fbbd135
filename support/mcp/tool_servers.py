"""The suite's tool servers by name: the only import of their program, which has to start quickly."""

from __future__ import annotations

from typing import TypedDict

# Over HTTP, and whether it keeps sessions, which is the default of the official SDK.
SESSIONS = {"http_1": False, "http_2": False, "http_sessions": True}
# On the standard streams of a process that the target starts.
STDIO = "stdio"
# In a configuration: a port on which no server listens.
MISSING = "missing"
# Bytes in the record of the messages: beyond it nothing is recorded.
LIMIT = 32_000_000


class RecordedMessage(TypedDict, total=False):
    """A message that a tool server has received; `tool` and `arguments` are those of a tool call."""

    server: str
    method: str
    tool: str
    arguments: object
