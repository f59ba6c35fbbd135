"""Rounds of checks on a server at a URL, one request at a time, until the probe is stopped."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NoReturn

from support.errors import SettingsError, TargetError
from support.http.client import ApiClient
from support.monitoring.alert_rules import seconds
from support.probe.checks import Result, probe_checks, run_check
from support.probe.metrics import ProbeMetrics
from support.servers.discovery import UrlTarget, discover
from support.servers.endpoints import Endpoint, url_endpoint
from support.settings import Settings, redact_url

# Of a check; a server that needs longer is of no use to anybody, and the next check waits.
CHECK_SECONDS = 30.0
# No wait may be longer than the system allows, and an alert has to come in time.
MAX_INTERVAL_SECONDS = 24 * 3600.0
_DURATION = re.compile(r"([0-9]{1,9})[smh]")


def parse_interval(text: str) -> float:
    """Seconds of `60s`, `5m` or `1h`; raises `SettingsError`."""
    found = _DURATION.fullmatch(text)
    if found is None or not 1 <= seconds(text) <= MAX_INTERVAL_SECONDS:
        raise SettingsError(f"--every {text!r}: give a duration from 1s to 24h, such as 60s or 5m")
    return float(seconds(text))


class Prober:
    """Checks a server. `report` receives a line for each check whose outcome is another than before."""

    def __init__(self, settings: Settings, interval: float, report: Callable[[str], None]) -> None:
        """`settings`: with a `target_url`. `interval`: seconds from the start of a round to the next."""
        assert settings.target_url
        self._settings = settings
        self._interval = interval
        self._report = report
        self._failures: dict[str, str] = {}
        self._endpoint: Endpoint | None = None
        self.metrics = ProbeMetrics(interval, redact_url(settings.target_url))

    def run(self, wait: Callable[[float], object]) -> NoReturn:
        """Rounds without an end: `wait` (seconds), or a signal, ends them by an exception.

        The start of a round that was missed, as the one before took longer, is left out.
        """
        due = time.monotonic()
        while True:
            self.run_round()
            now = time.monotonic()
            due += self._interval * (1 + (now - due) // self._interval)
            wait(due - now)

    def run_round(self) -> None:
        """Each check once. All fail without a server that answers."""
        results = []
        for result in self._results():
            results.append(result)
            self.metrics.add(result)
            self._report_change(result)
        self.metrics.end_round()
        if all(result.failure for result in results):
            self._endpoint = None

    def _results(self) -> Iterator[Result]:
        try:
            endpoint = self._identified()
        except TargetError as error:
            yield from self._unreachable(str(error))
            return
        seconds = min(CHECK_SECONDS, self._interval)
        client = ApiClient(endpoint.base_url, api_key=endpoint.key, timeout=seconds, may_be_silent=True)
        with closing(client):
            for case in probe_checks():
                yield run_check(client, endpoint, case)

    def _identified(self) -> Endpoint:
        """The server, with the model that it lists now; raises `TargetError` while it does not answer.

        It may have been started again since the round before, with another version or model. One that has
        answered before, and is not identified again, is checked as it was.
        """
        try:
            target = discover(self._settings)
        except TargetError:
            if self._endpoint is None:
                raise
            return self._endpoint
        assert isinstance(target, UrlTarget)
        self._endpoint = url_endpoint(target, "openai", self._settings.api_key)
        self.metrics.set_target(target.program, target.version)
        return self._endpoint

    def _unreachable(self, why: str) -> Sequence[Result]:
        return [Result(case.id, why, 0.0) for case in probe_checks()]

    def _report_change(self, result: Result) -> None:
        before = self._failures.get(result.check)
        if result.failure != before:
            how = f"failed: {result.failure}" if result.failure else f"passed in {result.seconds:.2f} s"
            self._report(f"{result.check} {how}")
        self._failures[result.check] = result.failure
