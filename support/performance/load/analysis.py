"""The bytes of an exchange and their stamps as a record: done after the load, off its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.http.answer_stream import READERS, Answer, TokenEvent, TokenKind
from support.performance.load.clock import kernel_stamp
from support.performance.load.connection import Exchange
from support.performance.load.record import Failure, Phase, RequestRecord
from support.performance.load.response import MalformedResponse, Response, read_response

DETAIL_LENGTH = 200


@dataclass(slots=True)
class IssuedRequest:
    """A request that was sent, by whom and when in the load."""

    number: int
    user: int
    phase: Phase
    exchange: Exchange
    requested_tokens: int
    turn: int = 1


@dataclass(slots=True)
class ReadStatistics:
    """How the reads of an exchange went.

    `lags`: nanoseconds from the stamp of the kernel to the read, for each read that has one. `unstamped`: the
    reads without. `event_reads`: those with at least one event with a token; `coalesced_reads`: with several,
    whose times are then equal. `clock_shift`: by how much the wall clock moved against the monotonic one.
    """

    lags: list[int] = field(default_factory=list)
    unstamped: int = 0
    events: int = 0
    event_reads: int = 0
    coalesced_reads: int = 0
    clock_shift: int = 0


@dataclass(frozen=True)
class Analysed:
    """A record, how its reads went, and its events with their times."""

    record: RequestRecord
    reads: ReadStatistics
    events: list[tuple[int, TokenEvent]]


def analyse(issued: IssuedRequest, api: str) -> Analysed:
    """Never raises for what a server has sent."""
    exchange = issued.exchange
    statistics = ReadStatistics()
    times = _times(exchange, statistics)
    answer, response, failure, detail = Answer(), None, Failure.NONE, ""
    try:
        if exchange.reads:
            response = read_response([data for _, _, data in exchange.reads], times)
            answer = READERS[api](response.body)
    except MalformedResponse as error:
        failure, detail = Failure.MALFORMED, str(error)
    if failure is Failure.NONE:
        failure, detail = _failure(exchange, response, answer)
    events = [(response.arrival(event.end), event) for event in answer.events] if response else []
    if response is not None:
        in_reads = Counter(response.read_number(event.end) for event in answer.events)
        statistics.events, statistics.event_reads = len(events), len(in_reads)
        statistics.coalesced_reads = sum(count > 1 for count in in_reads.values())
    record = RequestRecord(
        number=issued.number,
        user=issued.user,
        turn=issued.turn,
        phase=issued.phase,
        scheduled_ns=exchange.scheduled,
        sent_ns=exchange.sent,
        first_byte_ns=times[0] if times else 0,
        first_token_ns=events[0][0] if events else 0,
        first_answer_ns=next((time for time, event in events if event.kind is not TokenKind.REASONING), 0),
        last_token_ns=events[-1][0] if events else 0,
        end_ns=times[-1] if times and not exchange.error else exchange.ended,
        status=response.status if response else 0,
        failure=failure,
        detail=" ".join(detail.split())[:DETAIL_LENGTH],
        requested_tokens=issued.requested_tokens,
        prompt_tokens=_count(answer.prompt_tokens),
        output_tokens=_count(answer.output_tokens),
        cached_tokens=_count(answer.cached_tokens),
        coalesced_events=statistics.events - statistics.event_reads,
        segments=exchange.segments,
        event_times_ns=tuple(time for time, _ in events),
    )
    return Analysed(record, statistics, events)


def has_token(pieces: Sequence[bytes], api: str) -> bool:
    """Whether an event with a token is in these reads, also of a response that is not complete."""
    answer = _answer(pieces, api)
    return answer is not None and bool(answer.events)


def answer_text(exchange: Exchange, api: str) -> str | None:
    """What the user reads: without reasoning. None for an answer that failed."""
    answer = _answer([data for _, _, data in exchange.reads], api)
    if exchange.error or answer is None or answer.error:
        return None
    return "".join(event.text for event in answer.events if event.kind is TokenKind.CONTENT)


def _answer(pieces: Sequence[bytes], api: str) -> Answer | None:
    try:
        return READERS[api](read_response(pieces, range(len(pieces))).body)
    except MalformedResponse:
        return None


def _times(exchange: Exchange, statistics: ReadStatistics) -> list[int]:
    """When the bytes of each read arrived, on the monotonic clock."""
    before, after = exchange.offsets
    statistics.clock_shift = abs(after - before)
    times = []
    for read, ancillary, _ in exchange.reads:
        stamp = kernel_stamp(ancillary)
        if stamp is None:
            statistics.unstamped += 1
            times.append(read)
        else:
            times.append(stamp - before)
            statistics.lags.append(read - times[-1])
    return times


def _failure(exchange: Exchange, response: Response | None, answer: Answer) -> tuple[Failure, str]:
    """The first that applies. What the server itself has stated comes before a broken connection."""
    if response is not None and response.status != 200:
        return Failure.STATUS, f"{response.status} {response.body[:DETAIL_LENGTH].decode(errors='replace')}"
    if answer.error:
        return Failure.ERROR_EVENT, answer.error
    if exchange.error:
        return exchange.error, exchange.detail or f"after {len(answer.events)} events"
    if response is None or not response.complete:
        return Failure.CLOSED, f"after {len(answer.events)} events"
    if not answer.events:
        return Failure.NO_TOKEN, ""
    if not answer.finished:
        return Failure.UNFINISHED, f"after {len(answer.events)} events"
    return Failure.NONE, ""


def _count(tokens: object) -> int:
    return tokens if isinstance(tokens, int) else -1
