"""Faults of exchanges that are in each N-th one only, and which of them the requests of a run reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from support.errors import SettingsError
from support.fault_injection.catalogue import HARMLESS, CatalogueFault
from support.fault_injection.proof import Detection, FaultResult, RunResult

_REACHED = "reached"


def at_rate(faults: Iterable[CatalogueFault], every: int, ids: Sequence[str] = ()) -> list[CatalogueFault]:
    """Those of exchanges, each in each N-th one only; one that is rarer by itself stays as it is.

    Raises `SettingsError` for another one that is named in `ids`, and when none is left."""
    if every == 1:
        return list(faults)
    found = []
    for fault in faults:
        if fault.means in ("http", "transport") and fault.capability != HARMLESS:
            found.append(_with_rate(fault, every))
        elif fault.id in ids:
            raise SettingsError(f"{fault.id} is no fault of exchanges; leave out --every")
    if not found:
        raise SettingsError("no fault of exchanges is selected; leave out --every")
    return found


def _with_rate(fault: CatalogueFault, every: int) -> CatalogueFault:
    http = tuple(
        {**one, "on": {**one["on"], "every": max(every, one["on"].get("every", 1))}} for one in fault.http
    )
    return replace(fault, http=http)


def counting(faults: Iterable[CatalogueFault]) -> Iterator[CatalogueFault]:
    """For each capability and server one that changes nothing, and notes which faults would be injected."""

    def place(fault: CatalogueFault) -> tuple[str, str]:
        return fault.capability, fault.server

    for _, group in groupby(sorted(faults, key=place), place):
        found = list(group)
        http = tuple({"on": one["on"], "notes": _note(f)} for f in found for one in f.http)
        yield replace(found[0], id=counting_id(found[0]), http=http)


def counting_id(fault: CatalogueFault) -> str:
    """Of the one that counts for this fault."""
    return f"exchanges of {fault.capability} at {fault.server}"


def unreached(fault: CatalogueFault, run: RunResult) -> FaultResult | None:
    """The verdict about a fault that none of the exchanges of a complete run would have had; else None."""
    if _note(fault) in run.notes or not run.is_complete:
        return None
    every = max(one["on"]["every"] for one in fault.http)
    message = f"all {run.judged()} checks and scenarios have fewer than {every} exchanges that it is for"
    return FaultResult(fault, Detection.NOT_INJECTED, message=message, others=run.judged(), all_others=True)


def _note(fault: CatalogueFault) -> str:
    return f"{_REACHED} {fault.id}"
