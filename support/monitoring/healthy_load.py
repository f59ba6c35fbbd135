"""A load that a server can serve, as its client counted it and as Prometheus has stored it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from support.errors import NotSupported
from support.monitoring.exposition import changes, require_none
from support.monitoring.exposition_lines import shown
from support.monitoring.load import CountedRequest, User, users
from support.monitoring.metric_table import UNCERTAIN_TOKENS
from support.monitoring.probe_program import PROBE_JOB
from support.monitoring.prometheus_api import Series
from support.monitoring.prometheus_pair import SCRAPE_SECONDS
from support.monitoring.session import JOB, SLOTS, MonitoringSession
from support.monitoring.webhook import Notification
from support.programs.cpu_contention import MOST_OTHERS, OthersSince, not_judged
from support.waiting import wait_until

# Long enough for each window and `for` of a threshold alert, as the session has shortened them.
LOAD_SECONDS = 8.0
# Also of the slow burn-rate alerts, whose window of 6 hours is 216 s there.
SOAK_SECONDS = 240.0
TOKENS = 30
TOLERANCE = 0.05
MAX_INTERVALS = 3
# Prometheus gives a scrape up after its timeout, which is the interval here.
TIMED_OUT_SECONDS = 0.95 * SCRAPE_SECONDS
COUNTERS = f'{{job="{JOB}",__name__=~".+_(total|count|sum|bucket)"}}'
# Points of a series: Unix seconds, value.
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class ObservedLoad:
    """What the client has counted, and what Prometheus has stored meanwhile.

    `tokens`, `answers`, `up`: raw samples. `firing`: the names of the alerts that fired. `delivered`: what
    the webhook got. `changes`: what may not change on the page. `counters`: their samples. `seconds`: how
    long the load was. `durations`: of the scrapes. `others`: the share of the CPU that other programs had.
    """

    requests: Sequence[CountedRequest]
    tokens: Points
    answers: Points
    up: Points
    firing: Sequence[str] = ()
    delivered: Sequence[Notification] = ()
    changes: Sequence[str] = ()
    counters: Sequence[Series] = ()
    seconds: float = LOAD_SECONDS
    durations: Points = ()
    others: float = 0.0

    def token_findings(self) -> Iterator[str]:
        """Tokens per second that differ from those of the client."""
        least = [one.tokens - one.cached - UNCERTAIN_TOKENS for one in self.requests]
        most = [one.tokens + UNCERTAIN_TOKENS for one in self.requests]
        yield from self._rate_findings("tokens", self.tokens, least, most)

    def request_findings(self) -> Iterator[str]:
        """Requests per second that differ from those of the client."""
        ones = [1] * len(self.requests)
        yield from self._rate_findings("requests", self.answers, ones, ones)

    def counter_findings(self) -> Iterator[str]:
        """A counter that fell, on the page or as Prometheus has it, or a type that changed."""
        yield from self.changes
        for one in self.counters:
            for (_, before), (_, after) in itertools.pairwise(one.points):
                if after < before:
                    name = f"{one.labels['__name__']}{shown(one.labels_of_page)}"
                    yield f"{name} fell from {before:g} to {after:g} in Prometheus"
                    break

    def scrape_findings(self) -> Iterator[str]:
        """A scrape that failed, too few of them, or a gap between two."""
        if failed := [at for at, value in self.up if value != 1]:
            yield f"{len(failed)} of {len(self.up)} scrapes failed under load"
        if len(self.up) < self.seconds / SCRAPE_SECONDS / 2:
            yield f"{len(self.up)} scrapes in {self.seconds:g} s under load"
        for (before, _), (after, _) in itertools.pairwise(self.up):
            if after - before > MAX_INTERVALS * SCRAPE_SECONDS:
                yield f"no scrape for {after - before:.1f} s under load; the interval is {SCRAPE_SECONDS:g} s"

    def require_scrapes(self) -> None:
        """Raises `CheckFailed` when there is a finding; `NotSupported` when other programs had the CPU, and
        each scrape that failed has timed out."""
        found = [*self.scrape_findings()]
        timed_out = {at for at, seconds in self.durations if seconds >= TIMED_OUT_SECONDS}
        failed = {at for at, value in self.up if value != 1}
        if found and self.others > MOST_OTHERS and failed <= timed_out:
            raise NotSupported(not_judged(self.others, "; ".join(found)))
        require_none(found)

    def alert_findings(self) -> Iterator[str]:
        """An alert that fired or was delivered."""
        for name in sorted({*self.firing, *(one.alert for one in self.delivered if one.status == "firing")}):
            yield f"{name} fired under a load that the server can serve"

    def _rate_findings(
        self, what: str, points: Points, least: Sequence[int], most: Sequence[int]
    ) -> Iterator[str]:
        """Between the first and the last sample under load: what ended inside, and what also touches it.

        When an answer is counted, during or at its end, differs by server.
        """
        if len(points) < 2:
            yield f"{what}: {len(points)} samples under load"
            return
        (begin, first), (end, last) = points[0], points[-1]
        seconds = end - begin
        inside = [begin <= one.began and one.ended <= end for one in self.requests]
        touching = [one.began <= end and one.ended >= begin for one in self.requests]
        low = sum(itertools.compress(least, inside)) * (1 - TOLERANCE) / seconds
        high = sum(itertools.compress(most, touching)) * (1 + TOLERANCE) / seconds
        found = (last - first) / seconds
        if not low <= found <= high or found == 0:
            yield f"{found:.2f} {what}/s by Prometheus; by the client {low:.2f} to {high:.2f} {what}/s"


def observe_load(session: MonitoringSession, model: str, seconds: float | None = None) -> ObservedLoad:
    """As many users as the server has slots; begins when no alert fires. `seconds`: `LOAD_SECONDS`."""
    seconds = seconds or LOAD_SECONDS
    session.require_server()
    session.wait_until_scraped()
    session.wait_until_quiet()
    user = User(session.target.url, model, session.target.key)
    user.stream(TOKENS)
    session.wait_for_scrape()
    before = session.page()
    others = OthersSince()
    with users(SLOTS, lambda: user.stream(TOKENS)) as running:
        wait_until(
            "the end of the load",
            lambda: time.time() - running.began >= seconds,
            timeout=2 * seconds,
        )
        began, ended = running.began, running.stop()
        requests = running.requests
    share = others.share()
    session.wait_for_scrape()
    return ObservedLoad(
        requests,
        session.api.stored_sums("mistralrs_tokens_processed_total", began, ended),
        session.api.stored_sums('http_requests_total{status="200"}', began, ended),
        session.api.stored_sums(f'up{{job="{JOB}"}}', began, ended),
        [
            series.labels["alertname"]
            for series in session.api.stored(
                f'ALERTS{{alertstate="firing",job!="{PROBE_JOB}"}}', began, time.time()
            )
        ],
        [one for one in session.webhook.received() if one.at >= began and one.labels.get("job") != PROBE_JOB],
        [*changes(before, session.page())],
        session.api.stored(COUNTERS, began, time.time()),
        seconds,
        session.api.stored_sums(f'scrape_duration_seconds{{job="{JOB}"}}', began, ended),
        share,
    )
