"""Concurrent users with different prompts: each has to get the answer to their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from support.chat.client import Answer, ChatEndpoint, ChatRequest

T = TypeVar("T")
R = TypeVar("R")
SHOWN = 3
# Shorter common endings can be chance: a full stop, "the".
LEAST_COMMON = 8
# With any tokenizer, each repetition adds tokens.
WORD, FEW_TOKENS = "hello", 8


class OwnAnswers(Protocol):
    """What concurrent users got."""

    def require_own_answers(self) -> None:
        """Raises AssertionError unless each user got the answer to their own question."""


@dataclass(frozen=True)
class UserResult:
    """One user's keyword, the expected answer, and the outcome: an answer or what went wrong."""

    keyword: str
    expected: str
    outcome: Answer | AssertionError

    @property
    def is_correct(self) -> bool:
        return isinstance(self.outcome, Answer) and self.outcome.text == self.expected


@dataclass(frozen=True)
class ConcurrentAnswers:
    """The results of all users. `answers`: keyword -> scripted answer."""

    users: tuple[UserResult, ...]
    answers: Mapping[str, str]

    def require_own_answers(self) -> None:
        """Raises AssertionError with the number of wrong answers, and some of them."""
        wrong = [user for user in self.users if not user.is_correct]
        if wrong:
            shown = "\n".join(self._describe(user) for user in wrong[:SHOWN])
            raise AssertionError(f"{len(wrong)} of {len(self.users)} users got a wrong answer:\n{shown}")

    def _describe(self, user: UserResult) -> str:
        if isinstance(user.outcome, AssertionError):
            return f"  {user.keyword}: {user.outcome}"
        others = sorted({keyword for keyword in self.answers if self._has_answer_of(user, keyword)})
        mixed_up = f" (the end of: {', '.join(others)})" if others else ""
        return f"  {user.keyword}: got {user.outcome.text!r}{mixed_up}, expected {user.expected!r}"

    def _has_answer_of(self, user: UserResult, keyword: str) -> bool:
        end = self.answers[keyword][-LEAST_COMMON:]
        assert isinstance(user.outcome, Answer)
        return keyword != user.keyword and len(end) == LEAST_COMMON and user.outcome.text.endswith(end)


def run_concurrently(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The same work for every item, started at the same moment, each in its own thread."""
    gate = threading.Barrier(len(items))

    def begin(item: T) -> R:
        gate.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(begin, items))


def request_about(keyword: str) -> ChatRequest:
    """A question with a scripted answer to this keyword."""
    return ChatRequest(({"role": "user", "content": f"Tell me about the {keyword}"},))


def ask_concurrently(
    endpoint: ChatEndpoint, answers: Mapping[str, str], users: int, *, stream: bool, timeout: float
) -> ConcurrentAnswers:
    """So many users ask at the same moment, each about one of the keywords in turn."""
    keywords = list(answers)

    def ask(number: int) -> UserResult:
        keyword = keywords[number % len(keywords)]
        outcome = _ask(endpoint, request_about(keyword), stream=stream, timeout=timeout)
        return UserResult(keyword, answers[keyword], outcome)

    return ConcurrentAnswers(tuple(run_concurrently(ask, range(users))), answers)


def _ask(
    endpoint: ChatEndpoint, request: ChatRequest, *, stream: bool, timeout: float
) -> Answer | AssertionError:
    try:
        return endpoint.ask(request, stream=stream, timeout=timeout)
    except AssertionError as error:
        return error


@dataclass(frozen=True)
class PromptLengthProbe:
    """Prompts of different lengths, sent one after another and at once: token counts have to agree."""

    sequential: tuple[Answer, ...]
    concurrent: tuple[Answer | AssertionError, ...]

    def require_own_answers(self) -> None:
        """Raises AssertionError for a missing answer, or one to a prompt of another length."""
        lengths = [answer.prompt_tokens for answer in self.sequential]
        assert len(set(lengths)) == len(lengths) and all(lengths), (
            f"the prompts have no different token counts: {lengths}"
        )
        for number, (alone, got) in enumerate(zip(self.sequential, self.concurrent, strict=True), 1):
            if isinstance(got, AssertionError):
                raise AssertionError(f"user {number} of {len(lengths)} got no answer: {got}")
            assert got.prompt_tokens == alone.prompt_tokens and got.finish_reason, (
                f"user {number} of {len(lengths)} sent {alone.prompt_tokens} tokens; the answer has "
                f"{got.prompt_tokens} prompt tokens and the finish reason {got.finish_reason!r}\n"
                f"{got.exchange.describe()}"
            )


def ask_lengths_concurrently(
    endpoint: ChatEndpoint, users: int, *, stream: bool, timeout: float
) -> PromptLengthProbe:
    """So many users send prompts of different lengths: one after the other, then at the same moment."""
    requests = [
        ChatRequest(({"role": "user", "content": " ".join([WORD] * number)},), limit=FEW_TOKENS)
        for number in range(1, users + 1)
    ]

    alone = tuple(endpoint.ask(request, stream=stream, timeout=timeout) for request in requests)
    ask = partial(_ask, endpoint, stream=stream, timeout=timeout)
    return PromptLengthProbe(alone, tuple(run_concurrently(ask, requests)))
