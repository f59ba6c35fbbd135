"""Results of checks as metrics for Prometheus, in a registry of their own."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, disable_created_metrics

from support.probe.checks import Result


class ProbeMetrics:
    """The metrics of a probe. A check has series from its first result on."""

    def __init__(self, interval: float, url: str) -> None:
        """`interval`: seconds from the start of a round to that of the next one."""
        self._url = url
        # `_created` beside each counter is of no use to Prometheus' text format.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._success = self._gauge("success", "Whether the last run of the check passed", "check")
        self._duration = self._gauge("duration_seconds", "Time of the last run of the check", "check")
        self._first_token = self._gauge(
            "time_to_first_token_seconds", "Time to the first token of the last stream", "check"
        )
        self._streamed: set[str] = set()
        # Before the first one its start: an age is computed from it, also of a first round that hangs.
        self._round = self._gauge(
            "last_round_timestamp_seconds", "When the last round ended, or the probe started, Unix time"
        )
        self.end_round()
        self._gauge("interval_seconds", "Time from the start of a round to that of the next").set(interval)
        self._runs = Counter(
            "acceptance_probe_runs", "Runs of the check", ["check", "result"], registry=self.registry
        )
        self._target = Info("acceptance_probe_target", "The server that is checked", registry=self.registry)
        self.set_target("unknown", "-")

    def set_target(self, program: str, version: str) -> None:
        """Program and version of the server that is checked."""
        self._target.info({"url": self._url, "program": program, "version": version})

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"acceptance_probe_{name}", help_text, labels, registry=self.registry)

    def add(self, result: Result) -> None:
        """A stream without a token has no time to the first one: an old value would look like a new one."""
        passed = not result.failure
        self._success.labels(result.check).set(passed)
        self._duration.labels(result.check).set(result.seconds)
        self._runs.labels(result.check, "passed" if passed else "failed").inc()
        if result.first_token_seconds is not None:
            self._first_token.labels(result.check).set(result.first_token_seconds)
            self._streamed.add(result.check)
        elif result.check in self._streamed:
            self._first_token.remove(result.check)
            self._streamed.remove(result.check)

    def end_round(self) -> None:
        self._round.set(time.time())
