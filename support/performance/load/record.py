"""One request of a load as it was measured, and its latencies by definition (docs/metrics.md).

A request that failed has no latencies: it counts in the denominators of error rate and goodput only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any


class Phase(StrEnum):
    """Only the measured requests count. The others keep the load up before and after them."""

    WARM_UP = "warm-up"
    MEASURED = "measured"
    COOL_DOWN = "cool-down"


class Failure(StrEnum):
    """Why a request counts as failed, the first that applies."""

    NONE = ""
    # By this client, on purpose: no failure of the server, and no measured request either.
    CANCELLED = "cancelled by the client"
    MALFORMED = "malformed response"
    STATUS = "status"
    ERROR_EVENT = "error event"
    CONNECT = "no connection"
    TIMEOUT = "timeout"
    CLOSED = "connection closed"
    NO_TOKEN = "no token"
    UNFINISHED = "no finish reason"


@dataclass(frozen=True)
class RequestRecord:
    """Times in nanoseconds of the monotonic clock of the client's machine, 0 for what did not happen.

    `worker`: that has sent it, from 1; 0 without workers. Of a worker, times are from the start of its load.
    `user`: of a closed loop, else 0. `scheduled`: when it was to be sent. `first_answer`: the first event
    with a token that is no reasoning. `last_token`: the last event with a token; `end`: the last byte.
    Tokens by the usage of the answer, -1 where it has none. `coalesced_events`: those that have the time of a
    later event, as both came with one read. `segments`: of TCP with data, 0 if not known. `event_times`: of
    each event with tokens. `turn` of its conversation, from 1.
    """

    number: int
    worker: int = field(default=0, kw_only=True)
    segments: int = field(default=0, kw_only=True)
    user: int
    turn: int
    phase: Phase
    scheduled_ns: int
    sent_ns: int
    first_byte_ns: int
    first_token_ns: int
    first_answer_ns: int
    last_token_ns: int
    end_ns: int
    status: int
    failure: Failure
    detail: str
    requested_tokens: int
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    coalesced_events: int
    event_times_ns: tuple[int, ...]

    @property
    def failed(self) -> bool:
        return not (self.complete or self.cancelled)

    @property
    def cancelled(self) -> bool:
        return self.failure is Failure.CANCELLED

    @property
    def complete(self) -> bool:
        """Whether the whole answer came: only then are there latencies."""
        return self.failure is Failure.NONE

    @property
    def late_ns(self) -> int:
        """How long after its time it was sent."""
        return self.sent_ns - self.scheduled_ns

    @property
    def ttft_ns(self) -> int | None:
        """Time to first token, from the moment of sending."""
        return self.first_token_ns - self.sent_ns if self.complete else None

    @property
    def scheduled_ttft_ns(self) -> int | None:
        """Time to first token from the moment at which it was to be sent."""
        return self.first_token_ns - self.scheduled_ns if self.complete else None

    @property
    def ttfo_ns(self) -> int | None:
        """Time to the first token that is no reasoning; None for an answer without one."""
        return self.first_answer_ns - self.sent_ns if self.complete and self.first_answer_ns else None

    @property
    def itl_ns(self) -> float | None:
        """Inter-token latency: (last token - first token) / (tokens - 1), tokens by usage.

        None without usage or with a single token: the mean of event gaps is another quantity, as an event may
        have several tokens.
        """
        if not self.complete or self.output_tokens < 2:
            return None
        return (self.last_token_ns - self.first_token_ns) / (self.output_tokens - 1)

    @property
    def e2e_ns(self) -> int | None:
        """End to end: from sending to the last token."""
        return self.last_token_ns - self.sent_ns if self.complete else None

    @property
    def e2e_end_ns(self) -> int | None:
        """From sending to the last byte: with finish reason, usage and the end of the stream."""
        return self.end_ns - self.sent_ns if self.complete else None

    @property
    def gaps_ns(self) -> list[int]:
        """Between successive events with tokens."""
        return [after - before for before, after in pairwise(self.event_times_ns)]

    @property
    def events_per_segment(self) -> float | None:
        """Events with tokens by the TCP segments that they came with: more than 1 were sent together."""
        return len(self.event_times_ns) / self.segments if self.complete and self.segments else None

    @property
    def has_requested_length(self) -> bool:
        return self.output_tokens == self.requested_tokens


_NAMES = tuple(each.name for each in fields(RequestRecord))
_TEXTS = {"phase": Phase, "failure": Failure, "detail": str}


def write_records(file: Path, records: Iterable[RequestRecord]) -> None:
    """As CSV, a row for each request; the times of events in one field, apart by blanks."""
    with file.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(_NAMES)
        for record in records:
            *values, times = (getattr(record, name) for name in _NAMES)
            rows.writerow([*values, " ".join(map(str, times))])


def read_records(file: Path) -> list[RequestRecord]:
    """What `write_records` has written. Raises ValueError for another file."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(_records(csv.reader(lines), file))


def _records(rows: Iterator[Sequence[str]], file: Path) -> Iterator[RequestRecord]:
    if tuple(next(rows, ())) != _NAMES:
        raise ValueError(f"{file} has no records of requests: its columns are not {', '.join(_NAMES)}")
    for *row, times in rows:
        values: dict[str, Any] = {
            name: _TEXTS.get(name, int)(value) for name, value in zip(_NAMES, row, strict=False)
        }
        yield RequestRecord(**values, event_times_ns=tuple(map(int, times.split())))
