"""External programs: what each has; built or installed by its ecosystem's command, once for all processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from support.errors import ProgramUnavailable
from support.programs.process import CommandTimeout, ManagedProcess, process_tree, run_command
from support.programs.run_directory import temp_prefix
from support.user_files import problem_of

Origin = Literal["setting", "PATH", "cache", "package"]
ReportProgress = Callable[[str], None]

EXECUTABLE_SUFFIX = ".exe" if os.name == "nt" else ""
# Of an environment of Python.
SCRIPTS_FOLDER = "Scripts" if os.name == "nt" else "bin"
PROGRESS_INTERVAL = 30.0
# Of the output of a failed command, in the line about it.
LONGEST_OUTPUT = 300
# A build without output and without use of the CPU for so long is ended.
INACTIVITY_SECONDS = 900.0
# Long: one that does not answer in time counts as missing, and would be installed again.
VERSION_SECONDS = 30.0


@dataclass(frozen=True)
class InstalledProgram:
    """An installed program: its path, the version that it prints, and where it was found."""

    name: str
    path: Path
    version: str
    origin: Origin


class ExternalProgram(ABC):
    """An external program. `unusable`: when there is none in `{folder}` although its installer succeeded."""

    name: str
    purpose: str
    install_hint: str
    unusable = ""

    def folder(self, cache: Path) -> Path:
        """Where it is installed."""
        return cache / self.name

    @abstractmethod
    def find(self, cache: Path) -> InstalledProgram | None:
        """The program of this machine, else that of the cache."""

    @abstractmethod
    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """Install it; the parent of the folder exists. Raises `ProgramUnavailable`."""

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:
        """The program, installed when there is none; other processes wait meanwhile.

        Raises `ProgramUnavailable` with the output of the installer.
        """
        if (found := self.find(cache)) is not None:
            return found
        try:
            found = self._install_once(cache, report_progress)
        except OSError as error:
            where = f"{self.name} cannot be installed in {self.folder(cache)}"
            raise ProgramUnavailable(f"{where}: {problem_of(error)}") from None
        if found is None:
            raise ProgramUnavailable(self.unusable.format(folder=self.folder(cache)))
        return found

    def _install_once(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram | None:
        # Most runs find everything installed: they start faster without the lock's package.
        from filelock import FileLock, Timeout

        folder = self.folder(cache)
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            report_progress(f"{self.name}: another process installs it; waiting for its end")
            held = lock.acquire()
        with held:
            if (found := self.find(cache)) is None:
                self.install(folder, report_progress)
                found = self.find(cache)
        return found


def printed_version(
    pattern: str, *command: str | Path, environment: Callable[[Path], Mapping[str, str]] | None = None
) -> str:
    """The first group of `pattern` in what a command prints; empty when it fails.

    `environment`: its variables, by its home folder.
    """
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as name:
        env = None if environment is None else environment(Path(name))
        try:
            done = run_command(command, within=VERSION_SECONDS, env=env)
        except (CommandTimeout, OSError):
            return ""
    found = re.search(pattern, done.stdout + done.stderr) if done.exit_code == 0 else None
    return found[1] if found else ""


def require_tools(
    name: str, tools: Sequence[str], advice: str, language: str, minimum: tuple[int, int], *version: str
) -> None:
    """Raises `ProgramUnavailable` with all missing tools, or when `version` prints less than `minimum`."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise ProgramUnavailable(f"{name}: {', '.join(missing)} not found; {advice}")
    printed = subprocess.run(version, capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+)\.(\d+)", printed)
    if match is None or (int(match[1]), int(match[2])) < minimum:
        oldest = ".".join(map(str, minimum))
        raise ProgramUnavailable(
            f"{name}: needs {language} {oldest} or newer, found {printed.strip()!r}; {advice}"
        )


def build(  # noqa: PLR0913 - a command with its surroundings, as `ManagedProcess`
    name: str,
    command: Sequence[str],
    root: Path,
    report_progress: ReportProgress,
    minutes: int,
    env: Mapping[str, str] | None = None,
    progress_of: Callable[[Sequence[str]], str] = lambda lines: f"{len(lines)} steps",
) -> None:
    """Run the command to its end in `root`, its output in a log there. `minutes` on 2 cores, for the report.

    It may take as long as it works. `progress_of` describes the progress by the lines of the log.
    Raises `ProgramUnavailable` with the first error in the log.
    """
    log = root / "install.log"
    report_progress(f"{name}: {' '.join(command)} (about {minutes} minutes on 2 cores; log: {log})")
    process = ManagedProcess(command, stdout=log, env=env, cwd=root)
    try:
        _wait_with_progress(name, process, log, report_progress, progress_of)
    finally:
        process.stop()
    if process.exit_code != 0:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        cause = errors[0].strip() if errors else "no output"
        raise ProgramUnavailable(f"{name}: {' '.join(command[:2])} failed: {cause}; full log: {log}")


def install(
    failure: str,
    command: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run an installer; `timeout` in seconds.

    Raises `ProgramUnavailable` with `failure` and the end of the output.
    """
    try:
        outcome = run_command(command, within=timeout, env=env, cwd=cwd)
    except (OSError, CommandTimeout) as error:
        raise ProgramUnavailable(f"{failure}: {error}") from None
    if outcome.exit_code != 0:
        raise ProgramUnavailable(f"{failure}: {last_words(outcome.stderr or outcome.stdout)}")


def last_words(output: str) -> str:
    """The end of an output on one line, from the beginning of a word on."""
    text = " ".join(output.split())
    return text if len(text) <= LONGEST_OUTPUT else f"... {text[-LONGEST_OUTPUT:].partition(' ')[2]}"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A path beside `folder` for a new one, which takes its place at the end; none is left after an error."""
    prefix = f".{folder.name}-"
    for left in folder.parent.glob(f"{prefix}*"):
        # Of an installation that was killed: one that runs holds the lock of this program.
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as name:
        new = Path(name) / "new"
        yield new
        shutil.rmtree(folder, ignore_errors=True)
        new.replace(folder)


def find_uv() -> str | None:
    """UV, the one on the PATH, that of this environment, or the one that tools/setup.py has fetched."""
    name = f"uv{EXECUTABLE_SUFFIX}"
    installed = Path(sys.executable).with_name(name)
    own = Path(__file__).parents[2] / ".cache" / "uv" / SCRIPTS_FOLDER / name
    found = (str(path) for path in (installed, own) if path.is_file())
    return os.environ.get("UV") or shutil.which("uv") or next(found, None)


def require_uv(name: str) -> str:
    """The same, for the installation of a program; raises `ProgramUnavailable` without one."""
    uv = find_uv()
    if uv is None:
        raise ProgramUnavailable(
            f"{name}: uv is not found: `python3 tools/setup.py` fetches it in a checkout; else "
            "`pip install uv` beside the suite, or set UV to its path"
        )
    return uv


def wheel_installer(package: str, target: Path) -> list[str | Path]:
    """The command that unpacks the wheel of a package (`name==version`) into a folder: uv's, else pip's.

    The wheel is not kept a second time in a cache. Raises `ProgramUnavailable` without uv and pip.
    """
    wheel = ["--no-deps", "--only-binary", ":all:", "--target", str(target), package]
    uv = find_uv()
    if uv:
        return [uv, "pip", "install", "--quiet", "--no-cache", "--python", sys.executable, *wheel]
    quiet = ["--quiet", "--no-cache-dir", "--no-compile", "--disable-pip-version-check"]
    # A virtual environment made by uv has no pip; the interpreter that it was made from mostly has.
    for python in dict.fromkeys((sys.executable, str(getattr(sys, "_base_executable", sys.executable)))):
        if printed_version(r"^pip (\S+)", python, "-m", "pip", "--version"):
            return [python, "-m", "pip", "install", *quiet, *wheel]
    raise ProgramUnavailable(f"{package}: neither uv nor pip is found: install uv, or set UV to its path")


def _wait_with_progress(
    name: str,
    process: ManagedProcess,
    log: Path,
    report_progress: ReportProgress,
    progress_of: Callable[[Sequence[str]], str],
) -> None:
    active = time.monotonic()
    activity: tuple[int, int] | None = None
    while not process.exited_within(PROGRESS_INTERVAL):
        now = time.monotonic()
        if (found := (log.stat().st_size, _cpu_seconds(process.pid))) != activity:
            activity, active = found, now
        if now - active > INACTIVITY_SECONDS:
            raise ProgramUnavailable(
                f"{name}: no output and no use of the CPU for {INACTIVITY_SECONDS / 60:.0f} min; log: {log}"
            )
        lines = log.read_text(errors="replace").splitlines()
        last = lines[-1].strip() if lines else "nothing yet"
        minutes = (now - process.started) / 60
        report_progress(f"{name}: {minutes:.1f} min, {progress_of(lines)}, now: {last}")


def _cpu_seconds(pid: int) -> int:
    """Of the process with those that it has started; one that waits takes less than a second."""
    used = 0.0
    for process in process_tree(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            used += times.user + times.system
    return round(used)
