"""Walks over the Responses and Messages APIs: a right server keeps them all, their faults are noticed."""

from __future__ import annotations

from typing import Any

import pytest

from support.conformance.api import Endpoint
from support.conformance.sequence import SequenceResult, require_equal, run_sequence
from support.conformance.sequences import responses
from support.conformance.sequences.responses import SEQUENCES, CheckedClient, sequence
from tests.conformance.fake_apis import FakeOwn

ALL = [(api, title) for api in SEQUENCES for title in SEQUENCES[api]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "DONE_SECONDS", 0.2)


def taken(api: str, title: str, *faults: str) -> SequenceResult:
    fake: Any = FakeOwn(*faults)
    caller = CheckedClient(fake, Endpoint("fake", api, fake.base_url, {"model": "tiny"}))
    return run_sequence(lambda: SEQUENCES[api][title].steps(caller))


@pytest.mark.parametrize(("api", "title"), ALL, ids=[title for _, title in ALL])
def test_a_right_server_keeps_every_walk(api: str, title: str) -> None:
    taken(api, title).require_passed()


@pytest.mark.parametrize(
    ("title", "fault", "seen"),
    [
        ("a response can be read again by its id", "loses what was noted down", "read again"),
        ("a streamed response can be read again by its id", "forgets streams", "404"),
        ("a response that was deleted is gone", "forgets to delete", "expected 404"),
        ("a response that is not to be stored cannot be read", "stores everything", "expected 404"),
        ("every response has an id of its own", "one id for all", "given twice"),
        ("a response goes on from an earlier one", "remembers nothing", "what it says after it"),
        ("a conversation goes on over several responses", "remembers nothing", "the last response"),
        ("a longer conversation counts more tokens", "remembers nothing", "input_tokens"),
        ("instructions end with their response", "keeps instructions", "without instructions"),
        ("a response in the background gets done", "is never done", "not within"),
        ("a response in the background gets done", "goes back", "went back"),
        ("a response in the background is part of a conversation", "remembers nothing", "after it"),
        ("a response in the background that fails says why", "fails later", "does not say why"),
        ("a cancelled response stays cancelled", "goes on when cancelled", "some time later"),
        ("a response in the background can be cancelled", "is done at once", "every response was done"),
        ("a response in the background can be cancelled", "cannot cancel", "cancelling while it is"),
        ("a response that is done cannot be cancelled", "cancels what is done", "answered with 200"),
    ],
)
def test_a_fault_of_responses_is_noticed(title: str, fault: str, seen: str) -> None:
    with pytest.raises(AssertionError, match=seen):
        taken("responses", title, fault).require_passed()


@pytest.mark.parametrize(
    ("title", "fault", "seen"),
    [
        ("a question takes as many tokens as were counted", "counts something else", "beforehand"),
        ("a system message takes as many tokens as were counted", "overlooks the system", "beforehand"),
        ("offered tools take as many tokens as were counted", "overlooks tools", "beforehand"),
        ("a longer message counts more tokens", "overlooks the system", "beforehand|with a system"),
        ("every message has an id of its own", "one id for all", "given twice"),
    ],
)
def test_a_fault_of_messages_is_noticed(title: str, fault: str, seen: str) -> None:
    with pytest.raises(AssertionError, match=seen):
        taken("anthropic", title, fault).require_passed()


def test_only_what_the_server_did_is_its_fault() -> None:
    with pytest.raises(ZeroDivisionError):
        run_sequence(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(AssertionError, match="the answer: expected 1, got 2"):
        run_sequence(lambda: require_equal("the answer", 1, 2)).require_passed()


def test_a_title_is_given_once() -> None:
    with pytest.raises(AssertionError, match="two walks"):
        sequence("anthropic", next(iter(SEQUENCES["anthropic"])))(lambda caller: None)
