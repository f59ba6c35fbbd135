"""What an incident has to leave behind: a right history has no finding, each fault has its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from support.monitoring import incident
from support.monitoring.alert_rules import rule
from support.monitoring.incident import (
    BUDGET,
    DOWN,
    ERRORS,
    STALLED,
    AlertHistory,
    Cause,
    Incident,
    late_since,
    resumptions,
)
from support.monitoring.load import CountedRequest
from support.monitoring.prometheus_pair import MonitoringBroken, ScrapeTarget
from support.monitoring.session import PARAMETERS, MonitoringSession
from support.monitoring.webhook import Notification
from support.waiting import WaitTimeout


def notification(at: float, status: str, name: str = ERRORS, **labels: str) -> Notification:
    row = rule(name)
    annotations = {
        "summary": str(row["summary"]),
        "description": "5 of 10.",
        "runbook_url": f"https://a/b#{name.lower()}",
    }
    return Notification(
        at,
        status,
        {"alertname": name, "job": "mistralrs", "severity": str(row["severity"]), **labels},
        annotations,
    )


# Its `for` of 5 minutes is 3 seconds, and so is its window.
GOOD = AlertHistory(
    ERRORS,
    Cause(100.0, 110.0),
    pending=[101.0, 101.5, 102.0, 102.5, 103.0, 103.5],
    firing=[104.0 + i / 2 for i in range(16)],
    notifications=[notification(104.1, "firing"), notification(113.5, "resolved")],
)


def test_an_alert_waits_again_after_a_pause_of_its_cause() -> None:
    paused = replace(GOOD, cause=Cause(95.0, 110.0, resumed=[99.0, 108.0]))
    assert [*paused.findings()] == []
    late = replace(GOOD, cause=Cause(90.0, 110.0, resumed=[91.0, 108.0]))
    assert [*late.findings()] == [f"{ERRORS} fired after 13.0 s; expected within 7.0 s"]


def test_a_broken_observation_is_made_once_for_all_checks() -> None:
    """A webhook that gets nothing is waited for 20 s each time."""
    session = MonitoringSession.__new__(MonitoringSession)
    session.kept = {}
    made = []

    def observe() -> None:
        made.append(1)
        raise MonitoringBroken("the webhook got 0 of 2")

    for _ in range(2):
        with pytest.raises(MonitoringBroken, match=r"^the webhook got 0 of 2$"):
            session.keep("an incident", observe)
    assert len(made) == 1


@pytest.mark.parametrize("comes", ["in time", "never"])
def test_a_lost_notification_ends_the_observation(monkeypatch: pytest.MonkeyPatch, comes: str) -> None:
    """Also one that came at last: it was late because it had to be repeated."""

    class User:
        def __init__(self, *_: object) -> None:
            """Of no server."""

        def stream(self, _: int) -> CountedRequest:
            return CountedRequest(0, 1, 200)

        unknown_path = None

    def wait_until(*_: object) -> None:
        if comes == "never":
            raise WaitTimeout("not within 20 s")

    def require_delivery(receiver: object) -> None:
        raise MonitoringBroken(f"the webhook got {len(webhook.received())} of 2" * (receiver is webhook))

    users = SimpleNamespace(stop=lambda: 0.0, began=0.0)
    monkeypatch.setattr(incident, "User", User)
    monkeypatch.setattr(incident, "Users", lambda *_: users)
    webhook = SimpleNamespace(received=list)
    session = SimpleNamespace(
        target=ScrapeTarget("http://127.0.0.1:9"),
        webhook=webhook,
        pair=SimpleNamespace(wait_until=wait_until, require_delivery=require_delivery),
        seconds=lambda seconds: seconds,
        require_server=lambda: "",
        wait_until_scraped=dict,
        wait_until_quiet=lambda: None,
    )
    with pytest.raises(MonitoringBroken, match=r"^the webhook got 0 of 2$"):
        incident.observe_incident(cast("MonitoringSession", session), "m")


@pytest.mark.parametrize(
    ("times", "expected"), [([], []), ([1, 2, 3.4], []), ([9, 1, 2.6, 4, 7.6], [2.6, 7.6])]
)
def test_pauses_without_a_first_token_are_found(times: Sequence[float], expected: Sequence[float]) -> None:
    """The window of the alert is 3 s; with 2 scrapes of 1 s apart in it, 1.5 s may look empty."""
    requests = [CountedRequest(0, at + 9, 200, first_token=at) for at in times]
    assert resumptions(requests) == expected


def test_a_right_history_has_no_finding() -> None:
    assert not [*GOOD.findings()]


def test_an_alert_that_fired_twice_is_delivered_twice() -> None:
    """A load that is uneven on a busy machine: inactive between two periods."""
    twice = replace(
        GOOD,
        pending=[99.0, *GOOD.pending],
        firing=[104.0, 104.5, 108.0, 108.5],
        notifications=[
            *(notification(104.1, "firing"), notification(105.1, "resolved")),
            *(notification(108.1, "firing"), notification(113.5, "resolved")),
        ],
    )
    assert not [*twice.findings()]
    assert [*replace(twice, firing=GOOD.firing).findings()] == [f"{ERRORS} was delivered 2 times"]


def test_bounds_are_made_of_the_intervals() -> None:
    # A scrape, the recorded series, the alert, its `for`, the tolerance.
    assert GOOD.firing_bound == 1 + 0.5 + 0.5 + 3 + 2
    assert GOOD.resolved_bound == 1 + 3 + 0.5 + 0.5 + 0.2 + 2
    down = replace(GOOD, name=DOWN)
    # `for` is 0.6 s and ends with the second evaluation.
    assert down.firing_bound == 1 + 0.5 + 1 + 2
    stalled = replace(GOOD, name=STALLED, cause=Cause(1, 2, drains=True))
    assert stalled.firing_bound == 1 + 3 + 0.5 + 3 + 2
    assert stalled.resolved_bound == 1 + 0.5 + 0.2 + 2


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        (replace(GOOD, pending=[99.5, *GOOD.pending]), "was active before its cause"),
        (replace(GOOD, firing=[]), "was pending, and did not fire"),
        (replace(GOOD, firing=[], pending=[]), "stayed inactive"),
        (
            replace(GOOD, cause=Cause(100.0, 102.5), firing=[], pending=[]),
            "stayed inactive; watched for 2.5 s only, since another alert was late",
        ),
        (replace(GOOD, cause=Cause(90.0, 110.0)), "fired after 14.0 s; expected within 7.0 s"),
        (replace(GOOD, pending=[103.5]), "was pending for 0.5 s before it fired; its `for` is 3 s"),
        (replace(GOOD, pending=[]), "was pending for 0.0 s before it fired"),
        (replace(GOOD, pending=[101.0, 102.5, 103.0, 103.5]), "was pending for 1.5 s before it fired"),
        (replace(GOOD, notifications=[]), "fired, and was not delivered"),
        (replace(GOOD, notifications=GOOD.notifications[1:]), "fired, and was not delivered"),
        (replace(GOOD, notifications=GOOD.notifications[:1]), "was not resolved"),
        (
            replace(GOOD, notifications=[*GOOD.notifications[:1], *GOOD.notifications]),
            "was delivered 2 times",
        ),
        (
            replace(GOOD, notifications=[notification(107.0, "firing"), GOOD.notifications[1]]),
            "was delivered after 3.0 s; expected within 2.2 s",
        ),
        (
            replace(GOOD, notifications=[GOOD.notifications[0], notification(119.0, "resolved")]),
            "was resolved after 9.0 s; expected within 7.2 s",
        ),
        (
            replace(GOOD, notifications=[notification(104.1, "firing", job="x"), GOOD.notifications[1]]),
            "was delivered with the labels",
        ),
        (
            replace(GOOD, cause=Cause(100.0, 110.0, muted_until=105.0)),
            "delivered before its silence had ended",
        ),
    ],
)
def test_a_fault_of_an_alert_is_one_line(fault: AlertHistory, finding: str) -> None:
    found = [*fault.findings()]
    assert len(found) == 1
    assert finding in found[0]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ({"summary": "Another."}, "with the summary 'Another.'"),
        ({"description": "{{ $value }} of 10"}, "with the description"),
        ({"description": "<error expanding template>"}, "with the description"),
        ({"runbook_url": "https://a/b"}, "without its section of the runbook"),
    ],
)
def test_wrong_texts_are_found(text: dict[str, str], finding: str) -> None:
    first, last = GOOD.notifications
    wrong = replace(first, annotations={**first.annotations, **text})
    found = [*replace(GOOD, notifications=[wrong, last]).findings()]
    assert len(found) == 1
    assert finding in found[0]


def up(*parts: tuple[float, float, float]) -> list[tuple[float, float]]:
    """A sample each second: begin, end, value."""
    return [(at + 0.5, value) for begin, end, value in parts for at in range(int(begin), int(end))]


INCIDENT = Incident(
    up=up((90, 100, 1), (100, 110, 0), (110, 115, 1)),
    killed=100.0,
    starting=109.0,
    restarted=110.0,
    inhibited={"state": "suppressed", "inhibitedBy": ["abc"]},
    silenced={"state": "suppressed", "silencedBy": ["id"]},
    down_fingerprint="abc",
    silence="id",
    notifications=[notification(102, "firing", DOWN), notification(111, "resolved", DOWN)],
    histories={STALLED: replace(GOOD, name=STALLED, cause=Cause(100, 110, muted_until=104.0))},
)


def test_a_right_incident_has_no_finding() -> None:
    assert not [*INCIDENT.down_findings(2), *INCIDENT.up_findings(2)]
    assert not [*INCIDENT.inhibition_findings(), *INCIDENT.silence_findings()]


@pytest.mark.parametrize(
    ("samples", "findings"),
    [
        # Between its start and the moment at which it was seen to be ready.
        (up((100, 109, 0), (109, 115, 1)), []),
        (up((90, 115, 1)), ["the target was never down after its server was killed"]),
        (
            up((90, 104, 1), (104, 110, 0), (110, 115, 1)),
            ["the target was down 4.5 s after its server was killed; expected within 3.0 s"],
        ),
        (up((100, 104, 0), (104, 115, 1)), ["the target did not stay down after its server was killed"]),
        (up((100, 115, 0)), ["the target was never up after its server was started again"]),
        (
            up((100, 114, 0), (114, 115, 1)),
            ["the target was up 4.5 s after its server was started again; expected within 3.0 s"],
        ),
        (
            up((100, 110, 0), (110, 112, 1), (112, 115, 0)),
            ["the target did not stay up after its server was started again"],
        ),
    ],
)
def test_a_wrong_health_is_found(samples: list[tuple[float, float]], findings: list[str]) -> None:
    wrong = replace(INCIDENT, up=samples)
    assert [*wrong.down_findings(2), *wrong.up_findings(2)] == findings


def test_a_missing_inhibition_is_found() -> None:
    active = {"state": "active", "inhibitedBy": []}
    found = [*replace(INCIDENT, inhibited=active).inhibition_findings()]
    assert found == [f"{BUDGET} was not inhibited by {DOWN}: its state was {active}"]
    assert [*replace(INCIDENT, down_fingerprint="other").inhibition_findings()]
    more = [*INCIDENT.notifications, notification(105, "firing")]
    found = [*replace(INCIDENT, notifications=more).inhibition_findings()]
    assert found == [f"{ERRORS} was delivered while {DOWN} fired"]
    assert [*replace(INCIDENT, notifications=[]).inhibition_findings()] == [f"{DOWN} was not delivered"]


def test_a_silence_without_effect_is_found() -> None:
    active = {"state": "active", "silencedBy": []}
    found = [*replace(INCIDENT, silenced=active).silence_findings()]
    assert found == [f"{STALLED} was not silenced: its state was {active}"]
    early = replace(INCIDENT.histories[STALLED], notifications=[notification(103, "firing", STALLED)])
    found = [*replace(INCIDENT, histories={STALLED: early}).silence_findings()]
    assert found == [f"{STALLED} was delivered although it was silenced"]


def test_the_alerts_of_the_incident_exist() -> None:
    for name in (incident.ERRORS, incident.FIRST_TOKEN, incident.BACKLOG, STALLED, DOWN, BUDGET):
        assert rule(name)["severity"]


@pytest.mark.parametrize(
    ("late", "requests", "since"),
    [
        ([], 30, 0),
        ([5], 10, 5),
        # One of twenty or more is no 95th percentile.
        ([25], 30, 0),
        ([25, 26], 30, 26),
        ([5], 30, 0),
        ([5, 30], 30, 30),
    ],
)
def test_late_first_tokens_are_a_cause_when_the_percentile_is_late(
    late: list[int], requests: int, since: int
) -> None:
    limit = float(PARAMETERS["first_token_seconds"])
    ended = [
        CountedRequest(at - limit * (2 if at in late else 0.5), at + 1, 200, first_token=at)
        for at in range(1, requests + 1)
    ]
    assert late_since(ended) == since
