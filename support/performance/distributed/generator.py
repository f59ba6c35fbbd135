"""The process of a load that begins, and ends, when it is told to (support/performance/load/coordination.py).

Nothing here waits: who watches it has other things to do meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from support.performance.load.coordination import MEASURED, READY, STARTED, TOGETHER
from support.performance.load.files import EVENTS, QUALITY, REQUESTS
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadFailed, ended_with, generator_command
from support.programs.output_limit import read_output
from support.programs.process import ManagedProcess
from support.settings import ca_file

_ANNOUNCED, _ERRORS = "announced.txt", "load.log"


class CoordinatedGenerator:
    """It prepares the load of the plan; its files are left in the folder."""

    def __init__(self, plan: LoadPlan, folder: Path) -> None:
        self._folder = folder
        if plan.url.startswith("https:") and not plan.ca_file and (trusted := ca_file()):
            plan = replace(plan, ca_file=str(trusted))
        reading, self._input = os.pipe()
        try:
            self._process = ManagedProcess(
                [*generator_command(folder), TOGETHER],
                stdin=reading,
                stdout=folder / _ANNOUNCED,
                stderr=folder / _ERRORS,
            )
        finally:
            os.close(reading)
        # Through a pipe: the plan may have a key, which is in no file then.
        self._write(plan.to_json())

    @property
    def ended(self) -> bool:
        return not self._process.alive

    @property
    def ready(self) -> bool:
        return self._announced(READY) is not None

    @property
    def start_ns(self) -> int | None:
        """When it began, by the monotonic clock of this machine."""
        line = self._announced(STARTED)
        return None if line is None else int(line.split()[1])

    @property
    def measured(self) -> bool:
        """Whether all measured requests have ended. A trace has nothing that could go on then, and ends."""
        return self._announced(MEASURED) is not None or self.ended

    def begin(self) -> None:
        self._write("begin")

    def release(self) -> None:
        """Let the load end; may be called twice."""
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def stop(self) -> None:
        """End it at once, if it has not ended; may be called twice."""
        self._process.stop(grace=0)
        self.release()

    def require_success(self) -> None:
        """Raises `LoadFailed` when it has ended, and not well."""
        if code := self._process.exit_code:
            raise LoadFailed(ended_with(code, self._folder / _ERRORS))

    def files(self) -> dict[str, str]:
        """What it has left, by name. Raises `LoadFailed`."""
        self.require_success()
        found = {name: self._folder / name for name in (REQUESTS, QUALITY, EVENTS)}
        return {name: file.read_text(encoding="utf-8") for name, file in found.items() if file.exists()}

    def _announced(self, word: str) -> str | None:
        lines = read_output(self._folder / _ANNOUNCED).splitlines(keepends=True)
        return next((line for line in lines if line.startswith(word) and line.endswith("\n")), None)

    def _write(self, line: str) -> None:
        # One that has ended meanwhile reads nothing: `require_success` has the reason.
        with suppress(BrokenPipeError):
            data = f"{line}\n".encode()
            while data:
                data = data[os.write(self._input, data) :]


@contextmanager
def coordinated_generator(plan: LoadPlan, folder: Path) -> Iterator[CoordinatedGenerator]:
    """Ended at the end in any case."""
    generator = CoordinatedGenerator(plan, folder)
    try:
        yield generator
    finally:
        generator.stop()
