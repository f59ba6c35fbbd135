"""The model of a response is the requested one, or one that the server lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from support.conformance.case_runner import run_case
from support.conformance.request_fields import require_request_fields
from support.conformance.response_parser import ConformanceError, parse
from tests.conformance.samples import SERVER, Canned, case, chat, exchange, reply

LISTED = ("default", "/models/tiny")


def check(request: object, *documents: Any, listed: Sequence[str] = LISTED) -> None:
    body = "".join(f"data: {json.dumps(document)}\n\n" for document in documents).encode()
    answer = replace(
        exchange(body, content_type="text/event-stream"), request_body=json.dumps(request).encode()
    )
    require_request_fields(parse(answer, "sse", ends_with_done=False), listed)


@pytest.mark.parametrize(
    ("request_body", "document"),
    [
        ({"model": "default"}, {"model": "/models/tiny"}),
        ({"model": "mine"}, {"model": "mine"}),
        ({"model": "mine"}, {"model": "mine:latest"}),
        ({"model": "mine:latest"}, {"model": "mine"}),
        ({}, {"model": "default"}),
        ({"model": "default"}, {"type": "message_start", "message": {"model": "default"}}),
        ({"model": "default"}, {"message": "a text"}),
        (None, {"model": "a stored one"}),
        ([], {"model": "a stored one"}),
    ],
)
def test_a_requested_or_listed_model_is_right(request_body: object, document: object) -> None:
    check(request_body, document)


@pytest.mark.parametrize(
    "document",
    [
        {"model": "gpt-4o"},
        {"model": "mine:7b"},
        {"type": "response.created", "response": {"model": "gpt-4o"}},
        {"type": "message_start", "message": {"model": "gpt-4o"}},
    ],
)
def test_another_model_is_wrong(document: object) -> None:
    with pytest.raises(ConformanceError, match=r"the response is by '.*requested: 'mine', listed: 'default'"):
        check({"model": "mine"}, {"model": "mine"}, document)


@pytest.mark.parametrize(
    ("sent", "returned", "same"),
    [
        ({"temperature": 0.7}, {"temperature": 0.699999988}, True),
        ({"temperature": 0.7}, {"temperature": 1.0}, False),
        ({"temperature": 0.7}, {"temperature": None}, True),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, True),
        ({"metadata": {"a": "b"}}, {"metadata": {}}, False),
        ({"store": False}, {"store": True}, False),
        ({"store": True}, {"store": 1}, False),
        ({"instructions": "Be brief"}, {"instructions": "Be long"}, False),
        ({"tools": []}, {"tools": [{}]}, True),
    ],
)
def test_parameters_of_a_response_are_those_of_the_request(
    sent: dict[str, Any], returned: dict[str, Any], *, same: bool
) -> None:
    document = {"object": "response", "model": "mine", **returned}
    if same:
        check({"model": "mine", **sent}, {"response": document})
        return
    with pytest.raises(ConformanceError, match="was requested"):
        check({"model": "mine", **sent}, document)


def test_a_case_checks_the_model() -> None:
    row = case(contract="chat")
    answer = replace(reply(chat(model="gpt-4o")), request_body=b'{"model": "tiny"}')
    outcome = run_case(Canned(answer), replace(SERVER, model_names=LISTED), row)
    assert [failure.layer for failure in outcome.failures] == ["model"]


@pytest.mark.parametrize("event", [{"stop_sequence": "four"}, {"delta": {"stop_sequence": "four"}}])
def test_a_stop_sequence_that_was_not_requested_is_wrong(event: object) -> None:
    check({"stop_sequences": ["nowhere", "four"]}, event)
    for requested in ({"stop_sequences": ["five"]}, {}):
        with pytest.raises(ConformanceError, match="request field: stop_sequence is 'four', requested: "):
            check(requested, event)
