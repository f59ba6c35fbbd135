"""Sequences of the page of metrics: its format, and its figures beside what the client itself has measured.

Figures are differences between two pages, so they hold on a server that has served others before. They are
exact where nobody else sends requests meanwhile.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from support.conformance.sequence import CheckedClient, require_equal, sequence
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.http.exchange import Exchange, strict_json
from support.http.framing import parse_events
from support.monitoring.exposition import MalformedPage, MetricsPage, changes, read_page, require_none
from support.monitoring.exposition_lines import shown
from support.monitoring.metric_table import COMPLETED, RUNNING, TOKENS, UNCERTAIN_TOKENS, Metric, metrics_of
from support.results.outcome import Evidence
from support.units import Json, JsonObject
from support.waiting import wait_until

CHAT = "/v1/chat/completions"
REQUESTS = "http_requests_total"
BODY_BYTES = "http_request_body_bytes"
DURATION = "http_request_duration_seconds"
IN_FLIGHT = "http_requests_in_flight"
FIRST_TOKEN = "mistralrs_time_to_first_token_seconds"
INTER_TOKEN = "mistralrs_inter_token_latency_seconds"
IDLE_GAUGES = (RUNNING, "mistralrs_sequences_waiting")

WHOLE, STREAMS = 3, 3
UNKNOWN = 20
CONCURRENT = 4
# A request is counted when its body has ended, which may be after its client has read it.
COUNTED_SECONDS = 10.0
# The server updates these when it schedules, and by a timer of some seconds.
IDLE_SECONDS = 10.0
# A server measures less than its client by what the network and both their queues take; never more, but for
# the resolution of two clocks.
LONGER_SHARE, LONGER_SECONDS = 0.01, 0.005
SHORTER_SHARE, SHORTER_SECONDS = 0.5, 0.05
# Lengths of the answers that are open at the same time: the next one where the shorter ones were too fast.
OPEN_LENGTHS = (150, 450, 1350)
QUANTILE = 0.9


@dataclass
class Load:
    """Requests with their responses, as the client saw them."""

    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def streams(self) -> list[Exchange]:
        return [one for one in self.exchanges if one.content_type == "text/event-stream"]

    def chunks(self) -> list[int]:
        """Of each stream, without `[DONE]`."""
        return [len(_documents(stream)) for stream in self.streams]

    def usage(self, name: str) -> int:
        """The sum of a token count over all answers."""
        return sum(int(_usage(one).get(name) or 0) for one in self.exchanges if one.status == 200)

    def cached(self) -> int:
        """Tokens of prompts that were not processed again."""
        good = (one for one in self.exchanges if one.status == 200)
        details = (_usage(one).get("prompt_tokens_details") or {} for one in good)
        return sum(int(one.get("cached_tokens") or 0) for one in details)


@dataclass(frozen=True)
class Observed:
    """The page before a load, the load, and the page after it."""

    before: MetricsPage
    load: Load
    after: MetricsPage

    def difference(self, name: str, **labels: str) -> float:
        """By how much the samples of this name have grown."""
        return self.after.total(name, **labels) - self.before.total(name, **labels)

    def bucket_of(self, histogram: str, quantile: float) -> tuple[float, float]:
        """The bounds of the bucket in which a quantile of what was added lies; raises `CheckFailed`."""
        name = f"{histogram}_bucket"
        bounds = {dict(sample.labels)["le"] for sample in self.after.samples if sample.name == name}
        total = self.difference(name, le="+Inf")
        low = 0.0
        for bound in sorted(bounds, key=float):
            if total and self.difference(name, le=bound) >= quantile * total:
                return low, float(bound)
            low = float(bound)
        raise CheckFailed(f"{name} has no observation of {histogram}")


class MetricsClient(CheckedClient):
    """Reads the page, and sends requests that the page counts."""

    def page(self) -> MetricsPage:
        """Raises `MalformedPage` when Prometheus could not read it."""
        exchange = self.send("GET", "/metrics")
        require_equal("the status of /metrics", 200, exchange.status)
        return read_page(exchange.text)

    def metrics(self) -> list[Metric]:
        """The documented ones of this version; raises `NotSupported` when it is not known."""
        program, version = self.server.components[-1]
        return metrics_of(program, version)

    def observe(self) -> Observed:
        """Whole answers, streams, and requests that are rejected, between two pages."""
        before, load = self.idle_page(), Load()
        for stream in (False,) * WHOLE + (True,) * STREAMS:
            load.exchanges.append(self.ask("Tell me about the comet", stream=stream))
        load.exchanges.append(self.ask("Say it briefly", model=_unknown_name()))
        load.exchanges.append(self.client.send("POST", CHAT, body=b"{", headers=JSON))
        load.exchanges.append(self.client.send("GET", f"/{_unknown_name()}"))
        sent = before.total(REQUESTS) + len(load.exchanges)
        after = wait_until(
            f"{REQUESTS} = {sent:g}",
            lambda: page if (page := self.page()).total(REQUESTS) >= sent else None,
            timeout=COUNTED_SECONDS,
            seen=lambda: f"{self.page().total(REQUESTS):g}",
        )
        return Observed(before, load, after)

    def page_with_requests(self) -> MetricsPage:
        """A page that has a series of each kind: a whole answer, a stream, a rejected request."""
        self.ask("Say it briefly")
        self.ask("Say it briefly", stream=True)
        self.client.send("GET", f"/{_unknown_name()}")
        return _with_samples(self.idle_page())

    def idle_page(self) -> MetricsPage:
        """The page when all requests that were sent before have ended."""
        return self.page_with_zero(IN_FLIGHT, COUNTED_SECONDS)

    def page_with_zero(self, gauge: str, seconds: float) -> MetricsPage:
        """The first page on which the samples of a gauge are 0."""
        return wait_until(
            f"{gauge} = 0 when no request is open",
            lambda: page if (page := self.page()).total(gauge) == 0 else None,
            timeout=seconds,
            seen=lambda: f"{self.page().total(gauge):g}",
        )

    def ask(self, question: str, **fields: Json) -> Exchange:
        """A chat request; whatever its status."""
        return self.client.post(CHAT, self.request(question, **fields))

    def request(self, question: str, **fields: Json) -> JsonObject:
        options = {"stream_options": {"include_usage": True}} if fields.get("stream") else {}
        messages = [{"role": "user", "content": question}]
        return {"model": self.model, "messages": messages, "temperature": 0, **options, **fields}

    def open_streams(self, count: int, tokens: int) -> list[float]:
        """The requests in flight by the page, again and again while that many streams are read."""
        seen: list[float] = []
        request = self.request("Go on forever", stream=True, max_tokens=tokens)

        def read() -> int:
            with closing(ApiClient(self.client.base_url, api_key=self.server.key)) as client:
                return client.post(CHAT, request).status

        with ThreadPoolExecutor(count) as pool:
            streams = [pool.submit(read) for _ in range(count)]
            while not all(stream.done() for stream in streams):
                seen.append(self.page().total(IN_FLIGHT))
        require_equal("the statuses of the streams", [200] * count, [stream.result() for stream in streams])
        return seen


CLIENT = MetricsClient
JSON = {"Content-Type": "application/json"}


def _unknown_name() -> str:
    return f"unknown-{uuid.uuid4().hex[:12]}"


def _with_samples(page: MetricsPage) -> MetricsPage:
    """Only a server that has answered nothing yet may have an empty page."""
    if not page.samples:
        raise MalformedPage("the page has no sample after requests")
    return page


def _documents(stream: Exchange) -> list[Json]:
    where = f"an event of {stream.url}"
    events = parse_events(stream.body)
    return [strict_json(event.data.encode(), where) for event in events if event.data != "[DONE]"]


def _usage(exchange: Exchange) -> Mapping[str, Json]:
    documents = _documents(exchange) if exchange.content_type == "text/event-stream" else [exchange.json()]
    found = [one["usage"] for one in documents if isinstance(one, dict) and one.get("usage")]
    return found[-1] if found else {}


def _limits(by_client: float, count: int) -> tuple[float, float]:
    """What a server may have measured for `count` events of so many seconds by its client."""
    least = SHORTER_SHARE * by_client - SHORTER_SECONDS * count
    return least, (1 + LONGER_SHARE) * by_client + LONGER_SECONDS * count


def _require_measured(what: str, by_client: float, by_server: float, count: int) -> None:
    """Raises unless the server's sum of seconds over `count` events fits to that of the client."""
    least, most = _limits(by_client, count)
    if not least <= by_server <= most:
        raise CheckFailed(
            f"{what}, in all: {by_server:.4f} s by the server, {by_client:.4f} s by its client; "
            f"expected {max(least, 0):.4f} to {most:.4f} s"
        )


# -- the page (Prometheus, exposition formats)


@sequence("metrics.page.readable")
def _readable(client: MetricsClient) -> None:
    client.page_with_requests()


@sequence("metrics.page.types")
def _types(client: MetricsClient) -> None:
    require_none([*client.page_with_requests().type_findings()])


@sequence("metrics.page.series")
def _series(client: MetricsClient) -> None:
    require_none([*client.page_with_requests().series_findings()])


@sequence("metrics.page.values")
def _values(client: MetricsClient) -> None:
    require_none([*client.page_with_requests().value_findings()])


@sequence("metrics.page.histograms")
def _histograms(client: MetricsClient) -> None:
    require_none([*client.page_with_requests().histogram_findings()])


# -- names and labels


@sequence("metrics.names.documented")
def _documented(client: MetricsClient) -> None:
    documented = client.metrics()
    page = client.page_with_requests()
    require_none([finding for metric in documented for finding in metric.findings(page)])


@sequence("metrics.names.bounded")
def _bounded(client: MetricsClient) -> None:
    names: list[str] = []

    def send_unknown(count: int) -> MetricsPage:
        for _ in range(count):
            names.append(_unknown_name())
            client.ask("Say it briefly", model=names[-1])
            client.send("GET", f"/{names[-1]}")
        return _with_samples(client.idle_page())

    first = send_unknown(1)
    after = send_unknown(UNKNOWN)
    exposed = sorted(
        {str(s) for s in after.samples for _, value in s.labels if any(n in value for n in names)}
    )
    require_equal("series with the name of an unknown model or path", [], exposed[:3])
    new = [f"{name}{shown(labels)}" for name, labels in after.series.keys() - first.series.keys()]
    require_equal(f"new series after {UNKNOWN} more unknown models and paths", [], sorted(new)[:3])


# -- counters


@sequence("metrics.counters.scrapes")
def _scrapes(client: MetricsClient) -> None:
    before = client.page_with_requests()
    for path in ("/metrics", "/health", "/"):
        client.send("GET", path)
    after = client.page()
    for name in (REQUESTS, f"{DURATION}_count", IN_FLIGHT):
        require_equal(f"{name} after scrapes and health checks", before.total(name), after.total(name))


@sequence("metrics.counters.monotonic")
def _monotonic(client: MetricsClient) -> None:
    pages = [client.page()]
    requests: Sequence[JsonObject] = (
        {},
        {"stream": True},
        {"model": _unknown_name()},
        {"messages": []},
        {"max_tokens": 1},
        {"stream": True, "max_tokens": 1},
    )
    for fields in requests:
        client.ask("Tell me about the comet", **fields)
        pages.append(_with_samples(client.page()))
    pairs = itertools.pairwise(pages)
    require_none([finding for before, after in pairs for finding in changes(before, after)])


# -- accuracy


@sequence("metrics.counters.requests")
def _requests(client: MetricsClient) -> None:
    observed = client.observe()
    statuses = [str(one.status) for one in observed.load.exchanges]
    for status in sorted(set(statuses)):
        found = observed.difference(REQUESTS, status=status)
        require_equal(f"requests with status {status}", statuses.count(status), found)
    require_equal("requests in all", len(statuses), observed.difference(REQUESTS))


@sequence("metrics.counters.body_bytes")
def _body_bytes(client: MetricsClient) -> None:
    observed = client.observe()
    sizes = [len(one.request_body) for one in observed.load.exchanges if one.url.endswith(CHAT)]
    require_equal("requests with a body", len(sizes), observed.difference(f"{BODY_BYTES}_count", path=CHAT))
    require_equal("their bytes", sum(sizes), observed.difference(f"{BODY_BYTES}_sum", path=CHAT))


@sequence("metrics.counters.tokens")
def _tokens(client: MetricsClient) -> None:
    observed = client.observe()
    load, uncertain = observed.load, UNCERTAIN_TOKENS * len(observed.load.exchanges)
    most = load.usage("total_tokens") + uncertain
    least = load.usage("total_tokens") - load.cached() - uncertain
    found = observed.difference(TOKENS)
    if not least <= found <= most:
        raise CheckFailed(
            f"tokens processed: {found:g}; by the usage of the answers {load.usage('total_tokens')} "
            f"({load.cached()} cached), so {least} to {most}"
        )


@sequence("metrics.counters.sequences")
def _sequences(client: MetricsClient) -> None:
    observed = client.observe()
    require_equal("completed sequences", WHOLE + STREAMS, observed.difference(COMPLETED))
    require_equal("failed ones", 0, observed.difference(COMPLETED, reason="error"))


@sequence("metrics.durations.requests")
def _durations(client: MetricsClient) -> None:
    observed = client.observe()
    by_client = sum(one.seconds for one in observed.load.exchanges)
    count = len(observed.load.exchanges)
    require_equal("requests with a duration", count, observed.difference(f"{DURATION}_count"))
    _require_measured("durations of requests", by_client, observed.difference(f"{DURATION}_sum"), count)


@sequence("metrics.durations.quantile")
def _quantile(client: MetricsClient) -> None:
    observed = client.observe()
    seconds = sorted(one.seconds for one in observed.load.exchanges)
    by_client = seconds[math.ceil(QUANTILE * len(seconds)) - 1]
    low, high = observed.bucket_of(DURATION, QUANTILE)
    least, most = _limits(by_client, 1)
    shown_bucket = f"{low:g} s to {high:g} s by the bucket of the server, {by_client:.4f} s by its client"
    if high < least or low > most:
        raise CheckFailed(f"the {QUANTILE:.0%} quantile of durations is {shown_bucket}")
    # Prometheus interpolates inside of the bucket: its width is the error.
    text = f"{QUANTILE:.0%} quantile of durations: {shown_bucket}; error of a query: up to {high - low:g} s"
    client.evidence.append(Evidence("error of a quantile", "text/plain", text.encode(), "quantile.txt"))


@sequence("metrics.durations.first_token")
def _first_token(client: MetricsClient) -> None:
    observed = client.observe()
    by_client = sum(stream.chunks[0][0] for stream in observed.load.streams)
    require_equal("times to first token", STREAMS, observed.difference(f"{FIRST_TOKEN}_count"))
    _require_measured("times to first token", by_client, observed.difference(f"{FIRST_TOKEN}_sum"), STREAMS)


@sequence("metrics.durations.inter_token")
def _inter_token(client: MetricsClient) -> None:
    observed = client.observe()
    chunks = observed.load.chunks()
    count = sum(chunks) - len(chunks)
    by_client = sum(stream.seconds for stream in observed.load.streams)
    by_server = observed.difference(f"{INTER_TOKEN}_sum") + observed.difference(f"{FIRST_TOKEN}_sum")
    require_equal("inter-token latencies", count, observed.difference(f"{INTER_TOKEN}_count"))
    _require_measured("times of all chunks", by_client, by_server, len(chunks))


# -- gauges


@sequence("metrics.gauges.in_flight")
def _in_flight(client: MetricsClient) -> None:
    client.idle_page()
    most = 0.0
    for tokens in OPEN_LENGTHS:
        if most < CONCURRENT:
            most = max(client.open_streams(CONCURRENT, tokens), default=0)
    require_equal(f"the most requests in flight during {CONCURRENT} streams", CONCURRENT, most)
    client.idle_page()


@sequence("metrics.gauges.idle")
def _idle(client: MetricsClient) -> None:
    client.page_with_requests()
    for gauge in IDLE_GAUGES:
        client.page_with_zero(gauge, IDLE_SECONDS)
