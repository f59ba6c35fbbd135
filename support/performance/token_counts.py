"""Tokens of a load three times: events that the client has read, usage, and the server's own counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from support.http.client import tls_context
from support.monitoring.exposition import MalformedPage, read_page
from support.monitoring.metric_table import TOKENS, UNCERTAIN_TOKENS
from support.performance.load.plan import LoadPlan
from support.performance.load.record import RequestRecord

METRICS_SECONDS = 5.0
REUSED = "mistralrs_prefix_cache_tokens_reused_total"


@dataclass(frozen=True)
class TokenCounts:
    """Of all requests of a load. `usage`: prompts and answers; `cached`: tokens of prompts from a cache.

    `counted`: growth of the server's counter of processed tokens, None for a server without one. `unknown`:
    requests without usage, whose tokens only the server knows. `reused`: growth of its counter of tokens from
    the prefix cache.
    """

    events: int
    output: int
    usage: int
    cached: int
    requests: int
    unknown: int
    counted: float | None = None
    reused: float | None = None

    @staticmethod
    def of(
        records: Sequence[RequestRecord], counted: float | None, reused: float | None = None
    ) -> TokenCounts:
        known = [one for one in records if one.complete and min(one.output_tokens, one.prompt_tokens) >= 0]
        return TokenCounts(
            events=sum(len(one.event_times_ns) for one in known),
            output=sum(one.output_tokens for one in known),
            usage=sum(one.prompt_tokens + one.output_tokens for one in known),
            cached=sum(max(0, one.cached_tokens) for one in known),
            requests=len(records),
            unknown=len(records) - len(known),
            counted=counted,
            reused=reused,
        )

    def unexpectedly_cached(self, words: int) -> float:
        """By the server's own counter: the share of the prompts' words that came from its prefix cache.

        `words` of each prompt. What comes before them is the same in each request, and may be cached.
        """
        if self.reused is None or not self.requests:
            return 0.0
        heads = max(0, self.usage - self.output - words * (self.requests - self.unknown))
        return max(0.0, self.reused - heads) / (words * self.requests)

    @property
    def expected(self) -> tuple[int, int]:
        """What the server's counter may have grown by. A cached token may be counted or not."""
        uncertain = UNCERTAIN_TOKENS * self.requests
        return self.usage - self.cached - uncertain, self.usage + uncertain

    @property
    def agrees(self) -> bool | None:
        """Whether the server has counted the same; None where that cannot be known."""
        if self.counted is None or self.unknown:
            return None
        least, most = self.expected
        return least <= self.counted <= most

    def __str__(self) -> str:
        text = f"tokens of all requests: {self.events} events with {self.output} output tokens by usage"
        if self.unknown:
            text += f"; {self.unknown} requests without usage"
        if self.counted is None:
            return f"{text}; the server has no counter of tokens"
        least, most = self.expected
        verdict = {True: "", False: ": IT DIFFERS, unless others used the server", None: ""}[self.agrees]
        return f"{text}; the server has counted {self.counted:.0f}, {least} to {most} by usage{verdict}"


@dataclass(frozen=True)
class TokenCounters:
    """Of a server; None where there is none, also before its first token. `reused`: from its prefix cache."""

    processed: float | None = None
    reused: float | None = None

    def growth_from(self, before: TokenCounters) -> tuple[float | None, float | None]:
        """Of `processed` and of `reused`."""
        pairs = ((before.processed, self.processed), (before.reused, self.reused))
        processed, reused = (None if now is None else now - (then or 0.0) for then, now in pairs)
        return processed, reused


def token_counters(plan: LoadPlan) -> TokenCounters:
    """Of the plan's server, from its metrics."""
    headers = {"Authorization": f"Bearer {plan.key}"} if plan.key else {}
    url = plan.url.rstrip("/") + "/metrics"
    try:
        # Not the client of checks: that one gives a server up that does not answer it.
        with httpx.Client(verify=tls_context(url), trust_env=False, timeout=METRICS_SECONDS) as client:
            response = client.get(url, headers=headers)
        if response.status_code != 200:
            return TokenCounters()
        page = read_page(response.text)
    except (httpx.HTTPError, MalformedPage):
        return TokenCounters()
    return TokenCounters(*(page.total(name) if name in response.text else None for name in (TOKENS, REUSED)))
