"""The fault catalogue: faults as data, read from `catalogue/*.toml` and validated.

One file for each capability, named as its folder of `features/`; `harmless.toml` has differences that no
check may fail for, and `harness.toml` faults of what the suite itself uses.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from support.errors import SettingsError
from support.fault_injection.faulty_program import COMMAND_KEYS
from support.fault_injection.http_fault import unknown_words
from support.fault_injection.suite_process import GPU_KEYS, NO_FAULT, ProcessFault
from support.name_registry import unknown

FOLDER = Path(__file__).with_name("catalogue")
HARMLESS, HARNESS = "harmless", "harness"
MEANS = ("http", "transport", "program", "reference_server", "exporter", "harness")
SERVERS = ("target", "ollama_api")
_KEYS = {
    *(
        "does",
        "seen",
        "means",
        "server",
        "on",
        "http",
        "command",
        "settings",
        "programs",
        "stands_for",
        "process",
    ),
    *("check", "scenario", "message", "needs", "tags", "recovers", "selects"),
}
# What a message about an end of waiting alone has: it names no problem.
BARE = re.compile(r"^\W*(?:time ?out|timed out|not within [\d.]+ s)\W*$", re.IGNORECASE)
# Of a request without a whole response (`ApiClient`): neither does it, whatever else the message has.
WAITED = re.compile(r"the server did not (?:answer|finish) within [\d.]+ s")


class CatalogueError(ValueError):
    """An entry of the catalogue is wrong."""


@dataclass(frozen=True)
class CatalogueFault:
    """One entry.

    `does`: one sentence. `seen`: where it was seen in a real server. `checks`, `scenarios`: which of them
    have to fail (each one that is named, if several), with messages that `message` matches. `recovers`:
    checks of the same run that have to pass, since the fault has ended by then. `server`: which one it is in
    front of."""

    id: str
    capability: str
    does: str
    seen: str
    means: str
    message: str = ""
    server: str = "target"
    http: tuple[Mapping[str, Any], ...] = ()
    command: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    # Scripts of the shell that are found first, by their names.
    programs: Mapping[str, str] = field(default_factory=dict)
    # The program of the suite that `command` and `http` change, instead of that of the server.
    stands_for: str = ""
    # Of the process of the suite.
    process: ProcessFault = NO_FAULT
    checks: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    recovers: tuple[str, ...] = ()
    tags: str = ""
    needs: str = ""
    # Of a harmless variant: whose faults' checks it is run with.
    selects: str = ""

    @property
    def expected(self) -> tuple[str, ...]:
        """What has to detect it."""
        return (*self.checks, *self.scenarios)

    def names_problem(self, text: str) -> bool:
        """Whether a failure message names what is wrong."""
        only_waited = BARE.match(text) or WAITED.search(text)
        return not only_waited and bool(re.search(self.message, text, re.DOTALL))


@cache
def catalogue() -> Mapping[str, CatalogueFault]:
    """All entries by id, in the order of the files; raises `CatalogueError`."""
    files = sorted(FOLDER.glob("*.toml"))
    found: dict[str, CatalogueFault] = {}
    for file in files:
        for name, row in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if name in found:
                raise CatalogueError(f"{file.name}: {name} is there twice")
            found[name] = fault_of(name, file.stem, row)
    return found


def faults() -> list[CatalogueFault]:
    """Those that have to be detected, in a server or in the harness."""
    return [fault for fault in catalogue().values() if fault.capability != HARMLESS]


def harmless() -> list[CatalogueFault]:
    """Differences that are allowed."""
    return [fault for fault in catalogue().values() if fault.capability == HARMLESS]


def chosen(ids: Sequence[str], capabilities: Sequence[str]) -> list[CatalogueFault]:
    """Those with these ids, of these capabilities; all without either. Raises `SettingsError`."""
    known = catalogue()
    for name in ids:
        if name not in known:
            raise SettingsError(
                f"{unknown('fault', name, known)}; `acceptance prove --list` lists all faults"
            )
    of = {fault.capability for fault in known.values()}
    for name in capabilities:
        if name not in of:
            raise SettingsError(f"{unknown('capability', name, of)}; choose {', '.join(sorted(of))}")
    return [
        fault
        for fault in known.values()
        if fault.id in ids or fault.capability in capabilities or not (ids or capabilities)
    ]


def fault_of(name: str, capability: str, row: Mapping[str, Any]) -> CatalogueFault:
    """A row of the table of a capability; raises `CatalogueError`."""
    if unknown := row.keys() - _KEYS:
        raise CatalogueError(f"{name}: unknown key {min(unknown)}")
    for key in ("does", "seen", "means"):
        if not row.get(key):
            raise CatalogueError(f"{name}: no {key}")
    if row["means"] not in MEANS:
        raise CatalogueError(f"{name}: means {row['means']!r} is none of {', '.join(MEANS)}")
    on = row.get("on", {})
    http = row.get("http", ())
    fault = CatalogueFault(
        id=name,
        capability=capability,
        does=row["does"],
        seen=row["seen"],
        means=row["means"],
        message=row.get("message", ""),
        server=row.get("server", "ollama_api" if capability == "ollama_api" else "target"),
        http=tuple({"on": on, **one} for one in _listed(http) if one),
        command=tuple(_listed(row.get("command", ()))),
        settings=row.get("settings", {}),
        programs=row.get("programs", {}),
        stands_for=row.get("stands_for", ""),
        process=_process(name, row.get("process", {})),
        checks=tuple(_listed(row.get("check", ()))),
        scenarios=tuple(_listed(row.get("scenario", ()))),
        recovers=tuple(_listed(row.get("recovers", ()))),
        tags=row.get("tags", ""),
        needs=row.get("needs", ""),
        selects=row.get("selects", ""),
    )
    _require_whole(fault)
    return fault


def _require_whole(fault: CatalogueFault) -> None:
    if fault.server not in SERVERS:
        raise CatalogueError(f"{fault.id}: server {fault.server!r} is none of {', '.join(SERVERS)}")
    if fault.capability != HARMLESS and not fault.expected:
        raise CatalogueError(f"{fault.id}: neither check nor scenario has to detect it")
    if fault.capability != HARMLESS and not fault.message:
        raise CatalogueError(f"{fault.id}: no message")
    words = [word for one in fault.http for word in unknown_words(one)]
    words += [key for one in fault.command for key in one.keys() - COMMAND_KEYS]
    if words:
        raise CatalogueError(f"{fault.id}: unknown key {min(words)}")
    re.compile(fault.message)
    changes = (fault.http, fault.command, fault.settings, fault.programs, fault.process != NO_FAULT)
    if not any(changes):
        raise CatalogueError(f"{fault.id}: it changes nothing")


def _process(name: str, changes: Mapping[str, Any]) -> ProcessFault:
    if unknown := changes.get("gpu", {}).keys() - GPU_KEYS:
        raise CatalogueError(f"{name}: unknown key in process: gpu.{min(unknown)}")
    try:
        return ProcessFault(**changes)
    except TypeError:
        raise CatalogueError(f"{name}: unknown key in process: {', '.join(changes)}") from None


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)
