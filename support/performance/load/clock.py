"""One clock for all times: nanoseconds of `perf_counter_ns`, the monotonic clock of the system.

Linux stamps each packet when it arrives (SO_TIMESTAMPNS, socket(7)), and a read comes with the stamp of its
last packet. Packets that wait for a late reader are merged, and have one stamp then. The stamp is of the
wall clock, so it is converted with the difference of the clocks, which is sampled for each request. Without
stamps, as on other systems, the time of the read itself is taken.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Sequence
from time import perf_counter_ns, time_ns
from typing import TypeAlias

KERNEL_STAMPS = sys.platform == "linux"
# Of asm-generic/socket.h; Python has no name for it.
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) if KERNEL_STAMPS else 0
SECOND = 1_000_000_000
# Two readings that are further apart were interrupted: their difference would be wrong by a time slice.
_CLOSE_NS, _ATTEMPTS = 1000, 8
# linux/timerfd.h and time.h.
_CLOCK_MONOTONIC, _TFD_TIMER_ABSTIME, _TFD_FLAGS = 1, 1, os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_ITIMERSPEC = struct.Struct("@llll")

Ancillary: TypeAlias = Sequence[tuple[int, int, bytes]]


def wall_clock_offset() -> int:
    """Wall clock minus `perf_counter_ns`, exact to half a microsecond."""
    least, offset = sys.maxsize, 0
    for _ in range(_ATTEMPTS):
        before, wall, after = perf_counter_ns(), time_ns(), perf_counter_ns()
        if after - before < least:
            least, offset = after - before, wall - (before + after) // 2
        if least <= _CLOSE_NS:
            break
    return offset


def request_stamps(connection: socket.socket) -> None:
    """From now on reads of this socket come with the stamps of the kernel, where it has them."""
    if KERNEL_STAMPS:
        connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def switch_stamps_on() -> socket.socket:
    """A socket to hold as long as stamps are needed.

    The kernel stamps packets while any socket of the system wants it, and begins in the background
    (net_enable_timestamp): the first packets of the first such socket have none.
    """
    held = socket.socket()
    request_stamps(held)
    return held


def kernel_stamp(ancillary: Ancillary) -> int | None:
    """Wall-clock nanoseconds of a read's last packet; None where it has no stamp."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * SECOND + nanoseconds)
    return None


class Timer:
    """Waits for a moment of `perf_counter_ns`, on Linux with a timer of the kernel (timerfd_create(2)).

    The event loop's own timers are late by up to a millisecond: it waits in whole ones.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._expired = asyncio.Event()
        self._file = -1
        if KERNEL_STAMPS:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._file = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._file >= 0:
            loop.add_reader(self._file, self._expire)

    async def wait_until(self, moment: int) -> None:
        """What else is ready runs in between, also when the moment has passed."""
        left = moment - perf_counter_ns()
        if left <= 0:
            await asyncio.sleep(0)
            return
        if self._file < 0:
            await asyncio.sleep(left / SECOND)
            return
        self._expired.clear()
        setting = _ITIMERSPEC.pack(0, 0, *divmod(moment, SECOND))
        self._libc.timerfd_settime(self._file, _TFD_TIMER_ABSTIME, setting, None)
        await self._expired.wait()

    def close(self) -> None:
        """May be called twice."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _expire(self) -> None:
        os.read(self._file, 8)
        self._expired.set()
