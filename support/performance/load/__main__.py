"""The process of a load: reads its plan from the standard input, writes what it has measured into a folder.

python -m support.performance.load FOLDER < plan.json
python -m support.performance.load FOLDER --together: with those of other machines, see coordination
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns

from support.errors import EXIT_PASSED, EXIT_USAGE, SettingsError
from support.performance.load.analysis import Analysed, IssuedRequest, analyse
from support.performance.load.coordination import TOGETHER, Together
from support.performance.load.files import EVENTS, QUALITY, REQUESTS
from support.performance.load.generator import Generator
from support.performance.load.plan import LoadPlan
from support.performance.load.quality import run_quality
from support.performance.load.record import write_records

# Reads that are kept until the end of the load, about 600 bytes each. Beyond them, requests are analysed at
# once: the lag of the reads meanwhile is that of the run, and stated.
KEPT_READS = 500_000


class Analyst:
    """Analyses requests as late as memory allows."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._waiting: list[IssuedRequest] = []
        self._reads = 0
        self._analysed: list[Analysed] = []

    def keep(self, issued: IssuedRequest) -> None:
        self._waiting.append(issued)
        self._reads += len(issued.exchange.reads)
        if self._reads > KEPT_READS:
            self._analyse()

    def all(self) -> list[Analysed]:
        """In the order in which they were issued."""
        self._analyse()
        return sorted(self._analysed, key=lambda each: each.record.number)

    def _analyse(self) -> None:
        for issued in self._waiting:
            found = analyse(issued, self._plan.api)
            if not self._plan.keep_events:
                found.events.clear()
            self._analysed.append(found)
        self._waiting.clear()
        self._reads = 0


def main() -> int:
    """Wrong usage ends with one line and exit code 2."""
    folder, others = Path(sys.argv[1]), None
    try:
        if TOGETHER in sys.argv:
            others = Together()
            plan = LoadPlan.from_json(others.read_line())
        else:
            plan = LoadPlan.from_json(sys.stdin.read())
    except SettingsError as error:
        print(f"load: {error}", file=sys.stderr)
        return EXIT_USAGE
    _allow_many_connections()
    # Nothing here is cyclic: a collection would only delay reads.
    gc.collect()
    gc.freeze()
    gc.disable()
    analyst = Analyst(plan)
    before = process_time_ns()
    with asyncio.Runner(loop_factory=_event_loop()) as runner:
        part = runner.run(Generator(plan, analyst.keep, others).run())
    analysed = analyst.all()
    cpu_ns = process_time_ns() - before
    write_records(folder / REQUESTS, [each.record for each in analysed])
    if plan.keep_events:
        _write_events(folder / EVENTS, analysed)
    # Last: with this file, the run is complete.
    run_quality(plan, analysed, part, cpu_ns).write(folder / QUALITY)
    return EXIT_PASSED


def _write_events(file: Path, analysed: list[Analysed]) -> None:
    """One line of JSON for each request: its number, and time, kind and text of each event."""
    with file.open("w", encoding="utf-8") as out:
        for each in analysed:
            events = [(time, event.kind, event.text) for time, event in each.events]
            out.write(json.dumps({"number": each.record.number, "events": events}) + "\n")


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A fourth less CPU for each read, where there is uvloop."""
    try:
        import uvloop
    except ImportError:
        # Of the loops on Windows, the other one cannot watch a socket.
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop


def _allow_many_connections() -> None:
    """As many open files as the system lets this process have; the usual limit is 1024."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        # macOS refuses "unlimited".
        return


if __name__ == "__main__":
    sys.exit(main())
