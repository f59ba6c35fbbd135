"""The limit of what a program prints into a file: beyond it only the start and the end are kept.

A thread shortens the files, so a program never waits for a reader. Files are written in append mode: what
follows goes behind what was kept.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

MEGABYTE = 1_000_000
LIMIT = 32 * MEGABYTE
KEPT_START = KEPT_END = 8 * MEGABYTE
CHECK_SECONDS = 0.1
# How often the end is read again before the file is shortened.
ATTEMPTS = 8
LEFT_OUT = f"\n[... left out: the output has more than {LIMIT // MEGABYTE} MB ...]\n"


class OutputLimits:
    """Shortens the files that grow beyond the limit. One thread for all, until the process ends."""

    def __init__(self) -> None:
        # File -> how often it was shortened.
        self._files: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, file: Path) -> None:
        """From now on, until it is removed."""
        with self._lock:
            self._files[file] = 0
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="output limits", daemon=True)
                self._thread.start()

    def times_shortened(self, file: Path) -> int:
        return self._files.get(file, 0)

    def check(self) -> None:
        """Shorten what has grown too large."""
        with self._lock:
            for file in list(self._files):
                try:
                    if file.stat().st_size > LIMIT:
                        shorten(file)
                        self._files[file] += 1
                except FileNotFoundError:
                    del self._files[file]
                except OSError:
                    # A full disk: the next attempt may free some of it.
                    continue

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(CHECK_SECONDS):
            self.check()


OUTPUT_LIMITS = OutputLimits()


def shorten(file: Path) -> None:
    """Keep the start and the end; raises FileNotFoundError when it was removed."""
    # Mode "ab" would create it again when it was removed meanwhile, in a folder that is being removed.
    with os.fdopen(os.open(file, os.O_RDWR | os.O_APPEND), "r+b") as stream:
        end = read_end(stream)
        # What the program writes meanwhile would be lost: its last line, often the reason of its end.
        # A program that writes all the time loses a line in the middle.
        for _attempt in range(ATTEMPTS):
            more = stream.read(KEPT_END)
            if not more:
                break
            end = (end + more)[-KEPT_END:]
        stream.truncate(KEPT_START)
        stream.write(LEFT_OUT.encode() + end)


def read_end(stream: BinaryIO) -> bytes:
    """Its last bytes, as many as are kept."""
    stream.seek(max(os.fstat(stream.fileno()).st_size - KEPT_END, 0))
    return stream.read(KEPT_END)


def read_output(file: Path) -> str:
    """What a program has printed into a file; raises FileNotFoundError when there is none."""
    if file.stat().st_size <= LIMIT:
        return file.read_text(errors="replace")
    with file.open("rb") as stream:
        start, end = stream.read(KEPT_START), read_end(stream)
    return start.decode(errors="replace") + LEFT_OUT + end.decode(errors="replace")
