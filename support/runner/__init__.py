"""How a run is made: process trees, the guarded behave runner, signals, exit codes."""
