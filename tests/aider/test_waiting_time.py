"""How long Aider waited is judged by what is known and by the start of the same run, on any machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from support.aider.run import AiderRun
from support.aider.traffic import COMMENT, COMMIT, EDIT, THINKING, TRAFFIC, Traffic, aider_requests
from support.aider.waiting_time import waiting_time
from support.errors import CheckFailed
from support.http.exchange import NO_STATUS, Exchange
from tests.aider.test_checks import exchange

STARTED = 100.0


def answered(sent: float, seconds: float, kind: str = EDIT) -> Exchange:
    """Sent so many seconds after the start; the response has ended after `seconds`."""
    made = replace(exchange(kind), sent_at=STARTED + sent, seconds=seconds)
    return replace(made, chunks=((seconds, b"data: 1\n\n"),))


def run(exchanges: Sequence[Exchange], seconds: float, stopped: str = "") -> AiderRun:
    requests = tuple(aider_requests(exchanges))
    return AiderRun("", 0, requests, (), seconds, "$ aider", "server", STARTED, stopped)


def test_the_time_of_the_server_is_not_that_of_aider() -> None:
    # Two seconds of start, an answer of 30 s, a wait of 0.5 s, an answer of 10 s, a second until the end.
    made = run([answered(2, 30), answered(32.5, 10, COMMIT)], 43.5)
    waited = waiting_time([made], 0.5)
    assert (waited.start, waited.measured) == (2.0, 1.5)
    waited.require_bound()


@pytest.mark.parametrize("factor", [1, 20])
def test_a_slow_machine_changes_no_verdict(factor: float) -> None:
    sent = 0.4 * factor
    # All that Aider does takes as many times as long; what is known to wait does not.
    quick = run([answered(sent, 0), answered(sent + 1 + 0.1 * factor, 0)], sent + 1 + 0.5 * factor)
    waiting_time([quick], 1).require_bound()
    slow = run([answered(sent, 0), answered(sent + 20 * factor, 0)], sent + 20 * factor)
    with pytest.raises(CheckFailed, match="Aider waits too long"):
        waiting_time([slow], 1).require_bound()


def test_a_failure_that_is_repeated_for_a_minute_is_too_long_and_has_both_figures() -> None:
    waits = [0.25 * 2**number for number in range(8)]
    sent = [0.4 + sum(waits[:number]) for number in range(9)]
    made = run([answered(moment, 0) for moment in sent], sent[-1] + 0.1)
    expected = r"^Aider waits too long: 63\.85 s .*at most 12\.00 s: 0 s of known delays, and 30 .*0\.40 s"
    with pytest.raises(CheckFailed, match=expected):
        waiting_time([made], 0).require_bound()


@pytest.mark.parametrize(
    ("left", "waited"),
    [
        # The stream stalls after a second; no response comes at all; the connection is closed at once.
        (replace(answered(1, 1), seconds=21.0), 20.0),
        (replace(exchange(), sent_at=STARTED + 1, seconds=20.0, status=NO_STATUS), 20.0),
        (replace(exchange(), sent_at=STARTED + 1, seconds=20.0), 0.0),
    ],
)
def test_what_comes_after_the_last_byte_is_a_wait_of_aider(left: Exchange, waited: float) -> None:
    found = waiting_time([run([left], 1 + left.seconds)], 0)
    assert found.measured == pytest.approx(waited)


def test_a_run_that_the_suite_has_ended_counts_until_its_last_request() -> None:
    made = run([answered(1, 0), answered(1.5, 0), answered(3, 0)], 60, "ended by the suite")
    assert waiting_time([made], 2).measured == 2.0


def test_without_a_request_nothing_can_be_judged() -> None:
    with pytest.raises(CheckFailed, match="no request was sent"):
        waiting_time([run([], 3)], 1)


@pytest.mark.parametrize(
    ("text", "traffic"),
    [
        ("request for an edit", Traffic(EDIT)),
        ("requests for a commit message", Traffic(COMMIT)),
        ("requests for an edit, and waits at most 0.25 seconds", Traffic(EDIT, 0.25)),
        ("request for an edit, and waits at most 0 seconds", Traffic(EDIT, 0.0)),
        ("comments or more before an answer", Traffic(COMMENT)),
        ("pieces of thinking or more", Traffic(THINKING)),
    ],
)
def test_a_step_counts_and_limits_the_wait(text: str, traffic: Traffic) -> None:
    assert re.fullmatch(TRAFFIC, text)
    assert Traffic.written(text) == traffic
