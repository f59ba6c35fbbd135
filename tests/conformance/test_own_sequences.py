"""Walks over the Responses and Messages APIs: a right server keeps them all, their faults are noticed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from support.conformance.case_runner import Outcome
from support.conformance.case_table import Case, Check, checks_of
from support.conformance.sequence import STEPS, require_equal, run_sequence, sequence
from support.conformance.sequences import responses
from support.servers.endpoints import Endpoint
from tests.conformance.fake_apis import FakeOwn

ALL = [
    name
    for api in ("responses", "anthropic")
    for name, check in checks_of(api).items()
    if not isinstance(check, Case)
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "DONE_SECONDS", 0.2)


def run(name: str, *faults: str) -> Outcome:
    fake: Any = FakeOwn(*faults)
    server = Endpoint("fake", name.partition(".")[0], fake.base_url, {"model": "tiny"})
    return run_sequence(fake, server, checks_of(server.api)[name])


@pytest.mark.parametrize("name", ALL)
def test_a_right_server_passes_every_sequence(name: str) -> None:
    outcome = run(name)
    assert outcome.passed, outcome.reason


@pytest.mark.parametrize(
    ("name", "fault", "seen"),
    [
        ("responses.store.retrieve", "loses what was noted down", "read again"),
        ("responses.store.retrieve_streamed", "forgets streams", "404"),
        ("responses.store.delete", "forgets to delete", "expected 404"),
        ("responses.store.disabled", "stores everything", "expected 404"),
        ("responses.store.unique_ids", "one id for all", "given twice"),
        ("responses.conversation.continued", "remembers nothing", "the text after it"),
        ("responses.conversation.chained", "remembers nothing", "the last response"),
        ("responses.conversation.usage", "remembers nothing", "input_tokens"),
        ("responses.conversation.instructions", "keeps instructions", "without instructions"),
        ("responses.background.completed", "is never done", "not within"),
        ("responses.background.completed", "goes back", "went back"),
        ("responses.background.continued", "remembers nothing", "after it"),
        ("responses.background.failed", "fails later", "does not say why"),
        ("responses.background.stays_cancelled", "goes on when cancelled", "some time later"),
        ("responses.background.cancelled", "is done at once", "every response was done"),
        ("responses.background.cancelled", "cannot cancel", "cancelling while it is"),
        ("responses.cancel.completed", "cancels what is done", "answered with 200"),
    ],
)
def test_a_fault_of_responses_is_noticed(name: str, fault: str, seen: str) -> None:
    assert re.search(seen, run(name, fault).reason)


@pytest.mark.parametrize(
    ("name", "fault", "seen"),
    [
        ("anthropic.count_tokens.usage.same", "counts something else", "beforehand"),
        ("anthropic.count_tokens.usage.system", "overlooks the system", "beforehand"),
        ("anthropic.count_tokens.usage.tools", "overlooks tools", "beforehand"),
        ("anthropic.count_tokens.usage.longer", "overlooks the system", "beforehand|with a system"),
        ("anthropic.messages.id.unique", "one id for all", "given twice"),
    ],
)
def test_a_fault_of_messages_is_noticed(name: str, fault: str, seen: str) -> None:
    assert re.search(seen, run(name, fault).reason)


def test_only_what_the_server_did_is_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, ALL[0], lambda _caller: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(ALL[0])
    monkeypatch.setitem(STEPS, ALL[0], lambda _caller: require_equal("the answer", 1, 2))
    outcome = run(ALL[0])
    assert outcome.reason == "the answer: expected 1, got 2"


def test_an_id_is_given_once() -> None:
    run(ALL[0])
    with pytest.raises(ValueError, match="two sequences"):
        sequence(ALL[0])
    with pytest.raises(ValidationError, match="id"):
        Check(id="A toy", title="a toy", group="toys", level="must", source="a test", model="scripted")
