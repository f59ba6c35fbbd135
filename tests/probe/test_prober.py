"""The probe: rounds of checks, their metrics, and the alert of a server that degrades."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from support.bundled.reference_server.engine import Call, Chunk
from support.cli import main
from support.errors import EXIT_USAGE, SettingsError, TargetError
from support.http.answer_stream import time_to_first_token
from support.http.exchange import Exchange
from support.monitoring.alert_rules import rules_file
from support.monitoring.exposition import read_page
from support.monitoring.metrics_endpoint import Address, parse_address, served
from support.monitoring.probe_program import CHECKS, _round_ended
from support.monitoring.prometheus_pair import ScrapeTarget, start_pair
from support.monitoring.webhook import WebhookReceiver
from support.probe.checks import probe_checks, tokens_of_a_round
from support.probe.prober import Prober, parse_interval
from support.programs.launcher import free_port
from support.servers.discovery import Target, UrlTarget, discover
from support.settings import Settings, load_settings
from support.waiting import wait_until
from tests.conformance import samples
from tests.http.tiny_server import TinyServer, json_reply
from tests.monitoring import metrics_server
from tests.monitoring.conftest import monitoring_settings  # noqa: F401 - a fixture
from tests.timeouts import PATIENCE

ALL = {case.id for case in probe_checks()}
STREAM = "probe.chat.stream"


class Engine(metrics_server.SlowEngine):
    """Answers at the time that is the present one in tests: it is checked. `late`: so many seconds later."""

    late = 0.0

    def stream(self, call: Call) -> Generator[Chunk]:
        threading.Event().wait(self.late)
        for chunk in super().stream(call):
            yield replace(chunk, created=samples.NOW)


class Stopped(Exception):
    """Ends the rounds of a test."""


def prober(url: str, interval: float = 60.0) -> tuple[Prober, list[str]]:
    lines: list[str] = []
    settings = load_settings({"target_url": url, "acceptance_target": "auto"}).settings
    return Prober(settings, interval, lines.append), lines


@contextmanager
def server(engine: Engine | None = None) -> Iterator[str]:
    with metrics_server.served(metrics_server.unchanged, engine or Engine(1)) as url:
        yield url


def values(of: Prober, name: str) -> dict[str, float]:
    """Value by check; of a counter the sum of its results."""
    found: dict[str, float] = {}
    for metric in of.metrics.registry.collect():
        for sample in metric.samples:
            if sample.name == name:
                check = sample.labels["check"]
                found[check] = found.get(check, 0.0) + sample.value
    return found


def test_a_round_on_a_right_server_passes() -> None:
    with server() as url:
        probe, lines = prober(url)
        probe.run_round()
        probe.run_round()
    assert values(probe, "acceptance_probe_success") == dict.fromkeys(ALL, 1.0), lines
    assert values(probe, "acceptance_probe_runs_total") == dict.fromkeys(ALL, 2.0)
    assert 0 < values(probe, "acceptance_probe_time_to_first_token_seconds")[STREAM] < PATIENCE
    # A line for each change only.
    assert sorted(line.split()[0] for line in lines) == sorted(ALL)


def test_before_the_first_round_its_age_is_that_of_the_probe() -> None:
    """From 1970 on the panel of the ages would show nothing else, and the alert 56 years."""
    before = time.time()
    probe, _ = prober("http://127.0.0.1:9")
    assert len(ALL) == CHECKS
    page = read_page(generate_latest(probe.metrics.registry).decode())
    assert before <= page.total("acceptance_probe_last_round_timestamp_seconds") <= time.time()
    assert not _round_ended(generate_latest(probe.metrics.registry).decode())
    probe.run_round()
    assert _round_ended(generate_latest(probe.metrics.registry).decode())


def test_a_round_is_small_and_changes_nothing() -> None:
    assert tokens_of_a_round() == 16
    assert len(probe_checks()) == 4
    for case in probe_checks():
        assert case.request.method == "GET" or (case.request.json_ or {})["max_tokens"] <= 8
        assert not case.rechecks_health and case.repetition is None and not case.destructive


def test_a_server_that_is_gone_fails() -> None:
    with server() as url:
        probe, lines = prober(url)
        probe.run_round()
    probe.run_round()
    assert values(probe, "acceptance_probe_success") == dict.fromkeys(ALL, 0.0)
    assert values(probe, "acceptance_probe_time_to_first_token_seconds") == {}
    assert all("failed: " in line for line in lines[-len(ALL) :])


def first_found(monkeypatch: pytest.MonkeyPatch, later: Callable[[Settings], Target]) -> None:
    """The server is identified with a model that it has no more; later ones are found by `later`."""
    before = UrlTarget("", ("gone",), "a test")
    found = iter([lambda settings: replace(before, url=settings.target_url)])
    monkeypatch.setattr("support.probe.prober.discover", lambda settings: next(found, later)(settings))


def test_another_model_is_checked_after_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server was started again between two rounds, so not all checks failed."""
    first_found(monkeypatch, discover)
    with server() as url:
        probe, lines = prober(url)
        probe.run_round()
        health = "probe.server.health"
        assert values(probe, "acceptance_probe_success") == {**dict.fromkeys(ALL, 0.0), health: 1.0}
        probe.run_round()
    assert values(probe, "acceptance_probe_success") == dict.fromkeys(ALL, 1.0), lines


def test_the_version_of_an_upgraded_server_is_shown_after_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the same model, and no check has failed."""
    version = "0.9.1"

    def stated(settings: Settings) -> Target:
        target = discover(settings)
        assert isinstance(target, UrlTarget)
        return replace(target, program="mistralrs", version=version)

    def shown() -> list[str]:
        name = "acceptance_probe_target_info"
        samples = [one for metric in probe.metrics.registry.collect() for one in metric.samples]
        return [one.labels["version"] for one in samples if one.name == name]

    monkeypatch.setattr("support.probe.prober.discover", stated)
    with server() as url:
        probe, lines = prober(url)
        probe.run_round()
        assert shown() == ["0.9.1"]
        version = "0.9.2"
        probe.run_round()
    assert shown() == ["0.9.2"]
    assert values(probe, "acceptance_probe_success") == dict.fromkeys(ALL, 1.0), lines


def test_a_server_that_cannot_be_identified_again_is_checked_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Settings) -> Target:
        raise TargetError("no model list")

    first_found(monkeypatch, fail)
    with server() as url:
        probe, _ = prober(url)
        probe.run_round()
        probe.run_round()
    assert values(probe, "acceptance_probe_success")["probe.server.health"] == 1.0


def test_a_server_that_is_not_there_yet_is_no_error() -> None:
    probe, lines = prober(f"http://127.0.0.1:{free_port()}")
    probe.run_round()
    assert values(probe, "acceptance_probe_success") == dict.fromkeys(ALL, 0.0)
    assert "no connection" in lines[0]


def test_the_metrics_are_a_page_for_prometheus_without_mistakes() -> None:
    with server() as url:
        probe, _ = prober(url)
        probe.run_round()
        with served(probe.metrics.registry) as place:
            page = read_page(httpx.get(place, trust_env=False).text)
    assert page.findings() == []
    assert page.total("acceptance_probe_interval_seconds") == 60


def test_rounds_begin_at_the_interval_and_missed_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    probe, _ = prober("http://127.0.0.1:1", interval=10.0)
    times = iter([100.0, 101.0, 185.0])
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise Stopped

    monkeypatch.setattr(probe, "run_round", lambda: None)
    monkeypatch.setattr("support.probe.prober.time.monotonic", lambda: next(times))
    with pytest.raises(Stopped):
        probe.run(wait)
    # The first round took 1 s of 10; the second, from 110 on, 75 s.
    assert waits == [9.0, 5.0]


def stream(reads: list[tuple[float, bytes]]) -> Exchange:
    body = b"".join(read for _, read in reads)
    return Exchange("POST", "http://127.0.0.1:1/", {}, b"", 200, {}, body, 9.0, tuple(reads))


def event(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([(0.1, event(role="assistant")), (0.5, event(content="Hi"))], 0.5),
        ([(0.1, event(content="")), (0.2, b": alive\n\n"), (0.5, event(reasoning_content="Hm"))], 0.5),
        ([(0.5, event(tool_calls=[{"index": 0}]))], 0.5),
        ([(0.1, event(content="Hi")[:20]), (0.5, event(content="Hi")[20:])], 0.5),
        ([(0.1, event(role="assistant")), (0.5, b"data: [DONE]\n\n")], None),
        ([(0.1, b'{"choices": [{"delta": {"content": "no stream"}}]}')], None),
        ([(0.1, b"data: {broken\n\n")], None),
        ([], None),
    ],
)
def test_the_first_token_is_the_first_part_of_the_answer(
    reads: list[tuple[float, bytes]], expected: float | None
) -> None:
    assert time_to_first_token(stream(reads)) == expected


@pytest.mark.parametrize(
    "text", ["0s", "60", "1.5m", "-1s", "", "1d", "25h", "9" * 5000 + "h", "every minute"]
)
def test_a_wrong_interval_is_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--every '{re.escape(text)}': give a duration from 1s to 24h"):
        parse_interval(text)


@pytest.mark.parametrize("text", ["9815", "127.0.0.1:", ":9815", "127.0.0.1:99999", "http://127.0.0.1:1"])
def test_a_wrong_address_is_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--listen '{re.escape(text)}': give an address and a port"):
        parse_address(text)


def test_addresses_and_intervals_are_read() -> None:
    assert parse_address("[::1]:9815") == Address("::1", 9815)
    assert [parse_interval(text) for text in ("1s", "5m", "2h")] == [1.0, 300.0, 7200.0]


def test_a_port_that_is_taken_is_one_line() -> None:
    with closing(TinyServer(json_reply({}))) as other:
        place = other.address
        done = CliRunner().invoke(main, ["probe", "--target", "http://127.0.0.1:1", "--listen", place])
    assert done.exit_code == EXIT_USAGE
    assert re.fullmatch(rf"acceptance: --listen {place}: .*already in use; choose another.*\n", done.output)


def test_a_target_that_is_no_url_is_one_line() -> None:
    done = CliRunner().invoke(main, ["probe", "--target", "reference"])
    assert done.exit_code == EXIT_USAGE
    assert done.output.startswith("acceptance: --target 'reference': ") and done.output.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_exit_code_0(number: signal.Signals) -> None:
    command = [sys.executable, "-c", "from support.cli import main; main()", "probe", "--every", "1h"]
    command += ["--target", f"http://127.0.0.1:{free_port()}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "metrics: http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert rest.splitlines()[-1].endswith(" stopped")
    assert process.returncode == 0


def test_a_server_that_degrades_fires_the_alert(monitoring_settings: Settings, tmp_path: Path) -> None:  # noqa: F811
    """By the real Prometheus, with windows of the rules a hundredth of what users have: late, then ended.

    Then the rounds are not repeated any more.
    """
    failing, slow, stale = (
        f'ALERTS{{alertname="MistralrsProbe{name}",alertstate="firing"}}'
        for name in ("Failing", "Slow", "Stale")
    )
    rules = rules_file({"first_token_seconds": 0.5, "probe_round_seconds": 1}, speed=100)
    engine = Engine(1)
    with closing(WebhookReceiver()) as webhook, ExitStack() as served_until:
        url = served_until.enter_context(server(engine))
        # The time limit of a check, too.
        probe, _ = prober(url, interval=3.0)
        probe.run_round()
        with served(probe.metrics.registry) as place:
            targets = {"acceptance-probe": ScrapeTarget(place.removesuffix("/metrics"))}
            pair = start_pair(monitoring_settings, tmp_path, targets, rules, webhook.url)

            def wait(what: str, check: Callable[[], object]) -> None:
                wait_until(what, check, timeout=PATIENCE, seen=lambda: pair.api.query("ALERTS"))

            try:
                wait("its series", lambda: pair.api.query("acceptance_probe_success == 1"))
                engine.late = 1.0
                probe.run_round()
                wait("an alert of late tokens", lambda: pair.api.query(slow))
                assert pair.api.query(failing) == []
                served_until.close()
                probe.run_round()
                wait(
                    "an alert for each check",
                    lambda: {series.labels["check"] for series in pair.api.query(failing)} == ALL,
                )
                wait("an alert of rounds that are not repeated", lambda: pair.api.query(stale))
                probe.run_round()
                wait("the end of that alert", lambda: not pair.api.query(stale))
            finally:
                pair.stop()
