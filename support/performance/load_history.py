"""The figures of earlier loads: a file with a line of JSON for each, by machine, program, model and load.

A load is kept as the figures of its parts, in the order of time: rounds, or parts of equally many requests
(batch means). Their spread is that of a run; single requests of one load depend on each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from support.errors import SettingsError
from support.performance.comparison import figures_of_round
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.record import Phase
from support.performance.machine_profile import MachineProfile
from support.performance.ratio import FEWEST_ROUNDS
from support.performance.validity import invalid_load_reasons
from support.reporting.files import write_atomically
from support.user_files import problem_of, read_regular_file

# Parts of a load that has no rounds: a median of fewer requests is that of a single one.
PARTS, REQUESTS_OF_A_PART = 10, 3
MOST_RUNS = 2000
Report = Callable[[str], None]


@dataclass(frozen=True)
class HistoryEntry:
    """One load. `time`: ISO 8601 in UTC. `program`, `version`, `model`, `load`: what was measured.

    `figures`: by name, the value of each part. `invalid`: why they are not those of the target; such a load
    is compared with nothing. `accepted`: later loads are compared with the last one that is. `unit`: of all
    figures; empty for those of a load, which have their own.
    """

    time: str
    machine: MachineProfile
    program: str
    version: str
    model: str
    load: str
    figures: Mapping[str, Sequence[float]]
    invalid: Sequence[str] = ()
    accepted: bool = False
    unit: str = ""

    @property
    def series(self) -> tuple[MachineProfile, str, str, str]:
        """Only loads of the same one are compared: machine, program, model, load."""
        return self.machine, *self.subject

    @property
    def subject(self) -> tuple[str, str, str]:
        """The same on any machine."""
        return self.program, self.model, self.load

    @property
    def label(self) -> str:
        return f"{self.time[:16].replace('T', ' ')} {self.program} {self.version}"

    def value(self, figure: str) -> float:
        """The geometric mean of the parts."""
        return math.exp(fmean(map(math.log, self.figures[figure])))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> HistoryEntry:
        """Raises ValueError, KeyError or TypeError for another line."""
        document = json.loads(line)
        entry = HistoryEntry(**{**document, "machine": MachineProfile(**document["machine"])})
        texts = (entry.time, entry.program, entry.version, entry.model, entry.load)
        values = [value for parts in entry.figures.values() for value in parts]
        if not all(isinstance(text, str) for text in texts) or not all(value > 0 for value in values):
            raise ValueError("no record of a load")
        return entry


def entry_of(
    results: Sequence[LoadResult], program: str, version: str, model: str, name: str = ""
) -> HistoryEntry | None:
    """Of a load in its rounds; None for one of too few requests to have parts. `name`: beside its numbers."""
    parts = results if len(results) >= FEWEST_ROUNDS else list(parts_of(results[0])) if results else []
    if len(parts) < FEWEST_ROUNDS:
        return None
    found = [figures_of_round(part) for part in parts]
    names = [name for name in found[0] if all(name in figures for figures in found)]
    failed = sum(request.failed for result in results for request in result.measured)
    reasons = [reason for result in results for reason in invalid_load_reasons(result)]
    return new_entry(
        program,
        version,
        model,
        ", ".join(filter(None, [load_text(results[0].plan), name])),
        {name: [figures[name] for figures in found] for name in names},
        [*reasons, *([f"{failed} requests have failed"] if failed else [])],
    )


def new_entry(  # noqa: PLR0913 - the fields of an entry
    program: str,
    version: str,
    model: str,
    load: str,
    figures: Mapping[str, Sequence[float]],
    invalid: Sequence[str],
    unit: str = "",
) -> HistoryEntry:
    """Of now, on this machine."""
    return HistoryEntry(
        datetime.now(UTC).isoformat(timespec="seconds"),
        MachineProfile.of_this_machine(),
        program,
        version,
        model,
        load,
        {name: [float(f"{value:.6g}") for value in values] for name, values in figures.items()},
        invalid,
        unit=unit,
    )


def parts_of(result: LoadResult) -> Iterator[LoadResult]:
    """Parts of equally many measured requests, in the order in which they were sent."""
    measured = sorted((one for one in result.measured if one.complete), key=lambda one: one.sent_ns)
    number = min(PARTS, len(measured) // REQUESTS_OF_A_PART)
    for index in range(number):
        begin, end = (len(measured) * edge // number for edge in (index, index + 1))
        # The others still have their tokens in the throughput.
        inside = {one.number for one in measured[begin:end]}
        yield replace(
            result,
            records=[
                one
                if one.phase is not Phase.MEASURED or one.number in inside
                else replace(one, phase=Phase.COOL_DOWN)
                for one in result.records
            ],
        )


def load_text(plan: LoadPlan, kind: str = "") -> str:
    """What has to be equal for a comparison: all of the load but its target and its number of requests.

    `kind`: in the place of the number of users or the rate.
    """
    kind = kind or (
        f"{plan.users} users" if plan.users else f"{plan.rate:g}/s {plan.arrivals}" if plan.rate else "trace"
    )
    parts = [plan.api, kind, f"{plan.prompt_words} words", f"{plan.output_tokens} tokens"]
    for text, value in (
        ("prefix words", plan.prefix_words),
        ("traced requests", len(plan.trace)),
        ("cancelled", plan.cancelled_share),
    ):
        parts += [f"{value:g} {text}"] if value else []
    parts += [f"{plan.turns} turns"] if plan.turns > 1 else []
    parts += ["system message"] if plan.system else []
    return ", ".join(parts)


@dataclass(frozen=True)
class LoadHistory:
    """The file and its entries, the earliest first. `lines`: also those that are none of this suite."""

    file: Path
    lines: Sequence[str]
    entries: Sequence[HistoryEntry]

    @classmethod
    def read(cls, file: Path, report: Report) -> LoadHistory:
        """A file that cannot be read, and lines that are no entry, are one line for `report` each."""
        try:
            text = read_regular_file(file).decode("utf-8", errors="replace") if file.exists() else ""
        except OSError as error:
            report(f"the history {file} cannot be read ({problem_of(error)}); nothing is compared with it")
            text = ""
        lines, entries, unreadable = text.splitlines(), [], 0
        for line in lines:
            try:
                entries.append(HistoryEntry.from_json(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                unreadable += 1
        if unreadable:
            report(
                f"the history {file} has {unreadable} lines that are no record of a load; they are ignored"
            )
        return cls(file, lines, entries)

    def of_series(self, entry: HistoryEntry) -> list[HistoryEntry]:
        """Valid loads of the same machine, program, model and load."""
        return [one for one in self.entries if one.series == entry.series and not one.invalid]

    def of_other_machines(self, entry: HistoryEntry) -> list[HistoryEntry]:
        return [one for one in self.entries if one.subject == entry.subject and one.machine != entry.machine]

    def add(self, entry: HistoryEntry, report: Report) -> None:
        """At the end of the file; the first valid load of a series is accepted. One line when that fails."""
        first = not entry.invalid and not self.of_series(entry)
        line = replace(entry, accepted=first).to_json() + "\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if len(self.lines) < MOST_RUNS:
                # One write: another run may add at the same time.
                with self.file.open("a", encoding="utf-8") as out:
                    out.write(line)
            else:
                self._write([*_without_oldest(self.entries), replace(entry, accepted=first)])
        except OSError as error:
            report(f"the history {self.file} cannot be written ({problem_of(error)}); it lacks this load")

    def accept(self, number: int) -> HistoryEntry:
        """Later loads are compared with this one, from 1. Raises `SettingsError` for one that cannot be."""
        if not 1 <= number <= len(self.entries):
            raise SettingsError(f"--accept {number}: the history {self.file} has {len(self.entries)} loads")
        entry = self.entries[number - 1]
        if entry.invalid:
            raise SettingsError(f"--accept {number}: the load was invalid: {'; '.join(entry.invalid)}")
        # The last one that is accepted counts: an earlier load is accepted by taking back the later ones.
        changed = [
            replace(one, accepted=index == number or (one.accepted and index < number))
            if one.series == entry.series
            else one
            for index, one in enumerate(self.entries, 1)
        ]
        try:
            self._write(changed)
        except OSError as error:
            raise SettingsError(f"the history {self.file} cannot be written ({problem_of(error)})") from None
        return entry

    def _write(self, entries: Sequence[HistoryEntry]) -> None:
        write_atomically(self.file, "".join(f"{entry.to_json()}\n" for entry in entries).encode())


def _without_oldest(entries: Sequence[HistoryEntry]) -> Iterator[HistoryEntry]:
    """Half of those that are not accepted: the file is not written anew for each load."""
    dropped = 0
    for entry in entries:
        if not entry.accepted and dropped < MOST_RUNS // 2:
            dropped += 1
        else:
            yield entry
