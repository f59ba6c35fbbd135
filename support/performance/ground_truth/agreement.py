"""How far the times of a load differ from those that the synthetic server has stated itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from support.performance.ground_truth.server import SentTimes
from support.performance.load.program import LoadResult
from support.performance.load.record import RequestRecord


@dataclass(frozen=True)
class Agreement:
    """Errors of the measured requests without failure.

    `ttft_ns`: measured minus true time to first token. `itl`: relative error of the inter-token latency of a
    request, without a sign. `gaps_ns`: error of each gap between events, without a sign.
    """

    ttft_ns: Sequence[int]
    itl: Sequence[float]
    gaps_ns: Sequence[int]

    @staticmethod
    def of(result: LoadResult) -> Agreement:
        """The load has kept its events. Raises ValueError for a load on another server."""
        ttft: list[int] = []
        itl: list[float] = []
        gaps: list[int] = []
        for record in result.measured:
            if record.failed:
                continue
            sent = SentTimes.of("".join(text for _, _, text in result.events[record.number]))
            ttft.append(_ttft_error(record, sent))
            true_span, span = sent.tokens[-1] - sent.tokens[0], record.last_token_ns - record.first_token_ns
            if true_span:
                itl.append(abs(span - true_span) / true_span)
            gaps += _gap_errors(record, sent)
        return Agreement(ttft, itl, gaps)


def _ttft_error(record: RequestRecord, sent: SentTimes) -> int:
    return (record.first_token_ns - record.sent_ns) - (sent.tokens[0] - sent.arrived)


def _gap_errors(record: RequestRecord, sent: SentTimes) -> list[int]:
    # The tokens of one event have one time.
    events = sorted(set(sent.tokens))
    true_gaps = [after - before for before, after in pairwise(events)]
    return [abs(gap - true) for gap, true in zip(record.gaps_ns, true_gaps, strict=True)]
