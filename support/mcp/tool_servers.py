"""The suite's tool servers by name. Apart from the program, whose packages take a second to import."""

from __future__ import annotations

# Over HTTP, and whether it keeps sessions, as the official SDK does unless it is told otherwise.
SESSIONS = {"desk": False, "kiosk": False, "club": True}
# On the standard streams of a process that the target starts.
STDIO = "shed"
# In a configuration: a port on which no server listens.
MISSING = "missing"
TOOL_SERVERS = (*SESSIONS, STDIO, MISSING)
