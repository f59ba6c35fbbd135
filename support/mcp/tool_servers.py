"""The suite's tool servers by name. Apart from the program, whose packages take a second to import."""

from __future__ import annotations

# Over HTTP, and whether it keeps sessions, as the official SDK does unless it is told otherwise.
SESSIONS = {"desk": False, "kiosk": False, "club": True}
# On the standard streams of a process that the target starts.
STDIO = "shed"
# A port where nobody listens.
MISSING = "nobody"

# What a configuration may hold, by the words of the features.
TOOL_SERVER_SETS = {
    "two tool servers": ("desk", "kiosk"),
    "a tool server that keeps sessions": ("club",),
    "a tool server of its own process": (STDIO,),
    "a tool server, and one that is not there": ("desk", MISSING),
}
