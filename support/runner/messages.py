"""The messages between the coordinator of a run and its workers.

They go over a `multiprocessing.connection.Connection`, pickled. To a worker: one `StartMessage`, then a
`FeatureMessage` for each feature file, at last None. To the coordinator: `IdleMessage` whenever the worker
has nothing to do, a `Record` at the start and the end of each scenario, a `ChecksMessage` as the checks of a
group finish, a `LostServerMessage` for a server that no longer answers, a `RunError` when the worker cannot
start, and `EndMessage` last: a worker that ends without it
has crashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.reporting.behave_events import RunError
    from support.results.check import CheckResult
    from support.results.record import Record
    from support.servers.discovery import Target


@dataclass(frozen=True)
class StartMessage:
    """The run has a target, and the worker can start.

    `stacks`: the file for the stacks of the hard limit. `to_terminal`: the worker prints to the terminal, of
    which `terminal_errors` is the file descriptor of standard error. `is_replacement`: it replaces a worker
    that crashed.
    """

    target: Target
    stacks: Path
    to_terminal: bool
    is_replacement: bool
    terminal_errors: int


@dataclass(frozen=True)
class FeatureMessage:
    """Run the scenarios of this feature file, without those at the places `skip` (`file:line`).

    `lost`: servers that no longer answer, by their address, with the reason.
    """

    file: str
    skip: frozenset[str]
    lost: Mapping[str, str]


@dataclass(frozen=True)
class IdleMessage:
    """The worker waits for a feature file."""


@dataclass(frozen=True)
class ChecksMessage:
    """Results of the checks that the scenario runs; a later result of a check replaces the earlier one."""

    checks: Sequence[CheckResult]


@dataclass(frozen=True)
class LostServerMessage:
    """The server at this address no longer answers. Several workers may notice; it is reported once."""

    base_url: str
    error: RunError


@dataclass(frozen=True)
class EndMessage:
    """The worker ends, with this exit code."""

    exit_code: int


if TYPE_CHECKING:
    ToWorker = StartMessage | FeatureMessage | None
    FromWorker = IdleMessage | ChecksMessage | LostServerMessage | EndMessage | Record | RunError
