"""Each check of an answer passes what it should, and notices what is wrong, with a way to repeat it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from support.chat import checks
from support.chat.client import Answer
from support.chat.conversation import CHAT, Conversation
from support.http.exchange import Exchange
from support.results.scenario_result import ScenarioResult
from support.settings import Settings
from tests.conformance.samples import exchange

Check = Callable[[], None]
EXCHANGE = exchange(b"{}")


def told(text: str = "The comet comes back.", **fields: object) -> Answer:
    return replace(Answer("toy", text, "stop", 5, 2, EXCHANGE, 3), **fields)  # type: ignore[arg-type]


def took(seconds: float, *arrivals: float) -> Exchange:
    return replace(EXCHANGE, seconds=seconds, chunks=tuple((moment, b"x") for moment in arrivals))


class Prompts(ScenarioResult):
    def prompt_tokens(self, asked: str) -> tuple[int, str]:
        return {"shorter": 5, "longer": 9}[asked], EXCHANGE.describe()


GOOD: list[Check] = [
    lambda: checks.check_text(told(), "The comet comes back."),
    lambda: checks.check_mentions(told(), "comet"),
    lambda: checks.check_complete(told()),
    lambda: checks.check_finish([told(), told()], "stop"),
    lambda: checks.check_same_text([told(), told(), told()]),
    lambda: checks.check_same_counts([told(), told("Else.")]),
    lambda: checks.check_counts(told(), 5, (2, 3)),
    lambda: checks.check_counts(told(), 5, (1, 2)),
    lambda: checks.check_counts_positive(told()),
    lambda: checks.check_length([told(), told()], 2),
    lambda: checks.check_seconds([told(exchange=took(0.5))], 0.5),
    lambda: checks.compare_prompts(Prompts(), "longer", "more tokens than", "shorter"),
    lambda: checks.compare_prompts(Prompts(), "longer", "as many tokens as", "longer"),
    lambda: checks.check_chunks(told(), 3),
    lambda: checks.check_first_chunk_early([told(exchange=took(1, 0.9, 1)), told(exchange=took(1, 0.4, 1))]),
]
WRONG: list[tuple[Check, str]] = [
    (lambda: checks.check_text(told(), "The comet comes back"), "the answer"),
    (lambda: checks.check_mentions(told(), "harbour"), "expected a text with 'harbour'"),
    (lambda: checks.check_complete(told(" \n")), "expected a text"),
    (lambda: checks.check_complete(told(finish_reason="")), "expected a text that ends by"),
    (lambda: checks.check_finish([told(), told(finish_reason="length")], "stop"), "got 'length'"),
    (lambda: checks.check_same_text([told(), told(), told("Else.")]), "the texts differ"),
    (lambda: checks.check_same_counts([told(), told(answer_tokens=3)]), "the token counts differ"),
    (lambda: checks.check_counts(told(), 6, (2,)), "expected 6 prompt tokens"),
    (lambda: checks.check_counts(told(), 5, (3, 4)), "3 or 4 completion tokens"),
    (lambda: checks.check_counts_positive(told(answer_tokens=0)), "expected counts above zero"),
    (lambda: checks.check_length([told(), told()], 3), "expected 3 tokens, got 2"),
    (
        lambda: checks.compare_prompts(Prompts(), "shorter", "more tokens than", "longer"),
        "expected more tokens than the 9 prompt tokens of longer, got 5 for shorter",
    ),
    (
        lambda: checks.compare_prompts(Prompts(), "shorter", "as many tokens as", "longer"),
        "expected as many tokens as the 9 prompt tokens of longer",
    ),
    (lambda: checks.check_chunks(told(), 4), "expected at least 4 chunks, got 3"),
    (lambda: checks.check_length([told(answer_tokens=None)], 2), "no usage in the answer"),
]


@pytest.mark.parametrize("check", GOOD)
def test_what_is_right_passes(check: Check) -> None:
    check()


@pytest.mark.parametrize(("check", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_noticed(check: Check, words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check()
    assert words in str(caught.value)
    assert "repeat: curl" in str(caught.value)


@pytest.mark.parametrize("check", [checks.check_same_text, checks.check_same_counts])
def test_one_answer_is_nothing_to_compare(check: Callable[[list[Answer]], None]) -> None:
    with pytest.raises(AssertionError, match="nothing to compare"):
        check([told()])


def test_an_answer_that_is_late_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"within 1 s, it took 1.5 s"):
        checks.check_seconds([told(exchange=took(1.5))], 1)


def test_a_server_that_holds_answers_back_is_noticed() -> None:
    late = told(exchange=took(1, 0.9, 1))
    with pytest.raises(AssertionError, match=r"of 2 answers it arrived at 900.0 ms of 1000.0 ms, 900.0 ms"):
        checks.check_first_chunk_early([late, late])


@pytest.mark.parametrize(("time_factor", "tries"), [(1, 4), (5, 8)])
def test_a_first_chunk_is_awaited_as_long_as_the_machine_needs(
    monkeypatch: pytest.MonkeyPatch, time_factor: float, tries: int
) -> None:
    """Each answer takes a second; the first seven are read late, as beside busy programs."""
    clock = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    suite = SimpleNamespace(settings=Settings(acceptance_time_factor=time_factor))
    answers = iter([told(exchange=took(1, 0.9, 1))] * 7 + [told(exchange=took(1, 0.4, 1))] * 50)
    api = SimpleNamespace(chat=lambda *_, **__: next(answers))
    conversation = Conversation(lambda: api, suite)  # type: ignore[arg-type, return-value]

    conversation.send_until_early(CHAT, "Run forever", {}, 5)

    got = conversation.answers.all()
    assert (len(got), checks.is_first_chunk_early(got[-1])) == (tries, tries > 7)
