"""Prompts that repeat the beginnings of earlier ones: one length, and two earlier prompts of other sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile

import pytest

from support.chat.client import OPENAI_CHAT, ChatEndpoint, ChatRequest
from support.faults import repeated_prefixes
from support.faults.repeated_prefixes import LONG_NUMBER, SHORT_NUMBER, TOPICS, USERS, prompt
from support.models.script import Script
from support.models.vocabulary import script_vocabulary
from support.performance.concurrency import UserOutcome
from tests.timeouts import PATIENCE

GROWTH = 512
"""Tokens by which the cache of mistral.rs grows."""


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))))


def test_prompts_of_a_round_can_be_generated_in_one_batch() -> None:
    """They have one length and share one number of tokens with earlier prompts of different sizes."""
    vocabulary = script_vocabulary(Script.standard())

    def tokens(request: ChatRequest) -> list[int]:
        return vocabulary.encode(request.rendered)

    short, long = map(tokens, repeated_prefixes.earlier_prompts())
    assert len(short) < GROWTH < len(long)
    for topic in TOPICS:
        ours, theirs = tokens(prompt(SHORT_NUMBER, topic)), tokens(prompt(LONG_NUMBER, topic))
        assert len(ours) == len(theirs)
        assert shared(ours, short) == shared(theirs, long) > shared(ours, theirs)


@pytest.mark.parametrize(
    ("texts", "rounds"),
    [(["right"] * USERS * len(TOPICS), len(TOPICS)), (["right"] * (USERS - 1) + [""], 1)],
)
def test_rounds_end_with_the_first_empty_answer(
    monkeypatch: pytest.MonkeyPatch, texts: list[str], rounds: int
) -> None:
    asked: list[str] = []
    left = iter(texts)

    def ask(_: ChatEndpoint, request: ChatRequest, **__: object) -> UserOutcome:
        asked.append(json.dumps(request.messages))
        return UserOutcome(0.1, next(left))

    monkeypatch.setattr(ChatEndpoint, "ask", lambda *_, **__: asked.append("earlier"))
    monkeypatch.setattr(repeated_prefixes, "ask_as_user", ask)
    endpoint = ChatEndpoint("toy", "http://127.0.0.1:1", "tiny", OPENAI_CHAT)
    answered = repeated_prefixes.ask_after_earlier_prompts(endpoint, PATIENCE)
    assert len(answered) == rounds * USERS
    assert asked[:2] == ["earlier"] * 2 and len(asked) == 2 + rounds * USERS
