"""How long somebody without a checkout waits: from the wheel and empty caches to verdicts on a URL."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from support.programs.install import find_uv
from support.programs.process import ManagedProcess
from support.servers.mistralrs import start_server
from support.waiting import wait_until
from tools.gateway_cost import Row
from tools.measured_targets import suites

PROJECT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 600.0
CACHES = {"ACCEPTANCE_CACHE_DIR": "own", "UV_CACHE_DIR": "uv", "UV_TOOL_DIR": "tools"}


def package() -> list[Row]:
    """The selection `smoke`, on a reference server that listens beside it."""
    uv = find_uv()
    if uv is None:
        print("measure: uv is not found: `python3 tools/setup.py` fetches it, or set UV", file=sys.stderr)
        return []
    with (
        tempfile.TemporaryDirectory(prefix="acceptance-package-") as name,
        closing(suites("reference")) as all_,
    ):
        suite = next(all_)
        build = [uv, "build", "--quiet", "--wheel", "--out-dir", name, str(PROJECT)]
        if subprocess.run(build, check=False, timeout=MOST_SECONDS).returncode:
            print("measure: `uv build` failed, see its output above; nothing was measured", file=sys.stderr)
            return []
        (wheel,) = Path(name).glob("*.whl")
        server = start_server(suite.command, suite.scripted(), suite.settings)
        try:
            first, whole, code = _verdicts(uv, wheel, server.url)
        finally:
            server.stop()
    return [
        ("the wheel, from empty caches to the first verdict on a URL", "60 s", f"{first:.0f} s"),
        ("the same, to the end of `smoke` with its reports", "-", f"{whole:.0f} s (exit code {code})"),
    ]


def _verdicts(uv: str, wheel: Path, url: str) -> tuple[float, float, int]:
    """Seconds to the first verdict and to the end, and the exit code."""
    folder = wheel.parent
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= {key: str(folder / "cache" / part) for key, part in CACHES.items()}
    command = [uv, "tool", "run", "--quiet", "--python", sys.executable, "--from", str(wheel)]
    command += ["acceptance", "run", "smoke", "--ci", "--target", url]
    output = folder / "output"
    started = time.monotonic()
    run = ManagedProcess(command, stdout=output, stderr=folder / "errors", env=environment, cwd=folder)
    try:
        wait_until(
            "the first verdict",
            lambda: "\nok " in output.read_text(errors="replace"),
            timeout=MOST_SECONDS,
            alive=lambda: run.alive,
            seen=lambda: (output.read_text() + (folder / "errors").read_text())[-500:],
        )
        first = time.monotonic() - started
        code = run.wait(MOST_SECONDS)
        return first, time.monotonic() - started, code
    finally:
        run.stop()
