"""The reference server answers like the real one: the form of the response to every case, on both."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from support.http.exchange import Exchange
from tools.reference_differences import (
    Explanation,
    Form,
    differences,
    explanations,
    form_of,
    forms_of,
    unexplained,
)

JSON = {"content-type": "application/json"}


def exchange(body: bytes, status: int = 200, headers: Mapping[str, str] = JSON) -> Exchange:
    return Exchange("POST", "http://127.0.0.1:1/v1", {}, b"", status, headers, body, 0.1)


def test_the_form_has_paths_and_types_but_no_values() -> None:
    form = form_of(exchange(b'{"a": [{"b": 1}, {"b": 2.5, "c": null}], "d": "x"}'))
    assert form == Form(200, "application/json", frozenset({"a[].b number", "a[].c null", "d string"}))
    assert form_of(exchange(b"")).paths == frozenset()
    stream = exchange(b'data: {"a": true}\n\ndata: [DONE]\n\n', headers={"content-type": "text/event-stream"})
    assert form_of(stream).paths == {"a boolean", "string"}


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        (exchange(b'{"a": 1}'), []),
        (exchange(b'{"a": 7}'), []),
        (exchange(b'{"a": "7"}'), ["only here: a number", "only real: a string"]),
        (exchange(b'{"a": []}'), ["only here: a number", "only real: a empty list"]),
        (exchange(b'{"a": 1}', 422), ["status 200, real 422"]),
        (exchange(b"", headers={}), ["media type application/json, real none", "only here: a number"]),
    ],
)
def test_each_difference_is_a_line(theirs: Exchange, found: list[str]) -> None:
    assert differences(form_of(exchange(b'{"a": 1}')), form_of(theirs)) == found


def test_an_explanation_is_for_its_version_and_has_to_be_needed() -> None:
    ours, theirs = {"x": form_of(exchange(b'{"a": 1}'))}, {"x": form_of(exchange(b'{"a": "1"}'))}
    fits = Explanation("x", "only (here|real): a .*", ">0", "a reason")
    other = Explanation("y", ".*", ">0", "a reason")
    assert unexplained(ours, theirs, []) == (["x: only here: a number", "x: only real: a string"], [])
    assert unexplained(ours, theirs, [fits, other]) == ([], [other])
    assert explanations("0.8.1")
    assert len(explanations("9.0.0")) < len(explanations("0.8.1"))


@pytest.mark.engine
def test_every_case_has_a_response_of_the_same_form() -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as both:
        ours, theirs = both.map(forms_of, ("reference", "real"))
    if theirs is None:
        pytest.skip("no real mistral.rs: `acceptance get mistralrs` builds it")
    assert ours is not None
    # Many cases are of routes that only one of them has.
    assert len(ours[1].keys() & theirs[1].keys()) > 250
    assert unexplained(ours[1], theirs[1], explanations(theirs[0])) == ([], [])
