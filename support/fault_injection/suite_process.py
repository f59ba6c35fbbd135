"""A run of `acceptance run` in a process that is forked from this one, which has imported the suite already.

The command, its arguments and its verdict are those of the command line; its start takes a third less of the
CPU than that of a new interpreter. POSIX only, as the programs with faults are.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import EXIT_HARNESS
from support.programs.process import child_preexec, kill_tree, managed, process_tree, wait_until_exited
from support.programs.run_directory import remove_folders_of

# Of the record of a GPU (`gpu_record`).
GPU_KEYS = frozenset({"missing", "metric", "times", "plus", "stuck", "first", "reversed"})
# What most runs import sooner or later.
_PACKAGES = ("runner", "reporting", "results", "conformance", "conformance.oracles", "chat", "servers")
_MODULES = ("support.world", "support.suite", "openai.types.chat", "ollama", "rich", "jinja2")

# A scenario that takes longer has a step of the clock in it.
STEP_SECONDS = 0.5


def import_suite() -> None:
    """Import what runs need, read the tables of cases, and compile the templates of the reports."""
    from support.conformance.case_table import all_checks
    from support.reporting.rendering import compile_templates

    for package in _PACKAGES:
        path = importlib.import_module(f"support.{package}").__path__
        for module in pkgutil.iter_modules(path, f"support.{package}."):
            importlib.import_module(module.name)
    for name in _MODULES:
        importlib.import_module(name)
    all_checks()
    compile_templates()


@dataclass(frozen=True)
class ProcessFault:
    """What is wrong in the process of the suite itself.

    `file_bytes`: no file can be longer, as on a full disk; the error is EFBIG instead of ENOSPC.
    `clock_step`: seconds by which the wall clock of this process is set, each half second.
    `webhook_port`: Alertmanager sends notifications to this port of loopback, not to the suite's receiver.
    `gpu`: what is wrong in the record of GPUs (`gpu_record`); empty: nothing is."""

    file_bytes: int = 0
    clock_step: float = 0.0
    webhook_port: int = 0
    gpu: Mapping[str, Any] | None = None

    def begin(self) -> None:
        """In this process, and those that it starts; the clock only here."""
        if self.file_bytes:
            # Not at the top: Windows has none.
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))
        if self.clock_step:
            vars(time)["time"] = self._stepping(time.time, time.monotonic())
        if self.webhook_port:
            from support.monitoring.webhook import WebhookReceiver

            type.__setattr__(WebhookReceiver, "url", property(lambda _: self._webhook))
        if self.gpu is not None:
            from support.fault_injection import gpu_record

            gpu_record.begin(self.gpu)

    @property
    def _webhook(self) -> str:
        return f"http://127.0.0.1:{self.webhook_port}/"

    def _stepping(self, real: Callable[[], float], began: float) -> Callable[[], float]:
        def stepped() -> float:
            return real() + self.clock_step * ((time.monotonic() - began) // STEP_SECONDS)

        return stepped


NO_FAULT = ProcessFault()


class SuiteProcess:
    """The process of one run, in a process group of its own, with its output in a file."""

    def __init__(
        self,
        main: Callable[[Sequence[str]], object],
        words: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
        fault: ProcessFault = NO_FAULT,
    ) -> None:
        """`main`: the command line, which ends with SystemExit."""
        self.started = time.monotonic()
        self.ended: float | None = None
        self._code: int | None = None
        before_exec = child_preexec()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            code = EXIT_HARNESS
            try:
                os.setsid()
                if before_exec is not None:
                    before_exec()
                code = _run(main, words, output, environment, fault)
            finally:
                os._exit(code)
        managed.add(self)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                self.ended = time.monotonic()
        return self._code is None

    def interrupt(self) -> None:
        """As Ctrl-C does: the run ends and reports what is done."""
        if self.alive:
            os.kill(self.pid, signal.SIGINT)

    def stop(self, grace: float = 0.0) -> int:  # noqa: ARG002 - as the other processes of the suite
        """End its whole tree; the exit code. May be called twice."""
        tree = process_tree(self.pid) if self.alive else []
        if self._code is None:
            kill_tree(self.pid, tree)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.ended = time.monotonic()
            wait_until_exited(tree)
            remove_folders_of(self.pid)
        managed.discard(self)
        return self._code


def _run(
    main: Callable[[Sequence[str]], object],
    words: Sequence[str],
    output: Path,
    environment: Mapping[str, str],
    fault: ProcessFault,
) -> int:
    """The command line in this process."""
    # Those of this process are not its own: they end with it.
    managed.clear()
    with output.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["acceptance", "run", *words]
    fault.begin()
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001 - this process was forked: above it is the other one's code
        traceback.print_exc()
        return EXIT_HARNESS
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
