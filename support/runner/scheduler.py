"""Which feature file runs next, and beside which others: `@serial` alone, `@lock.NAME` one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from support.errors import AcceptanceError
from support.reporting.behave_events import location_of
from support.results.behave_types import BehaveScenario
from support.results.check import CheckResult
from support.results.record import Record, read_records


@dataclass(eq=False)
class Task:
    """A feature file with its selected scenarios (`file:line` -> behave's object).

    `locks` and `serial`: what it cannot run beside. `started`: the scenarios that a worker has started;
    `running`: the record of the one that runs, `checks` the results of its checks so far, by id.
    """

    file: str
    scenarios: dict[str, BehaveScenario]
    locks: frozenset[str] = frozenset()
    serial: bool = False
    started: set[str] = field(default_factory=set)
    running: Record | None = None
    checks: dict[str, CheckResult] = field(default_factory=dict)

    @classmethod
    def from_scenarios(cls, file: str, scenarios: dict[str, BehaveScenario]) -> Task:
        tags = {tag for scenario in scenarios.values() for tag in scenario.effective_tags}
        locks = frozenset(tag for tag in tags if tag.startswith("lock."))
        return cls(file, scenarios, locks, "serial" in tags)

    @property
    def folder(self) -> str:
        return str(PurePath(self.file).parent)

    @property
    def pending(self) -> list[str]:
        """The scenarios that have not been started."""
        return [place for place in self.scenarios if place not in self.started]


class Schedule:
    """The files of a folder go to one worker where possible: they share servers. The longest folder is first.

    What must run alone comes last. `as_given` keeps the order of the tasks: for one worker there is nothing
    to gain.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        durations: Mapping[str, float] | None = None,
        *,
        keep_order: bool = False,
    ) -> None:
        """`durations`: title -> seconds that it took last time; the others count as the mean of those."""
        known = durations or {}
        usual = sum(known.values()) / len(known) if known else 1.0
        self._keep_order = keep_order
        self._waiting = list(tasks)
        self._seconds = {
            task.file: sum(known.get(scenario.name, usual) for scenario in task.scenarios.values())
            for task in self._waiting
        }
        if not keep_order:
            self._waiting.sort(key=lambda task: (task.serial, -self._seconds[task.file]))
        self._running: list[Task] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is left to hand out."""
        return not self._waiting

    def next(self, folder: str | None = None) -> Task | None:
        """The next one that may run beside those that run, if any; `folder` is where the worker has been."""
        allowed = self._waiting[:1] if self._keep_order else [t for t in self._waiting if self._may_run(t)]
        if not allowed:
            return None
        seconds: dict[str, float] = defaultdict(float)
        for task in self._waiting:
            seconds[task.folder] += self._seconds[task.file]
        taken = {task.folder for task in self._running}
        # The sort of `_waiting` decides among equals: longest first.
        chosen = min(
            allowed,
            key=lambda task: (
                task.serial,
                task.folder != folder,
                task.folder in taken,
                -seconds[task.folder],
            ),
        )
        self._waiting.remove(chosen)
        self._running.append(chosen)
        return chosen

    def finish(self, task: Task) -> None:
        """It runs no longer."""
        self._running.remove(task)

    def requeue(self, task: Task) -> None:
        """The rest of it has to run: its worker is gone."""
        self._waiting.insert(0, task)

    def clear(self) -> None:
        """Hand out nothing more."""
        self._waiting.clear()

    def _may_run(self, task: Task) -> bool:
        if task.serial:
            return not self._running and all(other.serial for other in self._waiting)
        return not any(other.serial or other.locks & task.locks for other in self._running)


def tasks_of(scenarios: Sequence[BehaveScenario]) -> list[Task]:
    """The selected scenarios by file, in their order."""
    files: dict[str, dict[str, BehaveScenario]] = {}
    for scenario in scenarios:
        files.setdefault(scenario.feature.filename, {})[location_of(scenario)] = scenario
    return [Task.from_scenarios(file, found) for file, found in files.items()]


def durations(records: Path) -> dict[str, float]:
    """Title -> seconds, of the last run; nothing when there was none or it cannot be read."""
    try:
        return {record.name: record.duration for record in read_records(records) if record.duration}
    except (AcceptanceError, OSError, ValueError):
        return {}
