"""Feature files are assigned longest first, and not together where locks or tags forbid it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.runner.scheduler import Schedule, Task, durations


@dataclass
class Scenario:
    effective_tags: tuple[str, ...] = ()
    name: str = "toy"
    tags: tuple[str, ...] = ()


def task(name: str, size: int = 1, *tags: str) -> Task:
    scenarios: dict[str, Any] = {
        f"{name}:{number}": Scenario(tags, f"{name} {number}") for number in range(size)
    }
    return Task.from_scenarios(name, scenarios)


def assigned(schedule: Schedule) -> list[str]:
    """All that may run at the same time."""
    names = []
    while (found := schedule.next()) is not None:
        names.append(found.file)
    return names


def test_longest_first() -> None:
    assert assigned(Schedule([task("short"), task("long", 5), task("middle", 3)])) == [
        "long",
        "middle",
        "short",
    ]


def test_same_lock_never_together() -> None:
    schedule = Schedule(
        [
            first := task("a", 2, "lock.gpu"),
            task("b", 1, "lock.gpu"),
            task("c", 1, "lock.tty"),
        ]
    )
    assert schedule.next() is first
    assert assigned(schedule) == ["c"]
    schedule.finish(first)
    assert assigned(schedule) == ["b"]


def test_one_tagged_scenario_is_enough() -> None:
    mixed: dict[str, Any] = {"a:1": Scenario(), "a:2": Scenario(("lock.gpu", "serial"))}
    made = Task.from_scenarios("a", mixed)
    assert made.serial
    assert made.locks == {"lock.gpu"}


def test_serial_is_alone_and_last() -> None:
    schedule = Schedule([task("alone", 9, "serial"), plain := task("plain"), task("also alone", 1, "serial")])
    assert schedule.next() is plain
    assert schedule.next() is None
    schedule.finish(plain)
    alone = schedule.next()
    assert alone is not None
    assert alone.file == "alone"
    assert assigned(schedule) == []
    schedule.finish(alone)
    assert assigned(schedule) == ["also alone"]
    assert schedule.empty


def test_the_rest_of_a_file_is_what_was_not_started() -> None:
    schedule = Schedule([hurt := task("a", 3), task("b")])
    assert schedule.next() is hurt
    hurt.started |= {"a:0", "a:1"}
    schedule.finish(hurt)
    schedule.requeue(hurt)
    assert hurt.pending == ["a:2"]
    assert assigned(schedule) == ["a", "b"]


def test_cleared_tasks_are_not_assigned() -> None:
    schedule = Schedule([task("a"), task("b")])
    schedule.clear()
    assert schedule.empty
    assert schedule.next() is None


def test_a_worker_stays_in_its_folder_while_there_is_work() -> None:
    schedule = Schedule([task("api/a", 5), task("api/b", 5), task("load/c", 8), task("load/d", 1)])
    first, second = schedule.next(), schedule.next()
    assert first is not None
    assert second is not None
    assert (first.file, second.file) == ("api/a", "load/c")
    schedule.finish(second)
    third = schedule.next(second.folder)
    assert third is not None
    assert third.file == "load/d"
    assert assigned(schedule) == ["api/b"]


def test_what_took_longest_last_time_is_first() -> None:
    known = {"short 0": 0.1, "short 1": 0.1, "long 0": 9.0}
    tasks = [task("short", 2), task("new"), task("long")]
    assert assigned(Schedule(tasks, known)) == ["long", "new", "short"]


def test_one_worker_runs_in_the_order_of_the_files() -> None:
    tasks = [task("alone", 1, "serial"), task("short"), task("long", 5)]
    schedule, found = Schedule(tasks, keep_order=True), []
    while (one := schedule.next()) is not None:
        found.append(one.file)
        schedule.finish(one)
    assert found == ["alone", "short", "long"]


def test_durations_of_a_broken_record_are_none(tmp_path: Path) -> None:
    assert durations(tmp_path / "nowhere.jsonl") == {}
    (tmp_path / "records.jsonl").write_text("no record\nno record\n")
    assert durations(tmp_path / "records.jsonl") == {}
