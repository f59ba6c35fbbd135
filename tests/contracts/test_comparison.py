"""Servers beside the judged one get their fields of the matrix, whatever they do."""

from __future__ import annotations

from collections.abc import Callable

from support.contracts.api import ApiServer
from support.contracts.cells import Cell, settled
from support.contracts.comparison import Comparison, cell_of
from support.contracts.engine import Result
from support.contracts.lacking import MissingRoutes
from support.errors import TargetError
from tests.contracts.toys import SERVER, case, chat
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply

Serve = Callable[[Reply], TinyServer]


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
