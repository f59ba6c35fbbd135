#!/usr/bin/env python3
"""Makes the project's environment in .venv: `python3 tools/setup.py`. Quick when it is there already.

`--group NAME` adds optional packages (clients, fuzz, distributed, mutation); later calls keep them, until
`make clean`.
It also installs the program that makes the HTML report (Allure, and Node.js if that is missing) in the cache.

Needs Python 3.11 to 3.13 and nothing else: uv is taken from the PATH, or fetched with pip into .cache/.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
UV_VERSION = "0.13.9"
UV_MINIMUM = (0, 9)
OWN_UV = PROJECT / ".cache" / "uv"
# The lock file that the packages in .venv were compiled for.
COMPILED = PROJECT / ".venv" / "compiled-uv.lock"
ACCEPTANCE = PROJECT / ".venv" / ("Scripts/acceptance.exe" if os.name == "nt" else "bin/acceptance")
# The optional groups of packages, and those that were installed.
GROUPS = ("clients", "fuzz", "distributed", "mutation")
KEPT_GROUPS = PROJECT / ".venv" / "groups.txt"
PYTHONS = ((3, 11), (3, 13))


def main(asked: Sequence[str] = ()) -> int:
    """0 when the environment is ready; 2 and one line when it cannot be made."""
    started = time.monotonic()
    keep_exit_codes()
    found = sys.version_info[:2]
    if not PYTHONS[0] <= found <= PYTHONS[1]:
        return fail(
            f"Python {found[0]}.{found[1]} is not supported; run this with Python 3.11, 3.12 or 3.13 "
            "(for make: `make PYTHON=python3.11 ...`)"
        )
    uv = own_or_installed_uv()
    if uv is None:
        return 2
    log("syncing .venv with uv.lock")
    # The interpreter that runs this is the one to use: uv must not fetch another.
    environment = os.environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PROJECT_ENVIRONMENT": str(PROJECT / ".venv"),
    }
    environment.pop("VIRTUAL_ENV", None)
    command = [uv, "sync", "--locked", "--python", sys.executable, "--project", str(PROJECT)]
    groups = groups_with(asked)
    command += [f"--group={name}" for name in groups]
    # Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each process would compile what it imports,
    # which takes longer than most of them. Once for each lock file: uv needs a second to find nothing to do.
    lock = (PROJECT / "uv.lock").read_bytes() + " ".join(groups).encode()
    is_compiled = COMPILED.is_file() and COMPILED.read_bytes() == lock
    # Before as well: uv starts the Python of an environment that is there.
    make_paths_relative(PROJECT / ".venv", PROJECT)
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        return fail("`uv sync --locked` failed, see its output above; is the package index reachable?")
    make_paths_relative(PROJECT / ".venv", PROJECT)
    KEPT_GROUPS.write_text("\n".join(groups), encoding="utf-8")
    if not is_compiled:
        log("compiling the packages (once, up to a minute)")
        compiling = [*command, "--compile-bytecode", "--quiet"]
        if subprocess.run(compiling, env=environment, check=False).returncode != 0:
            return fail("the installed packages could not be compiled, see the output above")
        COMPILED.write_bytes(lock)
    compileall.compile_dir(PROJECT / "support", quiet=2)
    # Without Node.js, npm or network only the HTML page of a run is missing.
    if subprocess.run([str(ACCEPTANCE), "get", "allure"], check=False).returncode != 0:
        log("the HTML report cannot be made, see above; everything else works. Later: acceptance get allure")
    log(f"environment ready in {time.monotonic() - started:.1f} s")
    return 0


def keep_exit_codes() -> None:
    """Where SIGCHLD is ignored (a parent passes that on), `subprocess` reads 0 for each exit code."""
    if os.name == "posix":
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def groups_with(asked: Sequence[str]) -> list[str]:
    """The groups of optional packages: these and the installed ones, which a call without them keeps."""
    kept = KEPT_GROUPS.read_text(encoding="utf-8").split() if KEPT_GROUPS.is_file() else []
    return sorted({*asked, *kept} & {*GROUPS})


def make_paths_relative(environment: Path, project: Path) -> None:
    """The path of the project in the environment, relative to the file that has it.

    Python 3.11 and 3.12 read these files in the encoding of the locale: with LC_ALL=C they would not start in
    a project whose path has an umlaut.
    """
    for file in (
        *environment.glob("lib/*/site-packages/*.pth"),
        *environment.glob("Lib/site-packages/*.pth"),
    ):
        if file.read_bytes().strip() == os.fsencode(project):
            relative = os.path.relpath(project, file.parent)
            file.write_text(f"{relative}\n", encoding="ascii")


def own_or_installed_uv() -> str | None:
    """A uv that is new enough, fetched with pip when there is none."""
    for candidate in (shutil.which("uv"), shutil.which("uv", path=str(OWN_UV / "bin"))):
        if candidate is not None and version_of(candidate) >= UV_MINIMUM:
            return candidate
    log(f"uv is missing: installing it with pip into {OWN_UV.relative_to(PROJECT)}")
    # --target works where the system's Python forbids other installations (PEP 668).
    command = [python_with_pip(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(OWN_UV), f"uv=={UV_VERSION}"],
        env=os.environ | {"PIP_ROOT_USER_ACTION": "ignore"},
        check=False,
    )
    uv = shutil.which("uv", path=str(OWN_UV / "bin"))
    if done.returncode != 0 or uv is None:
        fail("uv could not be installed with pip, see its output above; install uv yourself, then try again")
        return None
    return uv


def python_with_pip() -> str:
    """This Python, or the one that its environment was made of: environments may be without pip."""
    known = [sys.executable, str(getattr(sys, "_base_executable", None) or sys.executable)]
    for python in known:
        if (
            subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode
            == 0
        ):
            return python
    return sys.executable


def version_of(uv: str) -> tuple[int, ...]:
    """(0, 13, 9) for `uv 0.13.9 (...)`; (0,) when its output has no version."""
    output = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout.split()
    try:
        return tuple(int(part) for part in output[1].split("."))
    except (IndexError, ValueError):
        return (0,)


def log(text: str) -> None:
    print(f"setup: {text}", flush=True)


def fail(text: str) -> int:
    print(f"setup: {text}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the project's environment in .venv.")
    parser.add_argument("--group", action="append", default=[], choices=GROUPS, help="optional packages")
    sys.exit(main(parser.parse_args().group))
