"""Runs the suite several times on each server and compares the decisions.

`tools/repeated_decisions.py [TIMES] [WAY ...] [--run "OPTIONS"]`: WAY is a server and how it is reached
(`WAYS`; default: all); the options are given to each run, for example `--run "--jobs 2"`. The servers
take turns, so that the load of the machine affects all of them. Two decisions are equal if they have the
same word, exit code and blockers, in the same order. The exit code is 1 if a way has two decisions; then
the reports of the first run and of those that differ from it are kept, in a folder that is printed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from support.errors import TargetError
from support.programs.deferred_interrupts import defer_interrupts, raise_when_allowed
from support.programs.ollama import OLLAMA
from support.servers.discovery import discover
from support.servers.mistralrs import start_server
from support.servers.ollama import start_ollama
from support.settings import load_settings
from support.suite import RunContext

PROJECT = Path(__file__).resolve().parents[1]
HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TIMES = 10
# The same as in `.ci/run`: a busy machine makes a step slower, and no decision another one.
PATIENCE = ("-D", "acceptance_time_factor=5", "-D", "acceptance_html=false")
OLLAMA_ONLY = ("ollama", "--target", "reference", "-D")
# Name -> the server that is started beforehand ("": the run starts it) and the words of the run.
WAYS = {
    "real": ("", ("--target", "real")),
    "reference": ("", ("--target", "reference")),
    "ollama": ("", (*OLLAMA_ONLY, "ollama_api=ollama")),
    "real-url": ("real", ("--target", "{url}")),
    "reference-url": ("reference", ("--target", "{url}")),
    "ollama-url": ("ollama", (*OLLAMA_ONLY, "ollama_api={url}")),
}


@dataclass(frozen=True)
class Outcome:
    """What has to be equal in all runs of a way."""

    decision: str
    exit_code: int
    blockers: tuple[str, ...]

    def __str__(self) -> str:
        first = f", {len(self.blockers)} blockers, first: {self.blockers[0]}" if self.blockers else ""
        return f"{self.decision} (exit code {self.exit_code}){first}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=TIMES)
    parser.add_argument("ways", nargs="*", default=list(WAYS), metavar="WAY")
    parser.add_argument("--run", default="", metavar="OPTIONS", help="more options of each `acceptance run`")
    options = parser.parse_args()
    if unknown := sorted(set(options.ways) - set(WAYS)):
        parser.error(f"unknown {unknown[0]}; choose of {', '.join(WAYS)}")
    for number in HANDLED_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` makes it
            signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="acceptance-decisions-") as folder:
        return compare(options.times, options.ways, Path(folder), shlex.split(options.run))


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends what was started and removes the reports; the default leaves them. Once: that takes a while."""
    for other in HANDLED_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise_when_allowed(SystemExit(128 + number))


def compare(times: int, ways: list[str], folder: Path, more: Sequence[str] = ()) -> int:
    outcomes: dict[str, list[Outcome]] = {way: [] for way in ways}
    kept: Path | None = None
    for turn in range(1, times + 1):
        for way, seen in outcomes.items():
            reports = folder / f"{way}-{turn}"
            seen.append(_run(way, reports, more))
            print(f"{turn:2} {way:14} {seen[-1]}", flush=True)
            if seen[-1] != seen[0]:
                kept = kept or Path(tempfile.mkdtemp(prefix="acceptance-decisions-kept-"))
                _keep(kept, folder / f"{way}-1", reports)
            for blocker in sorted({*seen[-1].blockers} ^ {*seen[0].blockers}):
                print(f"   not in both the first run and this one: {blocker}", flush=True)
            if turn > 1:
                shutil.rmtree(reports)
    print("\n| server | decisions |\n|---|---|")
    for way, seen in outcomes.items():
        each = "; ".join(f"{seen.count(one)} of {len(seen)} {one}" for one in dict.fromkeys(seen))
        print(f"| {way} | {each} |")
    return int(kept is not None)


def _keep(kept: Path, *runs: Path) -> None:
    for run in runs:
        shutil.copyfile(run / "report.json", kept / f"{run.name}.json")
    print(f"   differs from the first run; the reports of both: {kept}", flush=True)


def _run(way: str, reports: Path, more: Sequence[str]) -> Outcome:
    beforehand, words = WAYS[way]
    with _served(beforehand) as url:
        command = [str(Path(sys.executable).with_name("acceptance")), "run"]
        command += [word.format(url=url) for word in words]
        command += [*PATIENCE, *more, "-D", f"acceptance_reports_dir={reports}"]
        exit_code = _ended(command)
        report = json.loads((reports / "report.json").read_text(encoding="utf-8"))
    assert exit_code == report["exit_code"], f"{way}: the report has another exit code"
    return Outcome(report["decision"], exit_code, tuple(one["id"] for one in report["blockers"]))


def _ended(command: list[str]) -> int:
    """The exit code of this run. After a signal it ends in order, before its reports are removed."""
    run: subprocess.Popen[bytes] | None = None
    try:
        with defer_interrupts():
            # A session of its own: a Ctrl-C in the terminal reaches it once, from here.
            run = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True)
        return run.wait()
    finally:
        if run is not None:
            run.terminate()
            run.wait()


@contextmanager
def _served(which: str) -> Iterator[str]:
    """The URL of a server that runs before the suite starts, with the scripted model; "" for none."""
    if not which:
        yield ""
        return
    in_force = load_settings({"acceptance_target": "reference" if which == "ollama" else which})
    if which == "ollama":
        program = OLLAMA.locate(in_force.settings)
        if program is None:
            raise TargetError("no Ollama is installed; `acceptance get ollama` builds it")
        server = start_ollama(program, in_force.settings)
        try:
            yield server.url
        finally:
            server.stop()
        return
    suite = RunContext(in_force, discover(in_force.settings))
    try:
        started = start_server(suite.command, suite.scripted(), in_force.settings)
        try:
            yield started.url
        finally:
            started.stop()
    finally:
        suite.close()


if __name__ == "__main__":
    sys.exit(main())
