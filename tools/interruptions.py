"""Interrupts runs at random, counts what is left: `tools/interruptions.py [EACH] [SEED] [--way WAY]`.

EACH (20) runs are ended by each of SIGINT, SIGTERM and SIGKILL of the runner, on the reference server, and
EACH have a worker killed, which they outlive. Counted are processes, listening ports and temporary folders,
all of which have to be 0. After SIGKILL the folders are those that are left when the next run has started,
which sweeps. With ACCEPTANCE_JOBS=0 there is no worker to kill.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.errors import EXIT_BUDGET, EXIT_FAILED, EXIT_PASSED
from support.programs.run_directory import sweep
from support.waiting import WaitTimeout, wait_until

PROJECT = Path(__file__).resolve().parents[1]
EACH = 20
END_SECONDS = 30.0
# Every kind of process that a run has: servers, the gateway, a real Ollama where there is one, terminals,
# tool servers, Aider. The whole suite would take hours.
FEATURES = (
    "aider/sessions",
    "binary_health/help",
    "mcp/tools",
    "model_loading/formats",
    "ollama_api/chat",
    "ollama_api/same_answers",
    "openai_api/streaming",
    "terminal_chat/conversation",
)
# Of a run that goes on.
LONGEST_SECONDS = 300.0
# What the kernel needs to end the children of a killed process.
SETTLE_SECONDS = 5.0
# Name -> the signal, and whether a worker gets it instead of the run.
WAYS = {
    "SIGINT": (signal.SIGINT, False),
    "SIGTERM": (signal.SIGTERM, False),
    "SIGKILL": (signal.SIGKILL, False),
    "SIGKILL of a worker": (signal.SIGKILL, True),
}
WORKER = "support.runner.worker"


@dataclass
class Left:
    """What runs that were ended by one signal left."""

    runs: int = 0
    processes: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    codes: dict[int, int] = field(default_factory=dict)
    hung: int = 0
    # From the signal to the end of the run.
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.processes or self.ports or self.folders or self.hung)


def main() -> int:
    """0 when nothing was left, 1 when something was, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("each", nargs="?", type=int, default=EACH, help="runs of each way (default: 20)")
    parser.add_argument("seed", nargs="?", type=int, default=secrets.randbits(32))
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one; may be repeated")
    options = parser.parse_args()
    each, seed = options.each, options.seed
    ways = {way: WAYS[way] for way in options.way or WAYS}
    chance = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="acceptance-interruptions-"))
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        longest = _whole(place)
        print(f"seed {seed}; {each} of each signal, at 0 to {longest:.1f} s of a run", flush=True)
        found = {way: Left() for way in ways}
        order = [way for way in ways for _ in range(each)]
        chance.shuffle(order)
        for way in order:
            _interrupt(place, way, chance.uniform(0, longest), found[way])
    finally:
        for process in _named(place):
            # Of a run that was under way when this program was interrupted.
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(place, ignore_errors=True)
    print("| signal | runs | processes | ports | temporary folders | hung | slowest end | exit codes |")
    print("|---|---|---|---|---|---|---|---|")
    for way, left in found.items():
        codes = ", ".join(f"{count} x {code}" for code, count in sorted(left.codes.items()))
        print(
            f"| {way} | {left.runs} | {len(left.processes)} | {len(left.ports)} | "
            f"{len(left.folders)} | {left.hung} | {left.seconds:.1f} s | {codes} |"
        )
    for left in found.values():
        for what in (*left.processes, *left.ports, *left.folders):
            print(f"left: {what}")
    return 0 if all(left.clean for left in found.values()) else 1


def _start(place: Path) -> subprocess.Popen[bytes]:
    temporary = place / "temporary"
    temporary.mkdir(exist_ok=True)
    command = [str(Path(sys.executable).with_name("acceptance")), "run", "--target", "reference"]
    words = [f"features/{name}.feature" for name in FEATURES]
    words += ["-D", "acceptance_html=false", "-D", f"acceptance_reports_dir={place / 'reports'}"]
    with (place / "output").open("wb") as output:
        return subprocess.Popen(
            [*command, *words],
            cwd=PROJECT,
            env=os.environ | {"TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _whole(place: Path) -> float:
    """Seconds of a run without an interruption; RuntimeError when it does not come to verdicts."""
    started = time.monotonic()
    code = _start(place).wait()
    if code not in (EXIT_PASSED, EXIT_FAILED, EXIT_BUDGET):
        raise RuntimeError(
            f"a run ends with {code}: {(place / 'output').read_text(errors='replace')[-2000:]}"
        )
    return time.monotonic() - started


def _interrupt(place: Path, way: str, after: float, left: Left) -> None:
    number, of_worker = WAYS[way]
    run = _start(place)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(after)
    left.runs += 1
    tree = _tree(run.pid)
    ports = [port for process in tree for port in _ports(process)]
    sent = time.monotonic()
    if of_worker:
        _kill_worker(tree)
    else:
        run.send_signal(number)
    try:
        code = run.wait(LONGEST_SECONDS if of_worker else END_SECONDS)
    except subprocess.TimeoutExpired:
        left.hung += 1
        code = 0
        run.kill()
        run.wait()
    seconds = time.monotonic() - sent
    left.seconds = max(left.seconds, seconds)
    left.codes[code] = left.codes.get(code, 0) + 1
    temporary = place / "temporary"
    with contextlib.suppress(WaitTimeout):
        wait_until(
            "all are gone",
            lambda: not _there(tree, place) and not any(_listens(port) for port in ports),
            timeout=SETTLE_SECONDS,
        )
    for process in _there(tree, place):
        left.processes.append(f"{way} after {after:.2f} s: {_described(process)}")
        with contextlib.suppress(psutil.Error):
            process.kill()
    left.ports += [
        f"{way} after {after:.2f} s: port {port} of {_owner(port)}" for port in ports if _listens(port)
    ]
    if number == signal.SIGKILL and not of_worker:
        sweep(temporary)
    for entry in sorted(temporary.iterdir()):
        inside = ", ".join(str(path.relative_to(temporary)) for path in list(entry.rglob("*"))[:5])
        left.folders.append(f"{way} after {after:.2f} s: {entry.name} ({inside})")
        shutil.rmtree(entry, ignore_errors=True)
    print(f"{way:<20} after {after:6.2f} s: exit code {code} in {seconds:.2f} s", flush=True)


def _kill_worker(tree: list[psutil.Process]) -> None:
    """The first one that is there by now, if any."""
    for process in tree:
        with contextlib.suppress(psutil.Error):
            if WORKER in process.cmdline():
                process.kill()
                return


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _ports(process: psutil.Process) -> list[int]:
    with contextlib.suppress(psutil.Error):
        return [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return []


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def _owner(port: int) -> str:
    """The program that listens there now: another one may have got the port meanwhile."""
    for connection in psutil.net_connections("tcp"):
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid
        ):
            return _described(psutil.Process(connection.pid))
    return "no visible process"


def _there(tree: list[psutil.Process], place: Path) -> list[psutil.Process]:
    """Of the run's processes, those known before its end and those that name its folder."""
    known = {process.pid: process for process in (*tree, *_named(place))}
    return [process for process in known.values() if process.is_running() and not _dead(process)]


def _named(place: Path) -> Iterator[psutil.Process]:
    sign = f"{place}{os.sep}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.environ().get("TMPDIR", "")]
            if process.pid != os.getpid() and any(sign in f"{word}{os.sep}" for word in words):
                yield process


def _dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _described(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid} (ended meanwhile)"


if __name__ == "__main__":
    sys.exit(main())
