"""Concurrent users: an answer to another user's question is detected, and the message names that question."""

from __future__ import annotations

import threading

import pytest

from support.chat.client import Answer
from support.http.client import RequestFailed
from support.performance.concurrency import (
    ConcurrentAnswers,
    PromptLengthProbe,
    UserOutcome,
    run_concurrently,
)
from tests.conformance.samples import exchange
from tests.timeouts import PATIENCE

ANSWERS = {
    "harbour": "The harbour has room for forty boats, and its gate shuts at dusk.",
    "violin": "A violin has four strings, tuned in fifths.",
}


def user(keyword: str, text: str | None = None) -> tuple[str, UserOutcome]:
    return keyword, UserOutcome(0.1, ANSWERS[keyword] if text is None else text)


def test_own_answers_are_right() -> None:
    ConcurrentAnswers((user("harbour"), user("violin")), ANSWERS).require_own_answers()


def test_an_answer_that_goes_on_as_anothers_is_noticed() -> None:
    crowd = ConcurrentAnswers(
        (user("harbour", "The harbour has ro tuned in fifths."), user("violin")), ANSWERS
    )
    with pytest.raises(AssertionError, match=r"1 of 2 users.*\n.*the end of: violin"):
        crowd.require_own_answers()


def test_a_whole_answer_of_another_is_noticed() -> None:
    with pytest.raises(AssertionError, match="the end of: violin"):
        ConcurrentAnswers((user("harbour", ANSWERS["violin"]),), ANSWERS).require_own_answers()


def test_who_gets_no_answer_is_told() -> None:
    crowd = ConcurrentAnswers((("violin", UserOutcome(0.1, error="broke off")),), ANSWERS)
    with pytest.raises(AssertionError, match="violin: broke off"):
        crowd.require_own_answers()


def asked(tokens: int | None, end: str | None = "length") -> Answer:
    return Answer("toy", "whatever", end, tokens, 8, exchange(b"{}"))


ALONE = tuple(map(asked, (5, 6, 7)))


def test_answers_to_questions_of_ones_own_length_are_right() -> None:
    PromptLengthProbe(ALONE, ALONE).require_own_answers()


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (asked(7), "user 2 of 3 sent 6 tokens; the answer has 7 prompt tokens"),
        (asked(6, None), "user 2 of 3 .* finish reason None"),
        (RequestFailed("broke off"), "user 2 of 3 got no answer: broke off"),
    ],
)
def test_an_answer_to_another_question_is_noticed(second: Answer | RequestFailed, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        PromptLengthProbe(ALONE, (asked(5), second, asked(7))).require_own_answers()


@pytest.mark.parametrize("tokens", [(5, 5, 7), (None, 6, 7)])
def test_questions_that_cannot_be_told_apart_judge_nothing(tokens: tuple[int | None, ...]) -> None:
    alike = tuple(map(asked, tokens))
    with pytest.raises(AssertionError, match="no different token counts"):
        PromptLengthProbe(alike, alike).require_own_answers()


def test_all_begin_at_the_same_moment() -> None:
    gate = threading.Barrier(4)
    assert run_concurrently(lambda number: (gate.wait(PATIENCE), number)[1], [1, 2, 3, 4]) == [1, 2, 3, 4]
