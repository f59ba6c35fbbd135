"""Runs of the suite and of toy suites in processes of their own, and what each leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil

from support.runner.project_configuration import FOREIGN_VARIABLES, PROXY_VARIABLES
from support.waiting import WaitTimeout, wait_until
from tests.timeouts import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BEHAVE = (sys.executable, "-m", "behave")
ACCEPTANCE = (str(Path(sys.executable).with_name("acceptance")), "run")
WORKERS = (*ACCEPTANCE, "--jobs", "2")
HERE = (*ACCEPTANCE, "--jobs", "0")
# Several runs go on at once.
LONGEST_SECONDS = 5 * PATIENCE
# Variables of the user that would change a run.
SETTINGS = (
    "ACCEPTANCE_",
    "TEST_",
    "TARGET_",
    "MISTRALRS_",
    "RUST_LOG",
    *FOREIGN_VARIABLES,
    *PROXY_VARIABLES,
    *map(str.lower, PROXY_VARIABLES),
    "XDG_",
    "PYTEST_",
    "NO_COLOR",
    "COLUMNS",
)


@dataclass(frozen=True)
class Run:
    """A run that has ended: its exit code, output and reports, and what it left behind."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str
    pid: int
    processes: tuple[str, ...]
    temporary: tuple[str, ...]

    @property
    def output(self) -> str:
        """All output, for a failure message."""
        return f"exit code {self.exit_code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.reports / "report.json").read_bytes())
        return document

    @property
    def verdicts(self) -> dict[str, str]:
        """Title -> verdict."""
        return {test["name"]: test["verdict"] for test in self.report["tests"]}

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """Title -> Allure result."""
        files = (self.reports / "allure-results").glob("*-result.json")
        return {result["name"]: result for result in (json.loads(file.read_bytes()) for file in files)}

    @property
    def cases(self) -> dict[str, list[str]]:
        """Title -> its elements in JUnit: `failure`, `error`, `skipped`, or nothing for a pass.

        Without the case of the decision.
        """
        files = set((self.reports / "junit").glob("*.xml")) - {self.reports / "junit/TESTS-decision.xml"}
        return {
            case.attrib["name"]: [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            for file in files
            for case in ElementTree.parse(file).iter("testcase")
        }

    def test(self, title: str) -> dict[str, Any]:
        """One scenario in the report."""
        found: dict[str, Any] = next(test for test in self.report["tests"] if test["name"] == title)
        return found


class Launched:
    """A run that is under way. Its home and its temporary folder are its own."""

    def __init__(
        self, folder: Path, command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        home = folder / "home"
        for made in (self.temporary, home):
            made.mkdir(parents=True, exist_ok=True)
        # Not `items()`: pytest changes a variable before and after each test, while other threads are here.
        inherited = {
            name: value
            for name in list(os.environ)
            if not name.startswith(SETTINGS) and (value := os.environ.get(name)) is not None
        }
        own = {"HOME": str(home), "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)}
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            self.process = subprocess.Popen(
                list(command),
                cwd=cwd or folder,
                env={**inherited, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def signal_when(self, mark: str, number: int, *, all_processes: bool = False) -> None:
        """Send a signal as soon as the run has written something into the file `mark`.

        `all_processes`: to all processes of the run, as the end of a container does.
        """
        file = self.folder / mark
        wait_until(
            f"the run writes {mark}",
            lambda: file.exists() and file.stat().st_size > 0,
            timeout=LONGEST_SECONDS,
            alive=lambda: self.process.poll() is None,
            seen=lambda: (self.folder / "stderr").read_text(errors="replace")[-500:],
        )
        tree = psutil.Process(self.process.pid).children(recursive=True) if all_processes else []
        os.killpg(self.process.pid, number) if all_processes else self.process.send_signal(number)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def end(self) -> Run:
        """Wait for its end (bounded), look at what is left, and remove that."""
        try:
            code = self.process.wait(LONGEST_SECONDS)
            left = still_there(self.folder)
        finally:
            for process in processes_of(self.folder):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.kill()
            self.process.wait()
        return Run(
            self.folder,
            code,
            (self.folder / "stdout").read_text(errors="replace"),
            (self.folder / "stderr").read_text(errors="replace"),
            self.process.pid,
            tuple(described(process) for process in left),
            tuple(sorted(entry.name for entry in self.temporary.iterdir())),
        )


def processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Processes that name the folder: on their command line, as their place, or as their temporary folder."""
    sign = f"{folder}{os.sep}"
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [
                *process.cmdline(),
                f"{process.cwd()}{os.sep}",
                process.environ().get("TMPDIR", "") + os.sep,
            ]
            if any(sign in word for word in words):
                yield process


def still_there(folder: Path) -> list[psutil.Process]:
    """Those that are there for more than a moment: the kernel kills some just when the run ends."""
    with contextlib.suppress(WaitTimeout):
        wait_until("all are gone", lambda: not list(processes_of(folder)), timeout=PATIENCE / 4)
    return list(processes_of(folder))


def described(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid} (ended meanwhile)"
