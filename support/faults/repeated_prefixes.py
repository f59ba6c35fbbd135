"""Concurrent users whose prompts begin like a short and a long prompt that the server has answered before.

A server that reuses the cache of an earlier prompt has to combine entries of different sizes in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from support.chat.client import ChatEndpoint, ChatRequest
from support.performance.concurrency import UserOutcome, ask_as_user, run_concurrently

# More tokens than the 512 by which the cache of mistral.rs grows.
FILLER = ", the tide" * 200
# All prompts of a round have one length, and share with the earlier prompt of their number the same tokens.
EARLIER_TOPIC, TOPICS = "lighthouse", ("harbour", "glacier", "violin", "comet")
SHORT_NUMBER, LONG_NUMBER = 1, 2
# The first of them is generated alone; the others have to arrive meanwhile. Each round is another chance.
USERS = 8


def prompt(number: int, topic: str, filler: str = "") -> ChatRequest:
    return ChatRequest(({"role": "user", "content": f"{number}. Tell me about the {topic}{filler}"},))


def earlier_prompts() -> tuple[ChatRequest, ChatRequest]:
    """The short one first: a later one would continue the entry of the long one, and have its size."""
    return prompt(SHORT_NUMBER, EARLIER_TOPIC), prompt(LONG_NUMBER, EARLIER_TOPIC, FILLER)


def ask_after_earlier_prompts(
    endpoint: ChatEndpoint, timeout: float
) -> Sequence[tuple[ChatRequest, UserOutcome]]:
    """Each user's request and what came of it, of all rounds, or up to the first with an empty answer.

    Raises AssertionError when an earlier prompt is not answered.
    """
    for earlier in earlier_prompts():
        endpoint.ask(earlier, timeout=timeout)
    answered: list[tuple[ChatRequest, UserOutcome]] = []
    for topic in TOPICS:
        requests = [prompt((SHORT_NUMBER, LONG_NUMBER)[user % 2], topic) for user in range(USERS)]
        outcomes = run_concurrently(
            lambda request: ask_as_user(endpoint, request, stream=True, timeout=timeout), requests
        )
        answered += zip(requests, outcomes, strict=True)
        if not all(outcome.text for outcome in outcomes):
            break
    return answered
