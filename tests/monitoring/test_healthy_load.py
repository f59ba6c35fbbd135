"""A load as its client and Prometheus have it: equal figures pass, each difference is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from support.errors import CheckFailed, NotSupported
from support.monitoring.healthy_load import ObservedLoad
from support.monitoring.load import CountedRequest, User, Users
from support.monitoring.prometheus_api import Series
from support.monitoring.webhook import Notification
from support.waiting import wait_until
from tests.http.tiny_server import json_reply
from tests.monitoring.test_prometheus_api import Serve
from tests.timeouts import PATIENCE

# Two users, 5 answers each second, 100 tokens each.
REQUESTS = [CountedRequest(100 + i / 5, 100.2 + i / 5, 200, tokens=100) for i in range(40) for _ in range(2)]


def points(
    per_second: float, begin: int = 100, end: int = 109, first: float = 0.0
) -> list[tuple[float, float]]:
    return [(at + 0.4, first + per_second * (at - begin)) for at in range(begin, end)]


GOOD = ObservedLoad(REQUESTS, points(1000, end=108), points(10, end=108), points(0, end=109, first=1))


def findings(load: ObservedLoad) -> list[str]:
    return [
        *load.token_findings(),
        *load.request_findings(),
        *load.scrape_findings(),
        *load.counter_findings(),
        *load.alert_findings(),
    ]


def test_equal_figures_have_no_finding() -> None:
    assert not findings(GOOD)


def without(samples: Sequence[tuple[float, float]], *indices: int) -> list[tuple[float, float]]:
    return [sample for index, sample in enumerate(samples) if index not in indices]


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        (replace(GOOD, tokens=points(1200, end=108)), "1200.00 tokens/s by Prometheus; by the client"),
        (replace(GOOD, tokens=points(850, end=108)), "850.00 tokens/s by Prometheus; by the client"),
        (replace(GOOD, tokens=points(0, end=108)), "0.00 tokens/s by Prometheus"),
        (replace(GOOD, answers=points(12, end=108)), "12.00 requests/s by Prometheus"),
        (replace(GOOD, tokens=[]), "tokens: 0 samples under load"),
        (replace(GOOD, up=[*GOOD.up[:4], (104.4, 0.0), *GOOD.up[5:]]), "1 of 9 scrapes failed under load"),
        (replace(GOOD, up=without(GOOD.up, 3, 4, 5)), "no scrape for 4.0 s under load; the interval is 1 s"),
        (replace(GOOD, up=GOOD.up[:3]), "3 scrapes in 8 s under load"),
        (replace(GOOD, changes=["x_total fell from 2 to 1"]), "x_total fell from 2 to 1"),
        (
            replace(GOOD, counters=[Series({"__name__": "x_total", "job": "j", "a": "b"}, points(-1))]),
            'x_total{a="b"} fell from 0 to -1 in Prometheus',
        ),
        (replace(GOOD, firing=["MistralrsStalled"]), "MistralrsStalled fired under a load"),
        (
            replace(GOOD, delivered=[Notification(1, "firing", {"alertname": "MistralrsDown"}, {})]),
            "MistralrsDown fired under a load",
        ),
    ],
)
def test_a_difference_is_one_line(fault: ObservedLoad, finding: str) -> None:
    found = findings(fault)
    assert len(found) == 1
    assert finding in found[0]


ONE_FAILED = replace(GOOD, up=[*GOOD.up[:4], (104.4, 0.0), *GOOD.up[5:]])


@pytest.mark.parametrize("fault", [ONE_FAILED, replace(GOOD, up=without(GOOD.up, 3, 4, 5))])
def test_a_scrape_that_times_out_on_a_busy_machine_is_not_judged(fault: ObservedLoad) -> None:
    late = replace(fault, durations=[(104.4, 1.0)])
    with pytest.raises(NotSupported, match=r"not judged, other programs had 40% of the CPU: .* under load"):
        replace(late, others=0.4).require_scrapes()
    with pytest.raises(CheckFailed, match="under load"):
        replace(late, others=0.2).require_scrapes()


@pytest.mark.parametrize("durations", [[], [(104.4, 0.1)], [(103.4, 1.0)]])
def test_a_scrape_with_an_error_fails_on_a_busy_machine(durations: list[tuple[float, float]]) -> None:
    with pytest.raises(CheckFailed, match="1 of 9 scrapes failed under load"):
        replace(ONE_FAILED, durations=durations, others=0.4).require_scrapes()


def test_no_finding_is_one_on_a_busy_machine() -> None:
    replace(GOOD, others=0.4).require_scrapes()


def test_cached_tokens_may_be_counted_or_not() -> None:
    cached = [replace(one, cached=40) for one in REQUESTS]
    assert not findings(replace(GOOD, requests=cached, tokens=points(620, end=108)))
    assert not findings(replace(GOOD, requests=cached))
    assert findings(replace(GOOD, requests=cached, tokens=points(450, end=108)))


def test_a_request_that_fails_ends_the_load(serve: Serve) -> None:
    user = User(serve(json_reply({"error": "busy"}, "503 Service Unavailable")).url, "default")
    running = Users(1, lambda: user.stream(5))
    with pytest.raises(CheckFailed, match=r"a request of the load failed: .*no usage in the stream: 503"):
        wait_until("a failure", lambda: running.requests, timeout=PATIENCE)
    running.stop()
