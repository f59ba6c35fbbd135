"""A group runs all its checks: each has a result of its own, whatever became of the ones before."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from support.conformance import scenario
from support.conformance.api import API_NAMES, find_api
from support.conformance.case_table import (
    CaseError,
    Check,
    all_checks,
    check_ids,
    get_case,
    group,
    groups_of,
    require_checks,
)
from support.conformance.comparison import Comparison
from support.conformance.missing_routes import MissingRoutes
from support.conformance.scenario import ConformanceScenario
from support.conformance.sequence import STEPS
from support.errors import NotSupported, SettingsError
from support.results.check import CheckResult, ChecksFailed, KnownIssuesFound
from support.results.known_issues import FILE, NOT_LISTED, ExpectedFailure, KnownIssue, KnownIssues, Listing
from support.results.outcome import Evidence
from support.servers.endpoints import Endpoint
from tests.conformance.samples import case, chat
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence
from tests.timeouts import PATIENCE

ROOT = Path(__file__).parents[2]
assert find_api("openai").name == "openai"
Serve = Callable[[Reply], TinyServer]


class Process:
    """A server of the suite: what it has logged, and whether it lives."""

    def __init__(self, url: str) -> None:
        self.url, self.log, self.alive = url, "ready\n", True
        self.process = SimpleNamespace(command=["/opt/mistralrs"], exit_code=-11)

    @property
    def log_position(self) -> tuple[int, int]:
        return 0, len(self.log)

    def log_since(self, position: tuple[int, int]) -> str:
        return self.log[position[1] :]

    def stop(self) -> int:
        return 0


class Servers:
    """The servers of a run: a list of processes, of which the first one that lives is used."""

    def __init__(self, *processes: Process, strict: bool = False) -> None:
        self.missing_routes = MissingRoutes()
        self.comparison = Comparison([], 1.0, self.missing_routes)
        self.settings: Any = SimpleNamespace(
            selected_checks=(), acceptance_strict=strict, seconds=lambda _seconds: PATIENCE
        )
        self.issues: dict[str, Listing] = {}
        self.known_issues: Any = SimpleNamespace(
            find=lambda _components, check: self.issues.get(check, NOT_LISTED),
            known_elsewhere=lambda check, _failures: self.elsewhere.get(check, ""),
        )
        self.elsewhere: dict[str, str] = {}
        self.unsupported: Callable[[Any], str | None] | None = None
        self.dedicated = 0
        self._processes = processes
        self.reported: list[tuple[str, str]] = []

    def endpoint(self, api: str, model: str) -> tuple[Endpoint, Any]:
        if model == "embedding":
            raise NotSupported("this server has no embedding model")
        process = next(process for process in self._processes if process.alive)
        names = {"model": "tiny"}
        return Endpoint("toy", api, process.url, names, unsupported_reason=self.unsupported), process

    def dedicated_endpoint(self, api: str, model: str, cleanups: ExitStack) -> tuple[Endpoint, Any]:
        self.dedicated += 1
        return self.endpoint(api, model)

    def report_checks(self, checks: Sequence[CheckResult]) -> None:
        self.reported += [(check.id, check.status) for check in checks]


def listed(*patterns: tuple[str, str], flaky: bool = False) -> Listing:
    """An entry with these failures (layer, pattern); by default those of `WRONG`."""
    expected = patterns or (("expectation", "^model: .* got 'tiny'"), ("expectation", "^id: "))
    failures = tuple(ExpectedFailure(layer, re.compile(pattern)) for layer, pattern in expected)
    entry = KnownIssue("toy", SpecifierSet(""), "it is old", "notes.md", failures, check="x", flaky=flaky)
    return Listing((entry,))


def toy(name: str, **fields: Any) -> Any:
    return case(id=f"openai.toy.{name}", title=f"the case {name}", contract="chat", **fields)


WRONG = {"expect": [{"path": "model", "is": "large"}, {"path": "id", "is": "2"}]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ConformanceScenario]:
    def run(servers: Servers, *checks: Check) -> ConformanceScenario:
        monkeypatch.setattr(scenario, "group", lambda api, name: checks)
        conformance = ConformanceScenario(servers, ExitStack(), lambda server, process: None, [])
        conformance.run_group("openai", "toys")
        return conformance

    return run


def statuses(conformance: ConformanceScenario) -> list[str]:
    return [check.status for check in conformance.checks]


def test_a_failure_that_is_listed_for_another_version_counts_and_is_marked(
    serve: Serve, run: Callable[..., ConformanceScenario]
) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    servers.elsewhere["openai.toy.wrong"] = "toy 1.0 (it is old; notes.md)"
    ran = run(servers, toy("wrong", **WRONG), toy("also", **WRONG))
    assert [(check.status, check.known_in) for check in ran.checks] == [
        ("failed", "toy 1.0 (it is old; notes.md)"),
        ("failed", ""),
    ]
    with pytest.raises(ChecksFailed, match=r"known in: +toy 1\.0 \(it is old; notes\.md\)"):
        ran.require_conforming()


def test_every_check_runs_and_says_what_is_wrong(serve: Serve, run: Any) -> None:
    done = run(Servers(Process(serve(json_reply(chat())).url)), toy("a", **WRONG), toy("b"))
    assert statuses(done) == ["failed", "passed"]
    failed = done.checks[0]
    assert (failed.id, failed.group, failed.level, failed.source) == (
        "openai.toy.a",
        "toys",
        "must",
        "a test",
    )
    assert failed.expected == "status 200, contract chat; model is 'large'; id is '2'"
    assert failed.actual.splitlines() == [
        "expectation: model: expected is 'large', got 'tiny'",
        "expectation: id: expected is '2', got '1'",
    ]
    assert failed.repeat.startswith("curl -sS -i -X POST http://127.0.0.1:")
    assert [(cell.server, cell.status, cell.under_test) for cell in failed.cells] == [("toy", "failed", True)]
    assert failed.start > 0 and failed.duration > 0
    with pytest.raises(ChecksFailed) as error:
        done.require_conforming()
    message = str(error.value)
    assert message.startswith("1 of 2 checks failed\n\nopenai.toy.a  the case a\n")
    for words in ("expected:", "actual:", "source:      a test", "repeat:", "--case openai.toy.a"):
        assert words in message
    assert "openai.toy.b" not in message


def test_checks_are_reported_as_they_finish(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    run(servers, toy("a", **WRONG), toy("b"))
    assert servers.reported == [
        ("openai.toy.a", "not_run"),
        ("openai.toy.b", "not_run"),
        ("openai.toy.a", "failed"),
        ("openai.toy.b", "passed"),
    ]


def test_a_group_that_conforms_passes(serve: Serve, run: Any) -> None:
    run(Servers(Process(serve(json_reply(chat())).url)), toy("a"), toy("b")).require_conforming()


def test_known_issues_are_those_that_are_listed(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    servers.issues = {"openai.toy.a": listed()}
    done = run(servers, toy("a", **WRONG), toy("b"))
    assert statuses(done) == ["known_issue", "passed"]
    assert (done.checks[0].reason, done.checks[0].reason_source) == ("it is old", "notes.md")
    assert done.checks[0].cells[0].status == "known_issue"
    with pytest.raises(KnownIssuesFound) as error:
        done.require_conforming()
    assert (error.value.reason, error.value.source) == ("it is old", "notes.md")
    # One that is not listed fails the group all the same.
    with pytest.raises(ChecksFailed):
        run(servers, toy("a", **WRONG), toy("b", **WRONG)).require_conforming()


@pytest.mark.parametrize(
    ("listing", "new"),
    [
        (listed(("expectation", "^model: ")), "in addition to"),
        (listed(("status", "^model: "), ("expectation", "^model: expected is 'tiny'")), "instead of"),
    ],
)
def test_a_listed_check_that_fails_in_another_way_is_a_new_failure(
    serve: Serve, run: Any, listing: Listing, new: str
) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    servers.issues = {"openai.toy.a": listing}
    done = run(servers, toy("a", **WRONG))
    assert statuses(done) == ["failed"]
    assert done.checks[0].actual.startswith(
        f"a new failure {new} the known issue of toy (it is old; notes.md)"
    )
    assert ": expectation: " in done.checks[0].actual and "id: expected is '2'" in done.checks[0].actual
    assert done.checks[0].cells[0].status == "failed"
    with pytest.raises(ChecksFailed, match="a new failure"):
        done.require_conforming()


def test_two_entries_together_cover_the_failures_of_a_check(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    both = listed(("expectation", "^model: ")).entries + listed(("expectation", "^id: ")).entries
    servers.issues = {"openai.toy.a": Listing(both)}
    assert statuses(run(servers, toy("a", **WRONG))) == ["known_issue"]


def refuses_in_a_stream(*, stays_open: bool) -> Reply:
    """As mistralrs 0.8.1: status 200, and the refusal as the first event; it may forget to close."""
    events = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        "data: Prompt sequence length is greater than 4096, perhaps consider using `truncate_sequence`?\n\n"
        "data: [DONE]\n\n"
    )

    def send(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(events.encode())
        if stays_open:
            silence(connection, closing)

    return send


@pytest.mark.parametrize(("stays_open", "status"), [(False, "known_issue"), (True, "failed")])
def test_a_stream_that_stays_open_is_not_one_that_begins_too_early(
    serve: Serve, run: Any, *, stays_open: bool, status: str
) -> None:
    name = "openai.chat.prompt.too_long_streamed"
    servers = Servers(Process(serve(refuses_in_a_stream(stays_open=stays_open)).url))
    servers.settings.seconds = lambda _seconds: 1.0 if stays_open else PATIENCE
    servers.issues = {name: KnownIssues.load(ROOT / FILE).find([("mistralrs", "0.8.1")], name)}
    done = run(servers, get_case("openai", name))
    assert statuses(done) == [status]
    assert ("begins with status 200" in done.checks[0].actual) is stays_open
    assert (": transport: POST" in done.checks[0].actual) is stays_open


@pytest.mark.parametrize(("flaky", "status"), [(False, "failed"), (True, "passed")])
def test_a_listed_check_that_passes(serve: Serve, run: Any, *, flaky: bool, status: str) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    servers.issues = {"openai.toy.a": listed(flaky=flaky)}
    done = run(servers, toy("a"))
    assert statuses(done) == [status]
    assert ("it passed; remove the entry" in done.checks[0].actual) is not flaky


def test_a_model_that_a_server_does_not_have_is_unsupported(serve: Serve, run: Any) -> None:
    process = Process(serve(json_reply(chat())).url)
    done = run(Servers(process), toy("a", model="embedding"), toy("b"))
    assert statuses(done) == ["unsupported", "passed"]
    done.require_conforming()
    only = run(Servers(process), toy("a", model="embedding"))
    with pytest.raises(NotSupported, match=r"^this server has no embedding model$"):
        only.require_conforming()
    strict = run(Servers(process, strict=True), toy("a", model="embedding"), toy("b"))
    with pytest.raises(NotSupported, match=r"^1 of 2 checks: this server"):
        strict.require_conforming()


def test_a_missing_route_fails_once(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(reply(b"", "404 Not Found", "")).url))
    done = run(servers, toy("a"), toy("b"))
    assert statuses(done) == ["failed", "unsupported"]
    assert "no such route (404 for POST /v1/chat/completions)" in done.checks[0].actual
    assert done.checks[1].reason == "toy has no POST /v1/chat/completions (see openai.toy.a)"


def test_a_route_that_a_server_is_listed_to_lack_is_unsupported(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(reply(b"", "501 Not Implemented", "")).url))
    servers.unsupported = lambda exchange: "copying is not supported (docs)"
    done = run(servers, toy("a"), toy("b"))
    assert statuses(done) == ["unsupported", "unsupported"]
    assert done.checks[0].reason == "toy: copying is not supported (docs)"


def test_after_a_dead_server_the_next_check_has_a_new_one(serve: Serve, run: Any) -> None:
    def dies(connection: socket.socket, closing: threading.Event) -> None:
        first.log += "out of memory\n"
        first.alive = False

    first, second = Process(serve(dies).url), Process(serve(json_reply(chat())).url)
    done = run(Servers(first, second), toy("a"), toy("b"))
    assert statuses(done) == ["failed", "passed"]
    assert done.checks[0].actual.startswith("server: it died (SIGSEGV); the end of its log:\nout of memory")
    assert "transport:" in done.checks[0].actual
    assert done.checks[0].cause == "mistralrs died: SIGSEGV"
    assert done.exchanges == [] or done.exchanges[0].status == 0


def test_a_panic_in_the_log_fails_the_check(serve: Serve, run: Any) -> None:
    def panics(connection: socket.socket, closing: threading.Event) -> None:
        process.log += "thread 'engine' panicked at core.rs\n"
        json_reply(chat())(connection, closing)

    process = Process(serve(panics).url)
    done = run(Servers(process), toy("a"))
    assert done.checks[0].actual == ("server: its log contains a panic: thread 'engine' panicked at core.rs")
    assert done.checks[0].cause == "mistralrs panicked at core.rs"


def test_a_destructive_case_has_a_server_of_its_own(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    assert statuses(run(servers, toy("a", destructive=True))) == ["passed"]
    assert servers.dedicated == 1


def test_only_the_selected_cases_of_a_group_are_run(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(json_reply(chat())).url))
    servers.settings.selected_checks = {"openai.toy.b"}
    assert [check.id for check in run(servers, toy("a"), toy("b")).checks] == ["openai.toy.b"]


def test_an_interrupted_group_keeps_what_was_finished(serve: Serve, monkeypatch: Any) -> None:
    class Interrupting(Servers):
        def endpoint(self, api: str, model: str) -> tuple[Endpoint, Any]:
            if model == "tools":
                raise KeyboardInterrupt
            return super().endpoint(api, model)

    servers = Interrupting(Process(serve(json_reply(chat())).url))
    checks = (toy("a"), toy("b", model="tools"), toy("c"))
    monkeypatch.setattr(scenario, "group", lambda api, name: checks)
    results: list[CheckResult] = []
    conformance = ConformanceScenario(servers, ExitStack(), lambda server, process: None, results)
    with pytest.raises(KeyboardInterrupt):
        conformance.run_group("openai", "toys")
    assert [check.status for check in results] == ["passed", "not_run", "not_run"]
    assert "before this check was finished" in results[1].reason


def test_a_sequence_is_a_check_like_a_case(serve: Serve, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def sequence(name: str, steps: Any) -> Check:
        check = Check(
            id=f"responses.toy.{name}", title=name, group="toys", level="should", source="a test", model="x"
        )
        monkeypatch.setitem(STEPS, check.id, steps)
        return check

    def fails(client: Any) -> None:
        client.client.get("/v1/models")
        raise AssertionError("the id has changed")

    servers = Servers(Process(serve(json_reply(chat())).url))
    shown = Evidence.text("what it saw", "seen")

    def passes(client: Any) -> None:
        client.evidence.append(shown)

    done = run(servers, sequence("fails", fails), sequence("passes", passes))
    assert done.evidence == [shown]
    assert [(check.status, check.level) for check in done.checks] == [
        ("failed", "should"),
        ("passed", "should"),
    ]
    assert done.checks[0].actual == "the id has changed"
    assert done.checks[0].repeat.endswith("/v1/models")
    assert not done.checks[0].cells


def test_a_group_that_no_step_looked_at_is_an_error(serve: Serve, run: Any) -> None:
    done = run(Servers(Process(serve(json_reply(chat())).url)), toy("a"))
    with pytest.raises(AssertionError, match="group of checks"):
        done.group.require_checked()
    done.require_conforming()
    done.group.require_checked()


# -- ids and groups


def test_every_check_has_an_id_of_its_api_and_a_group() -> None:
    assert all(name == check.id for name, check in all_checks().items())
    assert check_ids() == all_checks().keys()
    assert {name.partition(".")[0] for name in all_checks()} == set(API_NAMES)
    assert sum(len(checks) for api in API_NAMES for checks in groups_of(api).values()) == len(all_checks())


def test_an_unknown_group_or_id_has_close_matches() -> None:
    known = next(iter(groups_of("openai")))
    with pytest.raises(CaseError, match=f"no group of the API 'openai' .*close matches: .*{known}"):
        group("openai", f"{known}s")
    with pytest.raises(SettingsError, match=r"^--case: there is no case 'openai\.chat\.answer\.not_emty'"):
        require_checks(["openai.chat.answer.not_empty", "openai.chat.answer.not_emty"], "--case")


def test_a_known_issue_does_not_stand_for_the_other_cases_of_its_route(serve: Serve, run: Any) -> None:
    servers = Servers(Process(serve(reply(b"", "404 Not Found", "")).url))
    servers.issues["openai.toy.a"] = listed(("missing route", "404 for POST /v1/chat/completions"))
    done = run(servers, toy("a"), toy("b"), toy("c"))
    assert statuses(done) == ["known_issue", "failed", "unsupported"]
