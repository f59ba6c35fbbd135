"""The figures of a load by their definitions (docs/metrics.md): latencies, throughput, failures, goodput."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from support.performance.load.program import LoadResult
from support.performance.load.record import RequestRecord

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
# Of a request, in nanoseconds; None for one that failed, or has no such time.
LATENCIES: Mapping[str, Callable[[RequestRecord], float | None]] = {
    "time to first token": lambda request: request.ttft_ns,
    "inter-token latency": lambda request: request.itl_ns,
    "end-to-end latency": lambda request: request.e2e_ns,
}


@dataclass(frozen=True)
class LoadFigures:
    """Of the measured requests. `requests`: all of them, also those that failed."""

    requests: Sequence[RequestRecord]
    tokens_per_second: float

    @classmethod
    def of(cls, result: LoadResult) -> LoadFigures:
        return cls(result.measured, _tokens_per_second(result.records, result.measured))

    def latencies(self, metric: str) -> list[float]:
        """Milliseconds, in the order of the requests; without those that failed."""
        found = map(LATENCIES[metric], self.requests)
        return [time / MILLISECOND_NS for time in found if time is not None]

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
        time is not None and time <= limits[metric] * MILLISECOND_NS for metric, time in times.items()
    )


def _tokens_per_second(records: Sequence[RequestRecord], measured: Sequence[RequestRecord]) -> float:
    """Output tokens that arrived while measured requests were issued, of whichever request they are.

    From the first sending to the last one: a load that only ends has fewer users. The tokens of an answer
    count by the times of its events, each event with the same number of them.
    """
    if len(measured) < 2:
        return 0.0
    begin = min(request.sent_ns for request in measured)
    end = max(request.sent_ns for request in measured)
    tokens = 0.0
    for request in records:
        if times := request.event_times_ns:
            inside = sum(begin <= time < end for time in times)
            tokens += inside * max(request.output_tokens, len(times)) / len(times)
    return tokens * SECOND_NS / (end - begin) if end > begin else 0.0
