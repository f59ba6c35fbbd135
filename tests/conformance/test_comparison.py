"""Servers beside the judged one get their fields of the matrix, whatever they do."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable

import pytest
from packaging.specifiers import SpecifierSet

from support.conformance import comparison as comparison_module
from support.conformance.api import find_api
from support.conformance.case_runner import Failure, Outcome
from support.conformance.comparison import MAX_CONSECUTIVE_UNANSWERED, MAX_UNANSWERED, Comparison, cell_of
from support.conformance.missing_routes import MissingRoutes
from support.errors import NotSupported, TargetError
from support.programs.launcher import LaunchedProgram
from support.reporting.matrix import matrix_of, passed_of_run
from support.results.check import CheckResult
from support.results.known_issues import ExpectedFailure, KnownIssue, KnownIssues
from support.results.outcome import MatrixCell, mark_known
from support.results.record import Record
from support.servers.endpoints import Endpoint
from support.servers.post_mortem import PostMortem, exit_reason, post_mortem
from tests.conformance.samples import SERVER, case, chat
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence
from tests.timeouts import PATIENCE

# Imported now: on a busy machine OpenAI's package takes longer than a case of these tests may.
assert find_api("openai").name == "openai"
Serve = Callable[[Reply], TinyServer]
OLD = KnownIssue(
    "old",
    SpecifierSet(""),
    "it is old",
    "notes.md",
    (ExpectedFailure("official type", re.compile(": Field required$")),),
    check="openai.toy.case",
)


# What a case may take of a server that never answers.
SHORT = 0.8


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case asks its first server, also when it is delayed before."""
    monkeypatch.setattr(comparison_module, "MIN_SECONDS", SHORT / 8)


def record_of_case(title: str, *cells: MatrixCell) -> Record:
    """The record of a scenario with one check that has these cells."""
    check = CheckResult(title, title, "toys", "must", "passed", cells=cells)
    return Record(title, "toys", "toys.feature:1", "openai_api", "passed", checks=(check,))


class Candidate:
    """A server at an address, or none."""

    def __init__(self, label: str, url: str | None = None, *, refuses: bool = False) -> None:
        self.label = label
        self.closed = False
        self._url, self._refuses = url, refuses

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        if self._refuses:
            raise TargetError("no such program\nmore words")
        components = ((self.label, "1.0"),)
        return (
            Endpoint(self.label, api, self._url, {"model": "tiny"}, components=components)
            if self._url
            else None
        )

    def diagnose_no_answer(self) -> PostMortem:
        return PostMortem("left it unanswered")

    def close(self) -> None:
        self.closed = True


def test_each_server_gets_its_field(serve: Serve) -> None:
    candidates = [
        Candidate("good", serve(json_reply(chat())).url),
        Candidate("bad", serve(json_reply({"oops": 1})).url),
        Candidate("poor", serve(reply(b"", "404 Not Found", "")).url),
        Candidate("gone", refuses=True),
        Candidate("another API"),
    ]
    comparison = Comparison(candidates, PATIENCE, MissingRoutes())
    first = comparison.cells(case(contract="chat", id="openai.toy.first"))
    assert [(cell.server, cell.status) for cell in first] == [
        ("good", "passed"),
        ("bad", "failed"),
        ("poor", "unsupported"),
        ("gone", "not_run"),
    ]
    assert first[3].reason == "no such program"
    second = comparison.cells(case(contract="chat", id="openai.toy.second"))
    assert "openai.toy.first" in second[2].reason
    comparison.close()
    assert all(candidate.closed for candidate in candidates)


def test_what_may_hurt_a_server_is_not_asked_of_a_shared_one(serve: Serve) -> None:
    server = serve(json_reply(chat()))
    cells = Comparison([Candidate("good", server.url)], PATIENCE, MissingRoutes()).cells(
        case(destructive=True)
    )
    assert [(cell.status, server.requests) for cell in cells] == [("not_run", [])]


def test_a_known_issue_of_the_server_under_test_has_its_reason() -> None:
    under_test = cell_of(Outcome(case(), SERVER, (Failure("status", "500"),)), under_test=True)
    known = mark_known(under_test, "it is old", "notes.md")
    assert (known.status, known.reason) == ("known_issue", "it is old (notes.md); seen: status: 500")


def test_another_server_has_its_own_known_issues(serve: Serve) -> None:
    servers = [Candidate(label, serve(json_reply({"oops": 1})).url) for label in ("old", "new")]
    cells = Comparison(servers, PATIENCE, MissingRoutes(), KnownIssues([OLD])).cells(case(contract="chat"))
    assert [(cell.server, cell.status) for cell in cells] == [("old", "known_issue"), ("new", "failed")]
    assert cells[0].reason.startswith("it is old (notes.md); seen: ")


@pytest.mark.usefixtures("_impatient")
def test_another_server_may_fail_in_a_new_way(serve: Serve) -> None:
    known = KnownIssues([OLD])
    cells = [
        *Comparison([Candidate("old", serve(reply(b"no")).url)], PATIENCE, MissingRoutes(), known).cells(
            case()
        ),
        *Comparison([Candidate("old", serve(silence).url)], SHORT, MissingRoutes(), known).cells(case()),
    ]
    assert [cell.status for cell in cells] == ["failed", "failed"]
    for cell in cells:
        assert cell.reason.startswith(
            "a new failure instead of the known issue of old (it is old; notes.md): "
        )
    assert "server: left it unanswered" in cells[1].reason and "transport: " in cells[1].reason


def test_each_field_names_its_rule_and_what_is_broken_how_to_see_it(serve: Serve) -> None:
    servers = [Candidate("bad", serve(json_reply({"oops": 1})).url), Candidate("gone", refuses=True)]
    asked = case(contract="chat")
    bad, gone = Comparison(servers, PATIENCE, MissingRoutes()).cells(asked)
    assert bad.source == gone.source == asked.source
    assert bad.repeat.startswith("curl -sS -i -X POST http://127.0.0.1:") and not gone.repeat


def test_a_server_that_cannot_be_had_is_asked_for_once() -> None:
    tried: list[str] = []

    class Missing(Candidate):
        def endpoint_for(self, api: str, model: str) -> Endpoint | None:
            tried.append(model)
            raise TargetError("no such program")

    comparison = Comparison([Missing("gone")], PATIENCE, MissingRoutes())
    cells = [cell for number in range(4) for cell in comparison.cells(case(title=f"case {number}"))]
    assert [(cell.status, cell.reason) for cell in cells] == [("not_run", "no such program")] * 4
    assert tried == ["scripted"]


class Fragile(Candidate):
    """A server of ours that is started again, with a fate for each case without an answer."""

    def __init__(self, url: str, fate: PostMortem) -> None:
        super().__init__("fragile", url)
        self._fate = fate
        self.looked_after = 0

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        return Endpoint("fragile 1.0", api, self._url or "", {"model": "tiny"})

    def diagnose_no_answer(self) -> PostMortem:
        self.looked_after += 1
        return self._fate


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_hangs_is_given_up_and_keeps_its_column(serve: Serve) -> None:
    fragile = Fragile(serve(silence).url, PostMortem("did not answer"))
    comparison = Comparison([fragile], SHORT, MissingRoutes())
    cells = [cell for number in range(5) for cell in comparison.cells(case(title=f"case {number}"))]
    assert [cell.status for cell in cells] == ["failed"] * MAX_CONSECUTIVE_UNANSWERED + ["not_run"] * 2
    assert {cell.server for cell in cells} == {"fragile 1.0"}
    assert "in a row" in cells[-1].reason
    assert all(cell.seconds > SHORT / 2 for cell in cells[:MAX_CONSECUTIVE_UNANSWERED])


def test_a_server_that_dies_under_a_case_says_so_and_is_asked_the_next(serve: Serve) -> None:
    def breaks_off(connection: socket.socket, closing: threading.Event) -> None:
        if b"die" not in server.requests[-1]:
            json_reply(chat())(connection, closing)

    server = serve(breaks_off)
    fragile = Fragile(server.url, PostMortem("died (SIGSEGV)"))
    comparison = Comparison([fragile], PATIENCE, MissingRoutes())
    deadly = {"method": "POST", "path": "/v1/chat/completions", "json": {"messages": "die"}}
    asked = [
        case(contract="chat", title="first"),
        case(request=deadly, title="deadly"),
    ] * MAX_CONSECUTIVE_UNANSWERED
    cells = [cell for one in asked for cell in comparison.cells(one)]
    assert [cell.status for cell in cells] == ["passed", "failed"] * MAX_CONSECUTIVE_UNANSWERED, (
        "it was given up too early"
    )
    assert cells[1].reason.startswith("the server died (SIGSEGV): transport: ")
    assert cells[1].incident == "died (SIGSEGV)" and not cells[0].incident
    cells = [cell for one in asked * 3 for cell in comparison.cells(one)]
    assert [cell.incident for cell in cells].count(
        "died (SIGSEGV)"
    ) == MAX_UNANSWERED - MAX_CONSECUTIVE_UNANSWERED
    assert cells[-1].status == "not_run"


@pytest.mark.usefixtures("_impatient")
def test_a_server_of_others_that_has_gone_is_not_asked_any_more(serve: Serve) -> None:
    fragile = Fragile(serve(silence).url, PostMortem("was not in reach any more", recovered=False))
    comparison = Comparison([fragile], SHORT, MissingRoutes())
    first, second = (
        cell for number in "12" for cell in comparison.cells(case(id=f"openai.toy.case{number}"))
    )
    assert first.incident and second.status == "not_run"
    assert second.reason == "the server was not in reach any more, since the case openai.toy.case1"


@pytest.mark.usefixtures("_impatient")
def test_one_case_takes_no_more_than_its_time_however_many_hang(serve: Serve) -> None:
    servers = [serve(silence) for _ in range(3)]
    hanging = [Candidate(f"hanging {number}", server.url) for number, server in enumerate(servers)]
    cells = Comparison(hanging, SHORT, MissingRoutes()).cells(case())
    assert [len(server.requests) for server in servers] == [1, 0, 0]
    assert [cell.status for cell in cells] == ["failed", "not_run", "not_run"]
    assert "time budget" in cells[2].reason


def test_a_model_that_a_server_does_not_have_is_lacking() -> None:
    class Small(Candidate):
        def endpoint_for(self, api: str, model: str) -> Endpoint | None:
            raise NotSupported("small has no model 'embedding'")

    (cell,) = Comparison([Small("small")], PATIENCE, MissingRoutes()).cells(case())
    assert (cell.status, cell.reason) == ("unsupported", "small has no model 'embedding'")


def test_the_exit_of_a_process_is_explained() -> None:
    assert exit_reason(-11, "") == "SIGSEGV"
    assert exit_reason(2, "ready\nSIGSEGV: segmentation violation\nPC=0x1") == "SIGSEGV"
    fatal = "fatal error: concurrent map iteration and map write"
    assert exit_reason(2, f"ready\n{fatal}\n\ngoroutine 7 [running]:") == fatal
    assert exit_reason(-6, "memory allocation of 8 bytes failed") == "SIGABRT"
    assert exit_reason(3, "bye") == "exit code 3"


class OurServer(LaunchedProgram):
    """A process of the suite that runs, or has exited with a code."""

    log = ""

    def __init__(self, code: int | None) -> None:
        self._code = code

    @property
    def alive(self) -> bool:
        return self._code is None

    def stop(self) -> int:
        return self._code or 0


def test_whoever_is_ours_gets_a_successor_and_whoever_is_not_is_looked_for(serve: Serve) -> None:
    let_go: list[str] = []
    assert post_mortem(OurServer(-9), "", lambda: let_go.append("dead")).summary.startswith("died (SIGKILL)")
    assert "did not answer" in post_mortem(OurServer(None), "", lambda: let_go.append("hung")).summary
    assert let_go == ["dead", "hung"]
    there = serve(json_reply({}))
    url = there.url
    assert post_mortem(None, url, lambda: None).recovered
    there.close()
    assert not post_mortem(None, url, lambda: None).recovered


def test_half_an_api_gives_a_matrix_of_what_it_lacks(serve: Serve) -> None:
    """Chats are served, vectors are not: one line says so, the other cases of that route refer to it."""

    def half(connection: socket.socket, closing: threading.Event) -> None:
        chats = b"/v1/chat/completions" in server.requests[-1].splitlines()[0]
        (json_reply(chat()) if chats else reply(b"", "404 Not Found", ""))(connection, closing)

    server = serve(half)
    missing = MissingRoutes()
    comparison = Comparison([Candidate("half", server.url)], 5.0, missing)
    vectors = {"method": "POST", "path": "/v1/embeddings", "json": {"input": "x"}}
    asked = [case(contract="chat", id="openai.toy.chat", title="a chat is answered")]
    asked += [
        case(request=vectors, id=f"openai.toy.vector{number}", title=f"a vector {number}")
        for number in range(3)
    ]
    matrix = matrix_of([record_of_case(one.title, *comparison.cells(one)) for one in asked])
    cells = [row.cell("half") for row in matrix.rows]
    assert [cell.status for cell in cells] == ["passed", "unsupported", "unsupported", "unsupported"]
    assert cells[2].reason == "half has no POST /v1/embeddings (see openai.toy.vector0)"
    assert passed_of_run(matrix.rows, "half") == (1, 4)
    assert len(server.requests) == 2, "what is known to be missing was asked for again"
