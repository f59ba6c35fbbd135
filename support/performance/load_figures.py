"""The figures of a load by their definitions (docs/metrics.md): latencies, throughput, failures, goodput."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from support.performance.load.clock import SECOND
from support.performance.load.program import LoadResult
from support.performance.load.record import Failure, RequestRecord

MILLISECOND = SECOND // 1000
FIRST_TOKEN, PER_TOKEN, WHOLE = "time to first token", "inter-token latency", "end-to-end latency"
FROM_SCHEDULE = "time to first token from schedule"
FIRST_OUTPUT, TO_THE_END = "time to first output token", "end-to-end latency to the end"
# Of a request, in nanoseconds; None for one that failed, or has no such time.
LATENCIES: Mapping[str, Callable[[RequestRecord], float | None]] = {
    FIRST_TOKEN: lambda request: request.ttft_ns,
    FROM_SCHEDULE: lambda request: request.scheduled_ttft_ns,
    FIRST_OUTPUT: lambda request: request.ttfo_ns,
    PER_TOKEN: lambda request: request.itl_ns,
    WHOLE: lambda request: request.e2e_ns,
    TO_THE_END: lambda request: request.e2e_end_ns,
}


def only_timed_out(failed: Sequence[RequestRecord]) -> bool:
    """Whether what failed has not ended in time: a matter of speed."""
    return bool(failed) and all(one.failure is Failure.TIMEOUT for one in failed)


@dataclass(frozen=True)
class Throughput:
    """While measured requests were issued, first to last: a load that only ends has fewer users.

    `window`: seconds. The rates, per second of it: tokens that came, and requests that ended well, of any
    phase; 0 for a single request, which has no window.
    """

    window: float
    tokens: float
    requests: float

    @classmethod
    def of(cls, result: LoadResult) -> Throughput:
        sent = [request.sent_ns for request in result.measured]
        begin, end = (min(sent), max(sent)) if sent else (0, 0)
        window = (end - begin) / SECOND
        good = [request for request in result.records if request.complete]
        tokens = sum(_tokens_between(request, begin, end) for request in good)
        ended = sum(begin < request.end_ns <= end for request in good)
        return cls(window, tokens / window if window else 0.0, ended / window if window else 0.0)


def _tokens_between(request: RequestRecord, begin: int, end: int) -> float:
    """Tokens by usage, spread evenly over the events: usage does not say which event had how many."""
    inside = sum(begin < time <= end for time in request.event_times_ns)
    return inside * max(request.output_tokens, 0) / len(request.event_times_ns)


@dataclass(frozen=True)
class LoadFigures:
    """Of the measured requests, or of the whole run. `requests`: all of them, also those that failed."""

    requests: Sequence[RequestRecord]
    tokens_per_second: float

    @classmethod
    def of(cls, result: LoadResult) -> LoadFigures:
        return cls(result.measured, Throughput.of(result).tokens)

    @classmethod
    def of_whole_run(cls, result: LoadResult) -> LoadFigures:
        """With warm-up and cool-down; tokens by usage, per second from the first sending to the last end."""
        requests = [one for one in result.records if not one.cancelled]
        begin = min((one.sent_ns for one in requests), default=0)
        end = max((one.end_ns for one in requests), default=0)
        tokens = sum(max(one.output_tokens, 0) for one in requests if one.complete)
        return cls(requests, tokens * SECOND / (end - begin) if end > begin else 0.0)

    def latencies(self, metric: str) -> list[float]:
        """Milliseconds, in the order of the requests; without those that failed."""
        found = map(LATENCIES[metric], self.requests)
        return [time / MILLISECOND for time in found if time is not None]

    @property
    def gaps(self) -> list[float]:
        """Milliseconds between successive events of the requests that did not fail."""
        return [gap / MILLISECOND for one in self.requests if one.complete for gap in one.gaps_ns]

    @property
    def failed(self) -> Sequence[RequestRecord]:
        return [request for request in self.requests if request.failed]

    @property
    def error_rate(self) -> float:
        """Failed requests by all requests, from 0 to 1."""
        return len(self.failed) / len(self.requests) if self.requests else 1.0

    def goodput(self, limits: Mapping[str, float]) -> float:
        """The share of requests, failed ones included, within all of these limits in milliseconds."""
        if not self.requests:
            return 0.0
        return sum(_within(request, limits) for request in self.requests) / len(self.requests)

    def cached_share(self, words: int) -> float:
        """Tokens of the prompts' words that came from a cache, by all of their tokens, from 0 to 1.

        `words` of each prompt, of one token or more. What comes before them is the same in each request: the
        head of the chat template may be cached. 0 where the server states no tokens.
        """
        counted = [(one.cached_tokens, one.prompt_tokens) for one in self.requests if one.prompt_tokens > 0]
        cached = sum(max(0, found - max(0, prompt - words)) for found, prompt in counted)
        return cached / (words * len(counted)) if counted else 0.0


def _within(request: RequestRecord, limits: Mapping[str, float]) -> bool:
    times = {metric: LATENCIES[metric](request) for metric in limits}
    return not request.failed and all(
        time is not None and time <= limits[metric] * MILLISECOND for metric, time in times.items()
    )
