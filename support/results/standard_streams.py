"""Standard streams that cannot be used: closed at the start, a reader that has ended, a full disk.

A run goes on without its output: it has its reports and its exit code. The decision is printed on standard
error then. A command whose result is its output has failed, unless nobody reads it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_lost: set[int] = set()
_refused: dict[int, OSError] = {}


def open_closed_streams() -> None:
    """Let those that are closed be empty: a file or a socket opened later would get their number."""
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            discard(number)
            stream = open(number, mode, closefd=False)  # noqa: SIM115 - a descriptor, until the end
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def discard(number: int) -> None:
    """From now on, all that is written to a descriptor is dropped."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nothing, number)
        os.close(nothing)
    _lost.add(number)


def discard_stream(stream: TextIO, error: OSError) -> None:
    """What was written and not flushed is dropped as well, for this error."""
    # A stream of a test has no descriptor.
    with suppress(OSError, ValueError, AttributeError):
        number = stream.fileno()
        if not isinstance(error, BrokenPipeError):
            _refused[number] = error
        discard(number)
        stream.flush()


def output_is_lost() -> bool:
    """Whether standard output is dropped."""
    return sys.__stdout__ is not None and sys.__stdout__.fileno() in _lost


def refused_output() -> OSError | None:
    """Why standard output could not be written although somebody waits for it: a full disk."""
    return _refused.get(sys.__stdout__.fileno()) if sys.__stdout__ is not None else None
