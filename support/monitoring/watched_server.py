"""Whether a Prometheus that was there before scrapes the server under test, and not another one.

Its address does not show it: a proxy, a name in a cluster or another port may lie between them. So requests
are sent to the server, and the target is the one whose count rises by them to that of the server's own page.
They are for the model list: the counts of two servers behind one load balancer rise alike by other requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from support.errors import CheckFailed
from support.http.client import ApiClient
from support.monitoring.exposition import read_page
from support.monitoring.prometheus_api import PrometheusApi
from support.settings import redact_url
from support.waiting import WaitTimeout, wait_until

METRIC, ROUTE = "http_requests_total", "/v1/models"
COUNT = f'{METRIC}{{path="{ROUTE}"}}'
REQUESTS = 5
# A request is counted when its body has ended, which may be after its client has read it.
COUNTED_SECONDS = 10.0
# Scrape intervals are a minute by default; longer ones are not waited for.
MOST_SECONDS, DEFAULT_SECONDS = 75.0, 60.0
# Beyond a scrape interval: the scrape itself, which may take 10 s by default.
LATER_SECONDS = 15.0
PAUSE_SECONDS = 0.2
# Targets in a message.
MAX_SHOWN = 5
_PARTS = re.compile(r"(\d+(?:[.]\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# Job and instance of a target.
Place = tuple[str, str]
Target = Mapping[str, Any]


class WatchedServer:
    """The server under test at a URL, as its own page of metrics has it."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url
        self._key = key
        self._found: Sequence[Place] | CheckFailed | None = None

    def places(self, prometheus: PrometheusApi) -> Sequence[Place]:
        """Job and instance of the targets that are this server; it is found out once.

        Raises `CheckFailed` when there is none: the server does not count, or no target follows it.
        """
        if self._found is None:
            try:
                self._found = self._find(prometheus)
            except CheckFailed as error:
                self._found = error
        if isinstance(self._found, CheckFailed):
            raise CheckFailed(str(self._found))
        return self._found

    def _find(self, prometheus: PrometheusApi) -> Sequence[Place]:
        before = _counts(prometheus)
        with closing(ApiClient(self._url, api_key=self._key, may_be_silent=True)) as client:
            first = _total(client)
            for _ in range(REQUESTS):
                client.get(ROUTE)
            try:
                least = wait_until(
                    f"{COUNT} on the page of {redact_url(self._url)} risen by {REQUESTS} requests",
                    lambda: total if (total := _total(client)) >= first + REQUESTS else None,
                    timeout=COUNTED_SECONDS,
                )
            except WaitTimeout as error:
                raise CheckFailed(str(error)) from None
            sent = prometheus.query("time()")[0].value

            def rising() -> list[Place]:
                scraped = {place for place, at in _scraped(prometheus).items() if at > sent}
                after, most = _counts(prometheus), _total(client)
                return [
                    place
                    for place in sorted(scraped & after.keys())
                    if before.get(place, 0.0) <= first and least <= after[place] <= most
                ]

            seconds = min(_longest_interval(prometheus) + LATER_SECONDS, MOST_SECONDS)
            try:
                return wait_until("a target that rises", rising, timeout=seconds, pause=PAUSE_SECONDS)
            except WaitTimeout:
                raise CheckFailed(
                    f"no target of this Prometheus is {redact_url(self._url)}: its {COUNT} rose from "
                    f"{first:g} to {least:g} by the requests of this check, that of no target in "
                    f"{seconds:.0f} s ({_shown(_counts(prometheus))})"
                ) from None


def target_lines(targets: Sequence[Target], places: Sequence[Place]) -> Iterator[str]:
    """A line for each target, with a mark behind those of the server under test."""
    for target in targets:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(target["labels"].items()))
        mark = "  <- the server under test" if place_of(target) in places else ""
        yield f"{target['health']:<8} {target['scrapeUrl']}  {labels}{mark}"


def place_of(target: Target) -> Place:
    """Of an active target as the API has it."""
    return target["labels"].get("job", ""), target["labels"].get("instance", "")


def _total(client: ApiClient) -> float:
    exchange = client.get("/metrics")
    if exchange.status != 200:
        raise CheckFailed(f"the server has no page of metrics: GET /metrics is {exchange.in_short}")
    return read_page(exchange.text).total(METRIC, path=ROUTE)


def _counts(prometheus: PrometheusApi) -> dict[Place, float]:
    return _by_place(prometheus, f"sum by (job, instance) ({COUNT})")


def _scraped(prometheus: PrometheusApi) -> dict[Place, float]:
    """When, by the clock of Prometheus: the oldest sample of each."""
    return _by_place(prometheus, f"min by (job, instance) (timestamp({COUNT}))")


def _by_place(prometheus: PrometheusApi, promql: str) -> dict[Place, float]:
    return {
        (one.labels.get("job", ""), one.labels.get("instance", "")): one.value
        for one in prometheus.query(promql)
    }


def _longest_interval(prometheus: PrometheusApi) -> float:
    """Of all targets, in seconds; Prometheus before 2.31 does not state it."""
    texts = [str(target.get("scrapeInterval", "")) for target in prometheus.targets()]
    return max(
        (
            sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
            for text in texts
            if text
        ),
        default=DEFAULT_SECONDS,
    )


def _shown(counts: Mapping[Place, float]) -> str:
    shown = [f"{job} {instance} has {value:g}" for (job, instance), value in list(counts.items())[:MAX_SHOWN]]
    return ", ".join(shown) or "none has it"
