"""A program in a pseudo-terminal of its own: the one owner of pexpect.

The terminal is pinned (type, rows, columns), what the program writes acts on a `Screen`, and waits end on
what is seen there. The program's tree ends with the session, and with the runner however that ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pexpect

from support.errors import CheckFailed
from support.programs.deferred_interrupts import defer_interrupts
from support.programs.process import (
    child_preexec,
    kill_tree,
    managed,
    process_tree,
    wait_until_exited,
)
from support.reporting.evidence import Transcript
from support.terminal.screen import COLUMNS, ROWS, Screen
from support.waiting import WaitTimeout, wait_until

TERMINAL = "xterm"
READ_BYTES = 65536
WRITE_BYTES = 256
# How often a silent program is checked: it may have ended while another one keeps the terminal open.
POLL_INTERVAL = 0.25
# A program that ends closes its terminal some moments before it has exited.
EXIT_SECONDS = 2.0
# Of the output: rendering takes a while, and a chat has a thousandth of it.
MAX_OUTPUT_BYTES = 16_000_000
# Of a screen, in a message.
MESSAGE_CHARACTERS = 3000


@dataclass(frozen=True)
class Traffic:
    """Bytes in one direction: `seconds` since the start, written by the program or typed."""

    seconds: float
    data: bytes
    typed: bool = False


class TerminalSession:
    """A program in a terminal. POSIX only: Windows has no pty for pexpect."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        rows: int = ROWS,
        columns: int = COLUMNS,
    ) -> None:
        """Raises OSError or pexpect's ExceptionPexpect when the program cannot be started."""
        self.command = tuple(map(str, command))
        self.screen = Screen(rows, columns)
        self.traffic: list[Traffic] = []
        self.started = time.monotonic()
        self._closed = False
        self._written = 0
        # Whether the program has closed the terminal: there will be no more output.
        self.eof = False
        # An interruption between the start and `managed.add` would leave the process behind.
        with defer_interrupts():
            self._child = pexpect.spawn(
                self.command[0],
                list(self.command[1:]),
                env={**env, "TERM": TERMINAL, "LINES": str(rows), "COLUMNS": str(columns)},
                cwd=str(cwd),
                dimensions=(rows, columns),
                preexec_fn=child_preexec(),
                timeout=None,
            )
            managed.add(self)
        # No sleeps before writing and after closing: waits end on what is seen.
        self._child.delaybeforesend = None
        self._child.ptyproc.delayafterclose = self._child.ptyproc.delayafterterminate = 0
        # A program that is busy writing does not read: a blocking write would wait for ever.
        os.set_blocking(self._child.child_fd, False)

    # -- its state

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    @property
    def alive(self) -> bool:
        return not self._closed and bool(self._child.isalive())

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return None if self.alive else self._code

    @property
    def output(self) -> bytes:
        """Everything that it wrote."""
        return b"".join(part.data for part in self.traffic if not part.typed)

    def require_restored(self) -> None:
        """The settings are those of `stty sane` (echo, whole lines, signal keys), and no mode is left on."""
        # Not at the top: Windows has no such module.
        import termios

        given, output, _, local = termios.tcgetattr(self._child.child_fd)[:4]
        settings = {
            "-echo": local & termios.ECHO,
            "-icanon": local & termios.ICANON,
            "-isig": local & termios.ISIG,
            "-icrnl": given & termios.ICRNL,
            "-opost": output & termios.OPOST,
        }
        wrong = [name for name, on in settings.items() if not on] + self.screen.unrestored_modes()
        if wrong:
            raise CheckFailed(
                f"the terminal is not restored: {', '.join(wrong)}; the screen:\n{self.screen.text}"
            )

    # -- typing and waiting

    def write(self, data: bytes, timeout: float) -> None:
        """Type all of it, reading meanwhile. Raises `WaitTimeout` when the program does not take it."""
        descriptor, left = self._child.child_fd, data
        deadline = time.monotonic() + timeout
        self._record(data, typed=True)
        while left:
            seconds = deadline - time.monotonic()
            if seconds <= 0 or self.eof:
                raise WaitTimeout(
                    self._timeout_message(f"typing {len(data)} bytes, {len(left)} were not taken", timeout)
                )
            readable, writable, _ = select.select([descriptor], [descriptor], [], seconds)
            # First: there is always something to read of a program that writes all the time.
            if writable:
                with contextlib.suppress(BlockingIOError):
                    left = left[os.write(descriptor, left[:WRITE_BYTES]) :]
            if readable:
                self._read(0)

    def wait(self, what: str, seen: Callable[[], bool], timeout: float) -> None:
        """Read until `seen` is true.

        Raises `WaitTimeout` with `what` and the last screen, at once when the program has ended.
        """
        deadline = time.monotonic() + timeout
        while not seen():
            left = deadline - time.monotonic()
            if left <= 0 or self._at_end(left):
                # What came last may be what was awaited.
                if seen():
                    return
                raise WaitTimeout(self._timeout_message(what, timeout))

    def wait_end(self, timeout: float) -> int:
        """Read until the program has ended; its exit code. Raises `WaitTimeout`."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(WaitTimeout):
            self.wait("its end", lambda: False, timeout)
        # It closes the terminal some moments before it has exited.
        wait_until(
            "the end of the program",
            lambda: not self.alive,
            timeout=max(deadline - time.monotonic(), 0),
            seen=lambda: f"the screen:\n{self._shown}",
        )
        return self._code

    def stop(self, grace: float = 0) -> int:  # noqa: ARG002 - as of every session
        """End the whole tree at once (a chat needs no `grace`); the exit code. May be called twice."""
        if not self._closed:
            tree = process_tree(self.pid) if self.alive else []
            kill_tree(self.pid, tree)
            if self._child.isalive():
                self._child.wait()
            self._child.close(force=True)
            self._closed = True
            managed.discard(self)
            wait_until_exited(tree)
        return self._code

    # -- its record

    def transcript(self, name: str) -> Transcript:
        """The screen with what was scrolled out of it, and all traffic with its time: `[0.21 s] typed:`."""
        lines: list[str] = []
        typed = None
        for part in self.traffic:
            if part.typed != typed:
                typed = part.typed
                lines.append(f"\n[{part.seconds:.2f} s] {'typed' if typed else 'written'}:\n")
            lines.append(part.data.decode(errors="replace"))
        raw = f"$ {' '.join(self.command)}\n{''.join(lines)}\n"
        return Transcript(name, raw, self.screen.whole_text)

    def _at_end(self, left: float) -> bool:
        """Read the output of a moment; whether there will be no more."""
        if self.eof:
            return True
        # Before reading: what it wrote just before its end is read as well.
        ended = not self.alive
        return not self._read(0 if ended else min(left, POLL_INTERVAL)) and ended

    def _read(self, seconds: float) -> bool:
        try:
            data = self._child.read_nonblocking(READ_BYTES, timeout=seconds)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            self.eof = True
            # One that goes on without its terminal is not waited for.
            with contextlib.suppress(WaitTimeout):
                wait_until("its end", lambda: not self.alive, timeout=EXIT_SECONDS)
            return False
        self._record(data, typed=False)
        self._written += len(data)
        if self._written > MAX_OUTPUT_BYTES:
            raise CheckFailed(
                f"the program has written more than {MAX_OUTPUT_BYTES // 1_000_000} MB to the terminal"
            )
        self.screen.feed(data)
        return True

    def _record(self, data: bytes, *, typed: bool) -> None:
        self.traffic.append(Traffic(time.monotonic() - self.started, data, typed))

    @property
    def _code(self) -> int:
        """The exit code of a program that has ended."""
        killed = self._child.signalstatus
        return -int(killed) if killed is not None else int(self._child.exitstatus or 0)

    @property
    def _shown(self) -> str:
        return self.screen.text[-MESSAGE_CHARACTERS:] or "(blank)"

    def _timeout_message(self, what: str, timeout: float) -> str:
        state = "it is still running" if self.alive else f"it has ended with exit code {self.exit_code}"
        return f"{what}: not seen within {timeout:.1f} s; {state}; the screen:\n{self._shown}"
