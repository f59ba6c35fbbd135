"""The end of a process group when the run is killed.

`PR_SET_PDEATHSIG` (process.py) reaches the processes that the run starts, not their children: the runner of a
real Ollama, for instance, continues with a model in memory when Ollama itself was killed with the run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

# It waits for the end of its input: the pipe is closed when the process of the run has ended.
_WATCH = 'read -r _; kill -s KILL -- "-$1"'


class ProcessGroupReaper:
    """A helper process that kills a process group when this process ends, in whatever way.

    POSIX only; elsewhere it does nothing.
    """

    def __init__(self, group: int) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "reaper", str(group)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # A signal for the group of the run must not reach it.
                start_new_session=True,
            )

    def release(self) -> None:
        """The group has ended, and its number can be used again. May be called twice."""
        if self._watcher is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._watcher.pid, signal.SIGKILL)
        self._watcher.communicate()
        self._watcher = None
