"""The end of a process group whose owner was killed.

`PR_SET_PDEATHSIG` reaches the processes that we start, not those that they start: a real Ollama's runner, for
instance, goes on with a model in memory when Ollama itself was killed with the run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

# It waits for the end of its input, which comes when nobody holds the other end of the pipe any more.
_WATCH = 'read -r _; kill -s KILL -- "-$1"'


class ProcessGroupReaper:
    """A process that kills a group as soon as this process is gone, however that came about.

    POSIX only; elsewhere it does nothing.
    """

    def __init__(self, group: int) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "guard", str(group)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # A signal for our own group must not reach it before it has done its work.
                start_new_session=True,
            )

    def release(self) -> None:
        """The group has ended, and its number may soon be another's. May be called twice."""
        if self._watcher is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._watcher.pid, signal.SIGKILL)
        self._watcher.communicate()
        self._watcher = None
