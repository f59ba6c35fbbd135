"""The process that Aider's runs are forked from: one for each worker, started on first use."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.aider import fork_server
from support.aider.run import require_local
from support.errors import ProgramUnavailable
from support.programs.aider import AIDER, python_of
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.process import ManagedProcess
from support.suite import RunContext
from support.waiting import WaitTimeout, wait_until

READY_SECONDS = 60.0
# No update, analytics, download or browser of Aider and of litellm: docs/aider.md has what each is for.
QUIET_VARIABLES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "GIT_CONFIG_NOSYSTEM": "1",
    "BROWSER": "true",
    "SHELL": "/bin/sh",
    # LC_ALL is above LANG, which the user may have set.
    "LC_ALL": "C.UTF-8",
    "COLUMNS": "200",
}


class AiderHost:
    """Aider, which is imported while its caller starts other programs."""

    def __init__(self, program: InstalledProgram, folder: Path) -> None:
        self.program = program
        self._python = python_of(program.path)
        self._folder = tempfile.TemporaryDirectory(prefix="aider-", dir=folder)
        self._socket = Path(self._folder.name, "s")
        self._log = Path(self._folder.name, "host.log")
        home = Path(self._folder.name, "home")
        _write_list_of_models(home)
        self._connections = home / "connections"
        self._process = ManagedProcess(
            [self._python, fork_server.__file__, "serve", self._socket],
            stdout=self._log,
            env=aider_environment(home, self._connections),
            cwd=home,
        )
        self._imported = False

    def wait_until_imported(self, timeout: float) -> None:
        """Until runs can be forked. `timeout`: seconds; raises `ProgramUnavailable`, and ends it then."""
        if self._imported:
            return
        try:
            wait_until(
                f"Aider {self.program.version} imported",
                self._socket.exists,
                timeout=timeout,
                alive=lambda: self.alive,
                seen=lambda: self._log.read_text(errors="replace")[-500:],
            )
            if self._connections.exists():
                require_local(self._connections.read_text(encoding="utf-8").splitlines())
        except BaseException as error:
            self.stop()
            if isinstance(error, WaitTimeout):
                # Not a failure of the server under test.
                raise ProgramUnavailable(f"{self.program.path} cannot be imported: {error}") from None
            raise
        self._imported = True

    def command(self, arguments: Sequence[str]) -> list[str | Path]:
        """What runs Aider with these arguments."""
        return [self._python, "-I", "-S", fork_server.__file__, "run", self._socket, *arguments]

    @property
    def alive(self) -> bool:
        return self._process.alive

    @property
    def pid(self) -> int:
        """Of the process that all runs are below."""
        return self._process.pid

    def stop(self) -> int:
        """End it and all its runs; the exit code. May be called twice."""
        code = self._process.stop(grace=0)
        self._folder.cleanup()
        return code


def start_host(suite: RunContext) -> AiderHost | None:
    """The host of this worker, which may still import Aider; None without an installed Aider."""
    program = AIDER.locate(suite.settings)
    if program is None:
        return None
    host = suite.helpers.get("aider", lambda: AiderHost(program, suite.folder))
    assert isinstance(host, AiderHost)
    return host


def _write_list_of_models(home: Path) -> None:
    """Aider would fetch the limits of all models; it uses a list that is younger than a day."""
    folder = home / ".aider" / "caches"
    folder.mkdir(parents=True)
    # An empty one is fetched again.
    known: dict[str, dict[str, int]] = {"no model": {}}
    (folder / "model_prices_and_context_window.json").write_text(json.dumps(known), encoding="utf-8")


def aider_environment(home: Path, connections: Path, **more: str) -> Mapping[str, str]:
    """Of Aider: a home of its own, no network but loopback, the connections recorded in a file."""
    recorded = {fork_server.CONNECTIONS: os.fspath(connections)}
    return child_environment(home, **QUIET_VARIABLES, **recorded, **more)
