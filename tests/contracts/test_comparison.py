"""Servers beside the judged one get their fields of the matrix, whatever they do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from support.contracts.api import ApiServer
from support.contracts.comparison import MOST_SILENT, Comparison, cell_of
from support.contracts.engine import Result
from support.contracts.lacking import MissingRoutes
from support.errors import TargetError
from support.reporting.matrix import kept_of_asked, matrix_of
from support.reporting.records import Record
from support.reporting.verdict import Cell, settled
from tests.contracts.toys import SERVER, case, chat
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence

Serve = Callable[[Reply], TinyServer]


def told(title: str, *cells: Cell) -> Record:
    """The record of a scenario that left these cells."""
    return Record(title, "toys", "toys.feature:1", "openai_api", "passed", cells=cells)


class Candidate:
    """A server at an address, or none."""

    def __init__(self, label: str, url: str | None = None, refuses: bool = False) -> None:
        self.label = label
        self.closed = False
        self._url, self._refuses = url, refuses

    def offering(self, api: str, model: str) -> ApiServer | None:
        if self._refuses:
            raise TargetError("no such program\nmore words")
        return ApiServer(self.label, api, self._url, {"model": "tiny"}) if self._url else None

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
    comparison = Comparison(candidates, 5.0, MissingRoutes())
    first = comparison.cells(case(contract="chat", title="the first"))
    assert [(cell.server, cell.status) for cell in first] == [
        ("good", "kept"),
        ("bad", "broken"),
        ("poor", "lacking"),
        ("gone", "not asked"),
    ]
    assert first[3].reason == "no such program"
    second = comparison.cells(case(contract="chat", title="the second"))
    assert "the first" in second[2].reason
    comparison.close()
    assert all(candidate.closed for candidate in candidates)


def test_what_may_hurt_a_server_is_not_asked_of_a_shared_one(serve: Serve) -> None:
    server = serve(json_reply(chat()))
    cells = Comparison([Candidate("good", server.url)], 5.0, MissingRoutes()).cells(case(alone=True))
    assert [(cell.status, server.requests) for cell in cells] == [("not asked", [])]


def test_only_the_judged_server_has_known_issues() -> None:
    judged = cell_of(Result(case(), SERVER, "broken", "status", "500"), judged=True)
    cells = (judged, Cell("other", "broken", "x"))
    assert [cell.status for cell in settled(cells, "known_issue")] == ["known issue", "broken"]
    assert settled(cells, "failed") == cells


def test_a_server_that_cannot_be_had_is_asked_for_once() -> None:
    tried: list[str] = []

    class Missing(Candidate):
        def offering(self, api: str, model: str) -> ApiServer | None:
            tried.append(model)
            raise TargetError("no such program")

    comparison = Comparison([Missing("gone")], 5.0, MissingRoutes())
    cells = [cell for number in range(4) for cell in comparison.cells(case(title=f"case {number}"))]
    assert [(cell.status, cell.reason) for cell in cells] == [("not asked", "no such program")] * 4
    assert tried == ["speaking"]


def test_a_server_that_hangs_is_given_up_and_keeps_its_column(serve: Serve) -> None:
    server = serve(silence)

    class Hanging(Candidate):
        def offering(self, api: str, model: str) -> ApiServer | None:
            return ApiServer("hanging 1.0", api, server.url, {"model": "tiny"})

    comparison = Comparison([Hanging("hanging")], 0.1, MissingRoutes())
    cells = [cell for number in range(5) for cell in comparison.cells(case(title=f"case {number}"))]
    assert [cell.status for cell in cells] == ["broken"] * MOST_SILENT + ["not asked"] * 2
    assert {cell.server for cell in cells} == {"hanging 1.0"}


def test_half_an_api_gives_a_matrix_of_what_it_lacks(serve: Serve) -> None:
    """Chats are served, vectors are not: one line says so, the other cases of that route refer to it."""

    def half(connection: socket.socket, closing: threading.Event) -> None:
        chats = b"/v1/chat/completions" in server.requests[-1].splitlines()[0]
        (json_reply(chat()) if chats else reply(b"", "404 Not Found", ""))(connection, closing)

    server = serve(half)
    missing = MissingRoutes()
    comparison = Comparison([Candidate("half", server.url)], 5.0, missing)
    vectors = {"method": "POST", "path": "/v1/embeddings", "json": {"input": "x"}}
    asked = [case(contract="chat", title="a chat is answered")]
    asked += [case(request=vectors, title=f"a vector {number}") for number in range(3)]
    matrix = matrix_of([told(one.title, *comparison.cells(one)) for one in asked])
    cells = [row.of("half") for row in matrix.rows]
    assert [cell.status for cell in cells] == ["kept", "lacking", "lacking", "lacking"]
    assert cells[2].reason == "half has no POST /v1/embeddings, as 'a vector 0' found out"
    assert kept_of_asked(matrix.rows, "half") == (1, 4)
    assert len(server.requests) == 2, "what is known to be missing was asked for again"
