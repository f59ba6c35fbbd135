"""Each mutation changes exactly one thing of a response."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from support.fault_injection.blind_mutations import Kind, Mutation, id_of, mutations_of
from support.http.exchange import Exchange
from tests.conformance.samples import chat, exchange, reply
from tests.fault_injection.blind_samples import streamed, whole

TWO_CALLS = {
    "id": "1",
    "calls": [{"id": "a", "n": 1, "ok": True}, {"id": "b", "n": 2, "ok": False}],
    "names": ["x", "y", "z"],
}


def found(*answers: Exchange, kind: str = "", path: str | None = None) -> list[Mutation]:
    return [
        one
        for one in mutations_of(answers, "chatcmpl-other")
        if kind in ("", one.kind) and path in (None, one.path)
    ]


def document(mutation: Mutation) -> Any:
    return json.loads(mutation.apply()[mutation.response].body)


def test_every_kind_occurs() -> None:
    answers = (*streamed().exchanges, reply(TWO_CALLS), reply({**TWO_CALLS, "id": "2"}))
    assert {one.kind for one in found(*answers)} == set(get_args(Kind))


def test_every_mutation_changes_a_response() -> None:
    answers = (*whole().exchanges, *streamed().exchanges)
    same = [
        str(one.place)
        for one in found(*answers)
        for number, changed in one.apply().items()
        if (changed.body, changed.status) == (answers[number].body, answers[number].status)
    ]
    assert not same


def test_each_changes_its_own_copy() -> None:
    answer = reply(chat())
    before = answer.body
    bodies = [one.apply()[0].body for one in found(answer)]
    assert answer.body == before
    assert bodies == [one.apply()[0].body for one in found(answer)]


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("field dropped", "n", {"text": "abc", "list": [1, 2]}),
        ("field retyped", "n", {"text": "abc", "list": [1, 2], "n": "7"}),
        ("text truncated", "text", {"text": "ab", "list": [1, 2], "n": 7}),
        ("list truncated", "list", {"text": "abc", "list": [1], "n": 7}),
        ("list item twice", "list", {"text": "abc", "list": [1, 1, 2], "n": 7}),
        ("list items swapped", "list", {"text": "abc", "list": [2, 1], "n": 7}),
        ("count +1", "n", {"text": "abc", "list": [1, 2], "n": 8}),
        ("count -1", "n", {"text": "abc", "list": [1, 2], "n": 6}),
    ],
)
def test_a_field_is_changed(kind: str, path: str, expected: object) -> None:
    (one,) = found(reply({"text": "abc", "list": [1, 2], "n": 7}), kind=kind, path=path)
    assert document(one) == expected


def test_a_field_is_given_twice() -> None:
    (one,) = found(reply({"n": 7}), kind="field twice")
    assert one.apply()[0].body == b'{"n":7,"n":"7"}'


def test_a_truth_value_is_no_count() -> None:
    assert not found(reply({"done": True}), kind="count +1")


def test_events_keep_their_frames() -> None:
    (answer,) = streamed().exchanges
    (first, *_) = found(answer, kind="event dropped", path="first")
    assert first.apply()[0].body == answer.body.split(b"\n\n", 1)[1]
    (last,) = found(answer, kind="event twice", path="[DONE]")
    assert last.apply()[0].body == answer.body + b"data: [DONE]\n\n"
    (cut,) = found(answer, kind="truncated", path="[DONE]")
    assert cut.apply()[0].body == answer.body.removesuffix(b"[DONE]\n\n")
    assert (first.event, first.place) == (1, "first in event 1 of response 1")


def test_the_ids_of_two_answers_are_swapped() -> None:
    (one,) = found(reply({"id": "1", "n": 5}), reply({"id": "2", "n": 6}), kind="ids swapped")
    assert {at: json.loads(answer.body) for at, answer in one.apply().items()} == {
        0: {"id": "2", "n": 5},
        1: {"id": "1", "n": 6},
    }


def test_the_ids_within_an_answer_are_swapped() -> None:
    (one,) = found(reply(TWO_CALLS), kind="ids swapped")
    assert [call["id"] for call in document(one)["calls"]] == ["b", "a"]


def test_samples_of_a_page_of_metrics_are_counted() -> None:
    page = b'# TYPE requests_total counter\nrequests_total{code="200"} 3\nseconds 0.5\n'
    (one,) = found(exchange(page, content_type="text/plain"), kind="count +1")
    assert (one.path, one.apply()[0].body) == ("requests_total", page.replace(b"3", b"4"))
    (one,) = found(exchange(b"requests_total 3.0\n", content_type="text/plain"), kind="count -1")
    assert one.apply()[0].body == b"requests_total 2\n"
    lines = found(exchange(page, content_type="text/plain"), kind="event dropped")
    assert [one.path for one in lines] == ["TYPE", "requests_total", "seconds"]


def test_an_empty_body_has_a_status_only() -> None:
    assert [one.kind for one in found(exchange(b"", 204, ""))] == ["status +100"]


def test_an_answer_without_an_id_is_passed_over() -> None:
    assert id_of([reply({"n": 1}), reply({"id": "x"})]) == "x"
