"""How long a test waits for what has to come.

A bound guards against waiting for ever, never against a machine that is slow, busy or halted for a moment.
"""

# Seconds. Nothing that is meant to come takes a twentieth of it on a quiet machine.
PATIENCE = 60.0
