"""Many users at once, each with a mark of their own: nobody may get another's answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from support.chat.endpoint import ChatAnswer, ChatEndpoint, ChatRequest

T = TypeVar("T")
R = TypeVar("R")
SHOWN = 3
# Less in common could be chance: a full stop, "the".
LEAST_COMMON = 8
# Of any model and any tokenizer, so many of them are tokens of their own.
WORD, FEW_TOKENS = "hello", 8


class OwnAnswers(Protocol):
    """What concurrent users got."""

    def require_own_answers(self) -> None:
        """Raises AssertionError unless each user got the answer to their own question."""


@dataclass(frozen=True)
class UserResult:
    """One user's mark, what the mark has to be answered with, and what came: an answer or what went wrong."""

    keyword: str
    expected: str
    outcome: ChatAnswer | AssertionError

    @property
    def is_correct(self) -> bool:
        return isinstance(self.outcome, ChatAnswer) and self.outcome.text == self.expected


@dataclass(frozen=True)
class ConcurrentAnswers:
    """What all users got. `answers`: by mark, what each mark is answered with."""

    users: tuple[UserResult, ...]
    answers: Mapping[str, str]

    def require_own_answers(self) -> None:
        """Raises AssertionError with the number of wrong answers, some of them, and whose text they hold."""
        wrong = [user for user in self.users if not user.is_correct]
        if wrong:
            told = "\n".join(self._describe(user) for user in wrong[:SHOWN])
            raise AssertionError(f"{len(wrong)} of {len(self.users)} users got a wrong answer:\n{told}")

    def _describe(self, user: UserResult) -> str:
        if isinstance(user.outcome, AssertionError):
            return f"  {user.keyword}: {user.outcome}"
        strangers = sorted({mark for mark in self.answers if self._has_answer_of(user, mark)})
        whose = f" (the end of: {', '.join(strangers)})" if strangers else ""
        return f"  {user.keyword}: got {user.outcome.text!r}{whose}, expected {user.expected!r}"

    def _has_answer_of(self, user: UserResult, keyword: str) -> bool:
        end = self.answers[keyword][-LEAST_COMMON:]
        assert isinstance(user.outcome, ChatAnswer)
        return keyword != user.keyword and len(end) == LEAST_COMMON and user.outcome.text.endswith(end)


def run_concurrently(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The same work for every item, all begun at the same moment, in threads of their own."""
    gate = threading.Barrier(len(items))

    def begin(item: T) -> R:
        gate.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(begin, items))


def request_about(keyword: str) -> ChatRequest:
    """The question of one user, which the script answers by this mark."""
    return ChatRequest(({"role": "user", "content": f"Tell me about the {keyword}"},))


def ask_concurrently(
    endpoint: ChatEndpoint, answers: Mapping[str, str], users: int, *, stream: bool, timeout: float
) -> ConcurrentAnswers:
    """Let so many users ask at the same moment, each about one of the marks in turn."""
    marks = list(answers)
    asked = [marks[number % len(marks)] for number in range(users)]

    def ask(mark: str) -> UserResult:
        try:
            return UserResult(
                mark, answers[mark], endpoint.ask(request_about(mark), stream=stream, timeout=timeout)
            )
        except AssertionError as error:
            return UserResult(mark, answers[mark], error)

    return ConcurrentAnswers(tuple(run_concurrently(ask, asked)), answers)


@dataclass(frozen=True)
class PromptLengthProbe:
    """Questions of different lengths, asked by one user alone and by all at once: tokens of each prompt.

    Whatever a model answers, it counts the words of the question that it answers.
    """

    sequential: tuple[ChatAnswer, ...]
    concurrent: tuple[ChatAnswer | AssertionError, ...]

    def require_own_answers(self) -> None:
        """Raises AssertionError when somebody got no answer, or one to a question of another length."""
        lengths = [said.prompt_tokens for said in self.sequential]
        assert len(set(lengths)) == len(lengths) and all(lengths), (
            f"questions cannot be told apart: {lengths}"
        )
        for number, (alone, got) in enumerate(zip(self.sequential, self.concurrent, strict=True), 1):
            if isinstance(got, AssertionError):
                raise AssertionError(f"user {number} of {len(lengths)} got no answer: {got}")
            assert got.prompt_tokens == alone.prompt_tokens and got.finish_reason, (
                f"user {number} of {len(lengths)} asked {alone.prompt_tokens} tokens; the answer is one to "
                f"{got.prompt_tokens} tokens and ended by {got.finish_reason!r}\n{got.exchange.describe()}"
            )


def ask_lengths_concurrently(
    endpoint: ChatEndpoint, users: int, *, stream: bool, timeout: float
) -> PromptLengthProbe:
    """Let so many users ask questions of different lengths: one after the other, then at the same moment."""
    talks = [
        ChatRequest(({"role": "user", "content": " ".join([WORD] * number)},), limit=FEW_TOKENS)
        for number in range(1, users + 1)
    ]

    def ask(talk: ChatRequest) -> ChatAnswer | AssertionError:
        try:
            return endpoint.ask(talk, stream=stream, timeout=timeout)
        except AssertionError as error:
            return error

    return PromptLengthProbe(
        tuple(endpoint.ask(talk, stream=stream, timeout=timeout) for talk in talks),
        tuple(run_concurrently(ask, talks)),
    )
