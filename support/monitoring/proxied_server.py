"""A server without metrics: what an exporter for its process and a proxy in front of it give Prometheus.

This is a minimum, and named so: `acceptance_proxy_...` counts what passes through the proxy. Nothing of the
engine is in it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.http.recording_proxy import RecordingProxy
from support.monitoring.alert_rules import rules_file
from support.monitoring.incident import AlertHistory, Cause, alert_history
from support.monitoring.metrics_endpoint import served
from support.monitoring.process_metrics import PROCESS_UP, process_registry
from support.monitoring.prometheus_pair import SCRAPE_SECONDS, PrometheusPair, ScrapeTarget, start_pair
from support.monitoring.prompt_memory import PromptMemory
from support.monitoring.resource_use import MEMORY, Figure, figures_of
from support.monitoring.session import FIRST_SCRAPE_SECONDS, JOB, PARAMETERS, SPEED, StartServer
from support.monitoring.soak import Soak
from support.monitoring.webhook import WebhookReceiver
from support.programs.launcher import LaunchedProgram
from support.settings import Settings
from support.waiting import WaitTimeout

REQUESTS, IN_FLIGHT = "acceptance_proxy_requests_total", "acceptance_proxy_requests_in_flight"
SECONDS = "acceptance_proxy_request_duration_seconds"
# The proxy is on the way: its durations are those of the client but for a connection on loopback.
SHORTER_SHARE, SHORTER_SECONDS = 0.5, 0.05
TOLERANCE_SECONDS = 2.0
# Longer than the bounds of the alert: how late it was is a finding.
ALERT_SECONDS = 15.0
QUESTIONS = ("Tell me about the comet", "Tell me about the harbour", "Say it briefly")
CHAT = "/v1/chat/completions"
ENDED = "MistralrsProcessEnded"


class OutsideView:
    """What is observed of a server from outside, each once for all checks of it."""

    def __init__(
        self,
        observe_proxied: Callable[[], Observation],
        observe_soak: Callable[[], Soak],
        observe_prompts: Callable[[], PromptMemory],
    ) -> None:
        self._observe_proxied = observe_proxied
        self._observe_soak = observe_soak
        self._observe_prompts = observe_prompts

    @cached_property
    def proxied(self) -> Observation:
        """By an exporter and a proxy."""
        return self._observe_proxied()

    @cached_property
    def soak(self) -> Soak:
        """Its memory under a long load."""
        return self._observe_soak()

    @cached_property
    def prompts(self) -> PromptMemory:
        """Its memory with different prompts."""
        return self._observe_prompts()


class ProxyMetrics(Collector):
    """Requests by method, path and status; their durations; those that are open."""

    def __init__(self, proxy: RecordingProxy) -> None:
        self._proxy = proxy

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(REQUESTS, "Requests", labels=["method", "path", "status"])
        durations = SummaryMetricFamily(SECONDS, "Durations of requests", labels=["path"])
        ended = self._proxy.ended_exchanges
        for labels, count in Counter((one.method, _path(one), str(one.status)) for one in ended).items():
            requests.add_metric(labels, count)
        for path in sorted({_path(one) for one in ended}):
            seconds = [one.seconds for one in ended if _path(one) == path]
            durations.add_metric([path], len(seconds), math.fsum(seconds))
        yield requests
        yield durations
        yield GaugeMetricFamily(IN_FLIGHT, "Open requests", value=self._proxy.open_requests)


@dataclass(frozen=True)
class Observation:
    """What a client has sent through the proxy, and what Prometheus has stored of it.

    `counts`: requests by status; `seconds`: the sum of all durations; `memory`: resident memory of the
    process; `down_after`: seconds from the end of the server until Prometheus has it, None when it did not in
    time; `alert`: what became of the alert of a process that ended, until another one ran.
    """

    exchanges: Sequence[Exchange]
    counts: Mapping[str, float]
    seconds: float
    memory: Figure
    down_after: float | None
    bound: float
    alert: AlertHistory

    def count_findings(self) -> Iterator[str]:
        """A status that Prometheus counts otherwise than the client."""
        expected = Counter(str(one.status) for one in self.exchanges)
        for status in sorted({*expected, *self.counts}):
            if self.counts.get(status, 0) != expected[status]:
                yield (
                    f"{self.counts.get(status, 0):g} requests with status {status} in Prometheus, "
                    f"{expected[status]} by the client"
                )

    def duration_findings(self) -> Iterator[str]:
        """A sum of durations that does not fit to that of the client."""
        by_client = math.fsum(one.seconds for one in self.exchanges)
        least = SHORTER_SHARE * by_client - SHORTER_SECONDS * len(self.exchanges)
        if not least <= self.seconds <= by_client:
            yield f"{self.seconds:.3f} s in all in Prometheus, {by_client:.3f} s by the client"

    def end_findings(self) -> Iterator[str]:
        """A server that ended, which Prometheus does not have as ended in time."""
        if self.down_after is None:
            yield f"{PROCESS_UP} stayed 1 for {self.bound:.1f} s after the server had ended"

    def alert_findings(self) -> Iterator[str]:
        """It has to be pending, firing, delivered once and resolved, each in time."""
        yield from self.alert.findings()


def observe_proxied(start: StartServer, settings: Settings, folder: Path, model: str) -> Observation:
    """Start a server, its proxy and a Prometheus; send requests; end the server and start another; stop all.

    Raises `ProgramUnavailable`, `MonitoringBroken`, and `StartFailure` for the server.
    """
    with ExitStack() as stack:
        servers = [stack.enter_context(_started(start))]
        server = servers[0]
        proxy = stack.enter_context(closing(RecordingProxy(server.url, ())))
        registry = process_registry(lambda: servers[-1].process.pid)
        registry.register(ProxyMetrics(proxy))
        page = stack.enter_context(served(registry))
        target = ScrapeTarget(page.removesuffix("/metrics"))
        webhook = stack.enter_context(closing(WebhookReceiver()))
        rules = rules_file(PARAMETERS, speed=SPEED)
        pair = start_pair(settings, folder, {JOB: target}, rules, webhook.url)
        stack.callback(pair.stop)

        def await_result(promql: str, seconds: float) -> None:
            pair.wait_until(promql, lambda: pair.api.query(promql), seconds)

        first = settings.seconds(FIRST_SCRAPE_SECONDS)
        await_result(f"{PROCESS_UP} == 1", first)
        exchanges = _asked(proxy.url, model)
        before = figures_of(server.process.pid)
        sent = time.time()
        await_result(f'timestamp(up{{job="{JOB}"}}) > {sent}', first)
        counts = {one.labels["status"]: one.value for one in pair.api.query(f"sum by (status) ({REQUESTS})")}
        (seconds,) = pair.api.query(f"sum({SECONDS}_sum)")
        (resident,) = pair.api.query(MEMORY)
        after = figures_of(server.process.pid)
        memory = Figure(MEMORY, resident.value, before[MEMORY], after[MEMORY])
        bound = SCRAPE_SECONDS + settings.seconds(TOLERANCE_SECONDS)
        killed = time.time()
        down = _seconds_until_down(server, lambda: await_result(f"{PROCESS_UP} == 0", bound))
        delivered = partial(_await_notification, webhook, pair, settings.seconds(ALERT_SECONDS))
        delivered("firing")
        servers.append(stack.enter_context(_started(start)))
        cause = Cause(killed, time.time())
        delivered("resolved")
        history = alert_history(pair.api, ENDED, cause, webhook.received(), sent)
        alert = replace(history, tolerance=settings.seconds(TOLERANCE_SECONDS))
    return Observation(exchanges, counts, seconds.value, memory, down, bound, alert)


@contextmanager
def _started(start: StartServer) -> Iterator[LaunchedProgram]:
    server = start(None)
    try:
        yield server
    finally:
        server.stop()


def _await_notification(webhook: WebhookReceiver, pair: PrometheusPair, seconds: float, status: str) -> None:
    """Until the alert was delivered with this status; one that was not in time is found afterwards."""
    with suppress(WaitTimeout):
        pair.wait_until(
            f"{ENDED} {status}",
            lambda: [one for one in webhook.received() if (one.alert, one.status) == (ENDED, status)],
            seconds,
        )
    pair.require_delivery(webhook)


def _path(exchange: Exchange) -> str:
    return urlsplit(exchange.url).path


def _asked(url: str, model: str) -> Sequence[Exchange]:
    """Each question whole and streamed, and one request that is rejected."""
    with closing(ApiClient(url)) as client:
        for question in QUESTIONS:
            for stream in (False, True):
                messages = [{"role": "user", "content": question}]
                client.post(CHAT, {"model": model, "messages": messages, "stream": stream, "max_tokens": 50})
        client.send("POST", CHAT, body=b"{", headers={"Content-Type": "application/json"})
        return list(client.exchanges)


def _seconds_until_down(server: LaunchedProgram, wait: Callable[[], object]) -> float | None:
    server.end_is_known = True
    server.process.stop(grace=0)
    ended = time.monotonic()
    try:
        wait()
    except WaitTimeout:
        return None
    return time.monotonic() - ended
