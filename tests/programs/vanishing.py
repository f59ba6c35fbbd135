"""Whether processes have ended."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from support.waiting import wait_until
from tests.timeouts import PATIENCE


def is_gone(pid: int) -> bool:
    """Ended; a child of somebody else that nobody collected counts as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def check_gone(pids: Iterable[int]) -> None:
    """Within a moment all have ended."""
    wait_until(f"{pids} gone", lambda: all(map(is_gone, pids)), timeout=PATIENCE)
