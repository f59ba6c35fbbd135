"""Programs that a test writes and starts."""

from __future__ import annotations

import shlex
import sys


def first_lines(options: str = "") -> str:
    """Of a program in Python, run by this interpreter with these options.

    A shell's `exec` takes a path with blanks, a `#!` line does not: what is a command to the shell is a text
    to Python.
    """
    return f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} {options} \"$0\" \"$@\"\n' '''\n"
