"""An incident on a monitored server: alerts with their causes, as Prometheus and Alertmanager noticed them.

1. More users than slots, and requests that count as failed: backlog, late first tokens, errors.
2. The server is killed while an alert still fires, and started again.
3. A request whose body never comes, while its alert is silenced; then the silence ends.

States are read from the stored series `ALERTS` afterwards, so none that was short is missed.
Source: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

import itertools
import math
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from support.monitoring.alert_rules import rule, seconds
from support.monitoring.load import CHAT, CountedRequest, User, Users
from support.monitoring.prometheus_api import PrometheusApi
from support.monitoring.prometheus_pair import EVALUATION_SECONDS, GROUP_INTERVAL_SECONDS, SCRAPE_SECONDS
from support.monitoring.session import JOB, PARAMETERS, SPEED, MonitoringSession
from support.monitoring.webhook import Notification
from support.waiting import WaitTimeout

ERRORS, FIRST_TOKEN = "MistralrsHighErrorRate", "MistralrsHighFirstTokenLatency"
BACKLOG, STALLED, DOWN = "MistralrsQueueBacklog", "MistralrsStalled", "MistralrsDown"
# It fires longest, so it still does when the server is killed.
BUDGET = "MistralrsErrorBudgetBurnsSlowly"
# Beyond what intervals explain: the machine, and the programs themselves.
TOLERANCE_SECONDS = 2.0
# The alert is about the 95th percentile.
LATE_SHARE = 0.05
USERS = 8
# A stream of an overloaded server takes about so long, whatever the machine.
STREAM_SECONDS = 0.3
CALIBRATION_TOKENS, CALIBRATIONS = 40, 3
# Prometheus evaluates at whole milliseconds.
CLOCK_SECONDS = 0.01
ERROR_PAUSE_SECONDS = 0.05
WAIT_SECONDS = 20.0
LATE_SECONDS = 2.0
_RANGE = re.compile(r"\[(\d+[smhd])\]")


@dataclass(frozen=True)
class Cause:
    """When the cause of an alert began and ended, in Unix seconds.

    `drains`: whether the expression holds only when its window has no other samples any more. `muted_until`:
    the end of a silence. `resumed`: when it was there again after a pause that may have been an empty window.
    """

    began: float
    ended: float
    drains: bool = False
    muted_until: float = 0.0
    resumed: Sequence[float] = ()


@dataclass(frozen=True)
class AlertHistory:
    """What became of one alert: the times of the samples of `ALERTS` by state, and its notifications."""

    name: str
    cause: Cause
    pending: Sequence[float]
    firing: Sequence[float]
    notifications: Sequence[Notification]
    tolerance: float = TOLERANCE_SECONDS

    @property
    def held(self) -> float:
        """Its `for` as the session has shortened it, in seconds."""
        return seconds(rule(self.name)["for"]) / SPEED

    @property
    def window(self) -> float:
        """The longest range of its expression, as the session has shortened it, in seconds."""
        return max(
            (seconds(found) / SPEED for found in _RANGE.findall(str(rule(self.name)["expr"]))), default=0
        )

    @property
    def evaluations(self) -> float:
        """Seconds until a change of a sample has changed the alert: a recorded series is evaluated before."""
        return EVALUATION_SECONDS * (2 if "mistralrs:" in str(rule(self.name)["expr"]) else 1)

    @property
    def firing_bound(self) -> float:
        """Seconds from the cause to its state `firing`: `for` ends with an evaluation."""
        held = math.ceil(self.held / EVALUATION_SECONDS) * EVALUATION_SECONDS
        drained = self.window if self.cause.drains else 0
        return SCRAPE_SECONDS + drained + self.evaluations + held + self.tolerance

    @property
    def resolved_bound(self) -> float:
        """Seconds from the end of the cause to the notification of it."""
        drained = 0 if self.cause.drains else self.window
        return SCRAPE_SECONDS + drained + self.evaluations + GROUP_INTERVAL_SECONDS + self.tolerance

    def findings(self) -> Iterator[str]:
        """What is wrong: it has to be inactive, pending, firing, delivered once, resolved, each in time."""
        began = self.cause.began
        active = sorted((*self.pending, *self.firing))
        if [at for at in active if began - EVALUATION_SECONDS <= at < began]:
            yield f"{self.name} was active before its cause"
            return
        pending, firing = ([at for at in times if at >= began] for times in (self.pending, self.firing))
        if not firing:
            found = "was pending, and did not fire" if pending else "stayed inactive"
            watched = self.cause.ended - began
            # What follows an alert that was late is not waited for as long.
            is_cut = watched < self.firing_bound
            why = f"; watched for {watched:.1f} s only, since another alert was late" if is_cut else ""
            yield f"{self.name} {found}{why}"
            return
        since = max((began, *(at for at in self.cause.resumed if at < firing[0])))
        if firing[0] - since > self.firing_bound:
            yield self._late("fired", firing[0] - since, self.firing_bound)
        # It may have been pending before, for less than its `for`.
        periods = _periods([at for at in pending if at < firing[0]])
        waited = firing[0] - periods[-1][0] if periods else 0
        if waited < self.held - CLOCK_SECONDS:
            yield f"{self.name} was pending for {waited:.1f} s before it fired; its `for` is {self.held:g} s"
        yield from self._delivery_findings()

    def _delivery_findings(self) -> Iterator[str]:
        found = [one for one in self.notifications if one.at >= self.cause.began]
        fired = [one for one in found if one.status == "firing"]
        if not fired:
            yield f"{self.name} fired, and was not delivered"
            return
        if fired[0].at < self.cause.muted_until:
            yield f"{self.name} was delivered before its silence had ended"
        firing = [at for at in self.firing if at >= self.cause.began]
        if len(fired) > len(_periods(firing)):
            yield f"{self.name} was delivered {len(fired)} times"
        bound = GROUP_INTERVAL_SECONDS + self.tolerance
        delay = fired[0].at - max(firing[0], self.cause.muted_until)
        if delay > bound:
            yield self._late("was delivered", delay, bound)
        yield from self._text_findings(fired[0])
        if found[-1].status != "resolved":
            yield f"{self.name} was not resolved"
        elif found[-1].at - self.cause.ended > self.resolved_bound:
            yield self._late("was resolved", found[-1].at - self.cause.ended, self.resolved_bound)

    def _text_findings(self, one: Notification) -> Iterator[str]:
        row = rule(self.name)
        if (one.labels.get("job"), one.labels.get("severity")) != (JOB, row["severity"]):
            yield f"{self.name} was delivered with the labels {dict(one.labels)}"
        if one.annotations.get("summary") != row["summary"]:
            yield f"{self.name} was delivered with the summary {one.annotations.get('summary')!r}"
        description = one.annotations.get("description", "")
        if not description or "{{" in description or "<error" in description or "<no value>" in description:
            yield f"{self.name} was delivered with the description {description!r}"
        if not one.annotations.get("runbook_url", "").endswith(f"#{self.name.lower()}"):
            yield f"{self.name} was delivered without its section of the runbook"

    def _late(self, what: str, after: float, bound: float) -> str:
        return f"{self.name} {what} after {after:.1f} s; expected within {bound:.1f} s"


@dataclass
class Incident:
    """What was observed. `up`: raw samples. `inhibited`, `silenced`: what Alertmanager had of that alert."""

    histories: dict[str, AlertHistory] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)
    up: Sequence[tuple[float, float]] = ()
    killed: float = 0.0
    # Before it was started, and when it was ready: a scrape between these may find it.
    starting: float = 0.0
    restarted: float = 0.0
    inhibited: Mapping[str, Sequence[str]] = field(default_factory=dict)
    silenced: Mapping[str, Sequence[str]] = field(default_factory=dict)
    down_fingerprint: str = ""
    silence: str = ""
    notifications: Sequence[Notification] = ()

    def down_findings(self, tolerance: float) -> Iterator[str]:
        """The target is down soon after its server was killed, and stays so."""
        yield from self._health_findings("killed", self.killed, self.starting, 0, tolerance)

    def up_findings(self, tolerance: float) -> Iterator[str]:
        """The target is up soon after its server runs again, and stays so."""
        yield from self._health_findings("started again", self.restarted, math.inf, 1, tolerance)

    def inhibition_findings(self) -> Iterator[str]:
        """While the server is down, others are suppressed by that alert and not delivered."""
        by = self.inhibited.get("inhibitedBy", ())
        if self.inhibited.get("state") != "suppressed" or self.down_fingerprint not in by:
            yield f"{BUDGET} was not inhibited by {DOWN}: its state was {dict(self.inhibited)}"
        down = [one for one in self.notifications if one.alert == DOWN and one.at >= self.killed]
        if not down:
            yield f"{DOWN} was not delivered"
            return
        for one in self.notifications:
            if down[0].at < one.at < self.restarted and one.status == "firing" and one.alert != DOWN:
                yield f"{one.alert} was delivered while {DOWN} fired"

    def silence_findings(self) -> Iterator[str]:
        """The alert fires, is suppressed by the silence, and is delivered only after it."""
        if self.silenced.get("state") != "suppressed" or self.silence not in self.silenced.get(
            "silencedBy", ()
        ):
            yield f"{STALLED} was not silenced: its state was {dict(self.silenced)}"
        history = self.histories[STALLED]
        until = history.cause.muted_until
        if [one for one in history.notifications if history.cause.began <= one.at < until]:
            yield f"{STALLED} was delivered although it was silenced"

    def _health_findings(
        self, what: str, begin: float, end: float, expected: float, tolerance: float
    ) -> Iterator[str]:
        state = "up" if expected else "down"
        found = [(at, value) for at, value in self.up if begin <= at < end]
        changed = next((at for at, value in found if value == expected), None)
        bound = SCRAPE_SECONDS + tolerance
        if changed is None:
            yield f"the target was never {state} after its server was {what}"
        elif changed - begin > bound:
            late = f"{changed - begin:.1f} s after its server was {what}"
            yield f"the target was {state} {late}; expected within {bound:.1f} s"
        elif [value for at, value in found if at > changed and value != expected]:
            yield f"the target did not stay {state} after its server was {what}"


def observe_incident(session: MonitoringSession, model: str) -> Incident:
    """Let it happen; begins when no alert fires. Takes about 30 s.

    Raises `MonitoringBroken` when Prometheus or Alertmanager has ended, or a notification was lost.
    """
    session.require_server()
    session.wait_until_scraped()
    session.wait_until_quiet()
    incident, began = Incident(), time.time()
    observer = _Observer(session, User(session.target.url, model, session.target.key), incident)
    observer.overload()
    observer.kill_and_restart()
    observer.stall()
    incident.up = session.api.stored_sums(f'up{{job="{JOB}"}}', began, time.time())
    incident.notifications = [one for one in session.webhook.received() if one.at >= began]
    tolerance = session.seconds(TOLERANCE_SECONDS)
    for name, cause in incident.causes.items():
        history = alert_history(session.api, name, cause, incident.notifications, began)
        incident.histories[name] = replace(history, tolerance=tolerance)
    return incident


def alert_history(
    api: PrometheusApi, name: str, cause: Cause, received: Sequence[Notification], since: float
) -> AlertHistory:
    """What became of an alert from `since` (Unix seconds, before its cause) until now."""
    pending, firing = (
        [at for at, _ in api.stored_sums(_states(name, state), since, time.time())]
        for state in ("pending", "firing")
    )
    return AlertHistory(name, cause, pending, firing, [one for one in received if one.alert == name])


def _periods(times: Sequence[float]) -> list[list[float]]:
    """Samples of evaluations that follow each other without one between them."""
    found: list[list[float]] = []
    for at in times:
        if not found or at - found[-1][-1] > 1.5 * EVALUATION_SECONDS:
            found.append([])
        found[-1].append(at)
    return found


def _states(name: str, state: str) -> str:
    return f'ALERTS{{alertname="{name}",alertstate="{state}"}}'


class _Observer:
    """Makes the causes, and waits for what has to follow; what did not come in time is found afterwards."""

    def __init__(self, session: MonitoringSession, user: User, incident: Incident) -> None:
        self._session = session
        self._user = user
        self._incident = incident
        self._is_late = False

    def overload(self) -> None:
        """Backlog, late first tokens and errors at once; the load ends when all have fired."""
        # The fastest: one that another program held up would make the streams too short to be late.
        alone = [self._user.stream(CALIBRATION_TOKENS) for _ in range(CALIBRATIONS)]
        seconds_each = max(min(one.ended - one.began for one in alone), 0.01)
        tokens = max(10, min(int(CALIBRATION_TOKENS * STREAM_SECONDS / seconds_each), 400))
        with ExitStack() as stack:
            failing = Users(1, self._user.unknown_path, ERROR_PAUSE_SECONDS)
            stack.callback(failing.stop)
            streaming = Users(USERS, lambda: self._user.stream(tokens))
            stack.callback(streaming.stop)
            for name in (BACKLOG, ERRORS, FIRST_TOKEN):
                self._wait_for(name, "firing")
            users_ended = streaming.stop()
            late, resumed = late_since(streaming.requests), resumptions(streaming.requests)
            self._incident.causes[BACKLOG] = Cause(streaming.began, users_ended)
            self._incident.causes[FIRST_TOKEN] = Cause(late, users_ended, resumed=resumed)
            self._wait_for(BUDGET, "firing")
            self._incident.causes[ERRORS] = Cause(failing.began, failing.stop())
        for name in (BACKLOG, ERRORS, FIRST_TOKEN):
            self._wait_for(name, "resolved")

    def kill_and_restart(self) -> None:
        session, incident = self._session, self._incident
        incident.killed = time.time()
        session.kill_server()
        self._wait_for(DOWN, "firing")
        incident.inhibited = self._status_when(BUDGET, "inhibitedBy")
        incident.down_fingerprint = next(
            (str(one["fingerprint"]) for one in self._alerts(DOWN)), "none in Alertmanager"
        )
        incident.starting = time.time()
        session.require_server()
        incident.restarted = time.time()
        incident.causes[DOWN] = Cause(incident.killed, incident.restarted)
        self._wait_for(DOWN, "resolved")

    def stall(self) -> None:
        session, incident = self._session, self._incident
        # A server has no series of tokens before its first one.
        self._user.stream(1)
        session.wait_for_scrape()
        incident.silence = session.pair.silence(STALLED, minutes=5)
        began = time.time()
        with closing(_half_request(session.target.url)):
            incident.silenced = self._status_when(STALLED, "silencedBy")
            session.pair.end_silence(incident.silence)
            muted_until = time.time()
            self._wait_for(STALLED, "firing")
        ended = time.time()
        incident.causes[STALLED] = Cause(began, ended, drains=True, muted_until=muted_until)
        self._wait_for(STALLED, "resolved")

    def _wait_for(self, name: str, status: str) -> None:
        """Until it was delivered, or for the longest bound that there is."""
        began = time.time()
        since = max((one.at for one in self._of(name) if one.status != status), default=began - WAIT_SECONDS)
        self._wait(lambda: [one for one in self._of(name) if one.status == status and one.at >= since])

    def _status_when(self, name: str, field_name: str) -> Mapping[str, Sequence[str]]:
        """The status of an alert in Alertmanager when it has this field, else the last one."""
        self._wait(lambda: [one for one in self._alerts(name) if one["status"][field_name]])
        found = self._alerts(name)
        return found[0]["status"] if found else {}

    def _wait(self, check: Callable[[], object]) -> None:
        session = self._session
        try:
            seconds_left = session.seconds(LATE_SECONDS if self._is_late else WAIT_SECONDS)
            session.pair.wait_until("a state of an alert", check, seconds_left)
        except WaitTimeout:
            # What is left is not waited for as long: it may have the same reason.
            self._is_late = True
        session.pair.require_delivery(session.webhook)

    def _of(self, name: str) -> list[Notification]:
        return [one for one in self._session.webhook.received() if one.alert == name]

    def _alerts(self, name: str) -> list[Mapping[str, Mapping[str, Sequence[str]]]]:
        return [one for one in self._session.pair.delivered_alerts() if one["labels"]["alertname"] == name]


def late_since(requests: Sequence[CountedRequest]) -> float:
    """From when on the 95th percentile of all first tokens so far was beyond the threshold; 0: never.

    That is what the alert is about: a single late one, which a busy machine has made, is no cause.
    """
    threshold = float(PARAMETERS["first_token_seconds"])
    since = late = 0.0
    for number, one in enumerate(sorted(requests, key=lambda each: each.first_token), 1):
        late += one.first_token - one.began > threshold
        if late / number <= LATE_SHARE:
            since = 0.0
        elif not since:
            since = one.first_token
    return since


def resumptions(requests: Sequence[CountedRequest]) -> list[float]:
    """First tokens after a pause in which Prometheus may have seen none: its alert begins to wait again.

    The server makes such a pause when other programs take its CPU.
    """
    window = min(seconds(found) / SPEED for found in _RANGE.findall(str(rule(FIRST_TOKEN)["expr"])))
    longest = window - 1.5 * SCRAPE_SECONDS
    times = sorted(one.first_token for one in requests)
    return [after for before, after in itertools.pairwise(times) if after - before > longest]


def _half_request(url: str) -> socket.socket:
    """A connection with a request whose body does not come."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=WAIT_SECONDS)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    return connection
