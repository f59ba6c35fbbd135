"""Programs that a test writes and starts."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from support.programs.child_environment import child_environment
from support.programs.launcher import LaunchedProgram, free_port, launch, port_open
from tests.timeouts import PATIENCE


def first_lines(options: str = "") -> str:
    """Of a program in Python, run by this interpreter with these options.

    A shell's `exec` takes a path with blanks, a `#!` line does not: what is a command to the shell is a text
    to Python.
    """
    return f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} {options} \"$0\" \"$@\"\n' '''\n"


def start_server(folder: Path, text: str, *arguments: int) -> LaunchedProgram:
    """A server on loopback whose first argument is its port; the caller stops it."""
    program = folder / "server.py"
    program.write_text(text)
    port = free_port()
    return launch(
        "the server",
        [sys.executable, program, str(port), *map(str, arguments)],
        environment=child_environment,
        ready=port_open(port),
        timeout=PATIENCE,
        url=f"http://127.0.0.1:{port}",
    )
