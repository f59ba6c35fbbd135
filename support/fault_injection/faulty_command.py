"""Runs a command that does not serve, with changes of its input, its output and its end.

In a terminal it gets one of its own, so that keys and output pass through here; elsewhere it has pipes.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from support.programs.process import child_preexec

READ_BYTES = 65536
# What `as_lines` shows: whole lines, and prompts, also where a line editor sets the cursor behind them.
_SHOWN = re.compile(rb"(\n|> |\x1b\[\?2004h|\x1b\[\d+C)\Z")


def run_command(command: Sequence[str], does: Mapping[str, Any]) -> int:
    """Its exit code, changed as `does` has it (`faulty_program.Plan`); negative for a signal."""
    if os.name == "posix" and os.isatty(0) and os.isatty(1):
        code = _in_terminal(command, does)
    else:
        code = _with_pipes(command, does)
    if does.get("hangs"):
        signal.pause()
    if "output_end" in does:
        print(does["output_end"], flush=True)
    return int(does.get("exit_code", code))


def changed(text: bytes, pairs: Sequence[Sequence[str]]) -> bytes:
    """With the replacements in their order."""
    for pattern, by in pairs:
        text = re.sub(pattern.encode(), by.encode(), text)
    return text


def _with_pipes(command: Sequence[str], does: Mapping[str, Any]) -> int:
    out, err = sys.stdout.buffer, sys.stderr.buffer
    if does.get("streams") == "swapped":
        out, err = err, out
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if "input" in does else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=child_preexec(),
    )
    pairs = does.get("output", ())
    copying = [
        threading.Thread(target=_copy_lines, args=(source, target, pairs))
        for source, target in ((process.stdout, out), (process.stderr, err))
    ]
    # Before its input: it may write more than a pipe holds before it reads.
    for thread in copying:
        thread.start()
    if process.stdin is not None:
        typed = changed(sys.stdin.buffer.read(), does["input"])
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(typed)
    for thread in copying:
        thread.join()
    return process.wait()


def _copy_lines(source: IO[bytes], target: IO[bytes], pairs: Sequence[Sequence[str]]) -> None:
    for line in source:
        target.write(changed(line, pairs))
        target.flush()


def _in_terminal(command: Sequence[str], does: Mapping[str, Any]) -> int:
    # Not at the top: Windows has none of them.
    import fcntl
    import pty
    import termios
    import tty

    settings = termios.tcgetattr(0)
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    child, inner = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.execv(command[0], list(command))
    # The inner terminal echoes, and makes signals of keys.
    tty.setraw(0)
    held = b""
    try:
        while True:
            ready, _, _ = select.select([0, inner], [], [])
            if 0 in ready and (typed := os.read(0, READ_BYTES)):
                _write(inner, changed(typed, does.get("input", ())))
            if inner in ready:
                try:
                    output = os.read(inner, READ_BYTES)
                except OSError:
                    # The end of the program.
                    break
                held += changed(output, does.get("output", ()))
                if not does.get("as_lines") or _SHOWN.search(held):
                    _write(1, held)
                    held = b""
    finally:
        _write(1, held)
        if does.get("terminal") != "raw":
            termios.tcsetattr(0, termios.TCSADRAIN, settings)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
