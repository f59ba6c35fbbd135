"""Runs the suite once for each fault, several at the same time: the real command with its real verdict."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from support.conformance.case_table import all_checks, check_ids
from support.fault_injection.catalogue import CatalogueFault
from support.fault_injection.faulty_program import Plan, write_program
from support.fault_injection.proof import RunResult
from support.fault_injection.suite_process import NO_FAULT, ProcessFault, SuiteProcess
from support.programs.launcher import LaunchedProgram, launch, log_matches
from support.runner.checks_of_scenarios import FEATURES, files_of_titles, titles_of_groups
from support.runner.entry_point import settings_of
from support.runner.selection import ANY_SPEED
from support.servers.bundled_gateway import PROGRAM as GATEWAY_PROGRAM
from support.servers.discovery import CommandTarget, Target
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until

RUN_SECONDS = 300.0
# For the end and the reports of a run beyond its time.
END_SECONDS = 30.0
PROXY_SECONDS = 30.0
OUTPUT = "output.txt"
OUTPUT_CHARACTERS = 4000
Changes = tuple[Mapping[str, Any], ...]
_LISTENING = re.compile(r"Listening on (http://\S+)")


@dataclass
class SuiteRun:
    """One run of `acceptance run`. `main`: the command line; `words`: its options."""

    name: str
    main: Callable[[Sequence[str]], object]
    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    # In front of a server at a URL.
    front: Plan | None = None
    fault: ProcessFault = NO_FAULT
    _interrupted: bool = False
    _proxy: LaunchedProgram | None = None
    _process: SuiteProcess | None = None

    def start(self) -> None:
        """Raises OSError when the program cannot be started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # What a user has accepted hides no fault.
        accepted = self.folder / "accepted.toml"
        accepted.touch()
        own = [
            "--ci",
            "--report=json",
            # No workers: one process less for each fault.
            "--define=acceptance_jobs=0",
            f"--define=acceptance_reports_dir={self.folder}",
            f"--define=acceptance_accepted={accepted}",
            f"--define=performance_history={self.folder / 'history.jsonl'}",
        ]
        if self.front is not None:
            program = write_program(self.folder, "front", self.front)
            self._proxy = launch(
                "the proxy",
                [program],
                environment=lambda _: os.environ,
                ready=log_matches(_LISTENING),
                timeout=PROXY_SECONDS,
            )
            listening = _LISTENING.search(self._proxy.log)
            own.append(f"--target={listening[1] if listening else ''}")
        words = [*own, *self.words]
        self._process = SuiteProcess(self.main, words, self.folder / OUTPUT, self.environment, self.fault)

    @property
    def process(self) -> SuiteProcess:
        """The one that was started."""
        assert self._process is not None
        return self._process

    @property
    def has_ended(self) -> bool:
        """Whether there is a result; a run beyond its time is ended, with that of what is done."""
        over = time.monotonic() - self.process.started - RUN_SECONDS
        if self.process.alive and over > END_SECONDS:
            self.process.stop()
        elif self.process.alive and over > 0 and not self._interrupted:
            self._interrupted = True
            self.process.interrupt()
        return not self.process.alive

    def stop(self) -> None:
        """End what was started. May be called twice."""
        if self._process is not None:
            self._process.stop()
        if self._proxy is not None:
            self._proxy.stop()

    def result(self) -> RunResult:
        """What came of it, when it has ended."""
        code = self.process.stop()
        self.stop()
        text = (self.folder / OUTPUT).read_text(encoding="utf-8", errors="replace")
        seconds = (self.process.ended or time.monotonic()) - self.process.started
        result = RunResult.read(self.folder, code, text[-OUTPUT_CHARACTERS:], seconds)
        return replace(result, is_whole=not self._interrupted)


def selection(checks: Iterable[str], scenarios: Iterable[str], *, whole: bool = False) -> list[str]:
    """The options that select these, `@slow` or not; `whole`: all checks of their groups."""
    ids = list(checks)
    # As `--case` does, which looks for the titles each time.
    titles = [*titles_of_checks(ids), *scenarios]
    words = [f"--define=acceptance_cases={','.join(ids)}"] if ids and not whole else []
    words += [f"--name=^{re.escape(title)}$" for title in dict.fromkeys(titles)]
    return [*words, f"--tags={ANY_SPEED}"]


def selection_of(names: Iterable[str]) -> list[str]:
    """The options that select these checks and scenarios."""
    known, found = check_ids(), list(names)
    checks = [name for name in found if name in known]
    return selection(checks, [name for name in found if name not in known])


def of_capability(name: str) -> list[str]:
    """The options that select what the suite checks of a capability, without `@slow`."""
    return [f"{FEATURES}/{name}"]


def of_capability_until_failure(fault: CatalogueFault) -> list[str]:
    """The same, the features of what has to detect it first, until the first failure."""
    files = _files_of_titles()
    expected = {files[title] for title in (*titles_of_checks(fault.checks), *fault.scenarios)}
    folder = f"{FEATURES}/{fault.capability}/"
    found = dict.fromkeys(file for file in files.values() if file.startswith(folder))
    return [*sorted(found, key=lambda file: file not in expected), "--fail-fast"]


@cache
def _files_of_titles() -> dict[str, str]:
    # With the configuration of behave, which has the form of titles.
    settings_of([])
    return files_of_titles()


@cache
def _titles_of_groups() -> dict[tuple[str, str], str]:
    return titles_of_groups()


def titles_of_checks(ids: Sequence[str]) -> list[str]:
    """The titles of the scenarios that run these checks."""
    known, titles = all_checks(), _titles_of_groups()
    return list(dict.fromkeys(titles[name.partition(".")[0], known[name].group] for name in ids))


def own_programs(folder: Path, scripts: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of a run that finds these scripts before the programs of their names."""
    if not scripts:
        return {}
    programs = folder / "programs"
    programs.mkdir(parents=True)
    for name, text in scripts.items():
        script = programs / name
        script.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        script.chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


class FaultyTarget:
    """The options of runs on the target, with the program of a fault in front of it."""

    def __init__(self, target: Target, settings: Settings, defines: Sequence[str]) -> None:
        self._target = target
        self._settings = settings
        self._defines = [f"--define={define}" for define in defines]

    def front(self, fault: CatalogueFault | None) -> Plan | None:
        """What stands in front of a server at a URL; None where a program does."""
        if isinstance(self._target, CommandTarget) or (fault and fault.server != "target"):
            return None
        return Plan(url=self._target.url, http=fault.http if fault and not fault.stands_for else ())

    def options(self, fault: CatalogueFault | None, folder: Path) -> list[str]:
        """Of a run with this fault (None: with the same program in front of it, and without a fault)."""
        folder.mkdir(parents=True, exist_ok=True)
        words = list(self._defines)
        http, command = (fault.http, fault.command) if fault else ((), ())
        in_front_of = fault.server if fault else ""
        if fault and fault.stands_for:
            words.append(self._in_place_of(fault, folder))
            http, command = (), ()
        words += [f"--define={name}={value}" for name, value in fault.settings.items()] if fault else []
        if in_front_of in ("target", "") and isinstance(self._target, CommandTarget):
            plan = Plan((str(self._target.path),), http=http, command=command)
            words.append(f"--target={write_program(folder, 'mistralrs', plan)}")
        elif isinstance(self._target, CommandTarget):
            words.append(f"--target={self._target.path}")
        elif in_front_of == "ollama_api":
            words.append(f"--target={self._target.url}")
        if in_front_of in ("ollama_api", ""):
            words += self._ollama_options(folder, http, command)
        return words

    def _in_place_of(self, fault: CatalogueFault, folder: Path) -> str:
        """The setting that leads to the program with the fault, in place of one that the suite uses."""
        from support.programs.prometheus import ALERTMANAGER, PROMETHEUS

        kind = {"prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER}[fault.stands_for]
        found = kind.locate(self._settings)
        if found is None:
            return f"--define={fault.stands_for}_bin="
        (folder / kind.tool).symlink_to(kind.tool_of(found.path))
        real = tuple(str(word) for word in kind.command(found))
        plan = Plan(real, http=fault.http, command=fault.command)
        program = write_program(folder, fault.stands_for, plan)
        return f"--define={fault.stands_for}_bin={program}"

    def _ollama_options(self, folder: Path, http: Changes, command: Changes) -> list[str]:
        if self._settings.ollama_api == "gateway":
            real = self._settings.gateway_bin or GATEWAY_PROGRAM
            program = write_program(folder, "gateway", Plan((str(real),), http=http, command=command))
            return [f"--define=gateway_bin={program}"]
        from support.programs.ollama import OLLAMA

        found = OLLAMA.locate(self._settings)
        if found is None:
            return []
        program = write_program(folder, "ollama", Plan((str(found.path),), http=http, command=command))
        return [f"--define=ollama_bin={program}"]


def run_all(runs: Iterator[SuiteRun], jobs: int, ended: Callable[[SuiteRun, RunResult], None]) -> None:
    """All of them, `jobs` at the same time; `ended` gets each as it ends."""
    running: list[SuiteRun] = []
    try:
        while True:
            while len(running) < jobs and (run := next(runs, None)) is not None:
                # Before its start, of which a part may fail.
                running.append(run)
                run.start()
            if not running:
                return
            done = _first_ended(running)
            running.remove(done)
            ended(done, done.result())
    finally:
        for run in running:
            run.stop()


def _first_ended(running: Sequence[SuiteRun]) -> SuiteRun:
    try:
        return wait_until(
            "the end of a run",
            lambda: next((run for run in running if run.has_ended), None),
            timeout=2 * RUN_SECONDS,
            pause=0.1,
        )
    except WaitTimeout:
        running[0].process.stop()
        return running[0]
