"""Many users at once, each with a mark of their own: nobody may get another's answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from support.chat.endpoint import Route, Said, Talk

T = TypeVar("T")
R = TypeVar("R")
SHOWN = 3
# Less in common could be chance: a full stop, "the".
LEAST_COMMON = 8
# Of any model and any tokenizer, so many of them are tokens of their own.
WORD, FEW_TOKENS = "hello", 8


@dataclass(frozen=True)
class Asked:
    """One user's mark, what the mark has to be answered with, and what came: an answer or what went wrong."""

    mark: str
    expected: str
    got: Said | AssertionError

    @property
    def right(self) -> bool:
        return isinstance(self.got, Said) and self.got.text == self.expected


@dataclass(frozen=True)
class Crowd:
    """What all users got. `answers`: by mark, what each mark is answered with."""

    users: tuple[Asked, ...]
    answers: Mapping[str, str]

    def require_own_answers(self) -> None:
        """Raises AssertionError with the number of wrong answers, some of them, and whose text they hold."""
        wrong = [user for user in self.users if not user.right]
        if wrong:
            told = "\n".join(self._told(user) for user in wrong[:SHOWN])
            raise AssertionError(f"{len(wrong)} of {len(self.users)} users got a wrong answer:\n{told}")

    def _told(self, user: Asked) -> str:
        if isinstance(user.got, AssertionError):
            return f"  {user.mark}: {user.got}"
        strangers = sorted({mark for mark in self.answers if self._borrowed(user, mark)})
        whose = f" (the end of: {', '.join(strangers)})" if strangers else ""
        return f"  {user.mark}: got {user.got.text!r}{whose}, expected {user.expected!r}"

    def _borrowed(self, user: Asked, mark: str) -> bool:
        end = self.answers[mark][-LEAST_COMMON:]
        assert isinstance(user.got, Said)
        return mark != user.mark and len(end) == LEAST_COMMON and user.got.text.endswith(end)


def at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The same work for every item, all begun at the same moment, in threads of their own."""
    gate = threading.Barrier(len(items))

    def begin(item: T) -> R:
        gate.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(begin, items))


def asking_about(mark: str) -> Talk:
    """The question of one user, which the script answers by this mark."""
    return Talk(({"role": "user", "content": f"Tell me about the {mark}"},))


def ask_at_once(
    route: Route, answers: Mapping[str, str], users: int, *, stream: bool, within: float
) -> Crowd:
    """Let so many users ask at the same moment, each about one of the marks in turn."""
    marks = list(answers)
    asked = [marks[number % len(marks)] for number in range(users)]

    def ask(mark: str) -> Asked:
        try:
            return Asked(mark, answers[mark], route.ask(asking_about(mark), stream, within=within))
        except AssertionError as error:
            return Asked(mark, answers[mark], error)

    return Crowd(tuple(at_once(ask, asked)), answers)


@dataclass(frozen=True)
class Lengths:
    """Questions of different lengths, asked by one user alone and by all at once: tokens of each prompt.

    Whatever a model answers, it counts the words of the question that it answers.
    """

    alone: tuple[Said, ...]
    together: tuple[Said | AssertionError, ...]

    def require_own_questions(self) -> None:
        """Raises AssertionError when somebody got no answer, or one to a question of another length."""
        lengths = [said.prompt_tokens for said in self.alone]
        assert len(set(lengths)) == len(lengths) and all(lengths), (
            f"questions cannot be told apart: {lengths}"
        )
        for number, (alone, got) in enumerate(zip(self.alone, self.together, strict=True), 1):
            if isinstance(got, AssertionError):
                raise AssertionError(f"user {number} of {len(lengths)} got no answer: {got}")
            assert got.prompt_tokens == alone.prompt_tokens and got.end, (
                f"user {number} of {len(lengths)} asked {alone.prompt_tokens} tokens; the answer is one to "
                f"{got.prompt_tokens} tokens and ended by {got.end!r}\n{got.exchange.describe()}"
            )


def ask_lengths_at_once(route: Route, users: int, *, stream: bool, within: float) -> Lengths:
    """Let so many users ask questions of different lengths: one after the other, then at the same moment."""
    talks = [
        Talk(({"role": "user", "content": " ".join([WORD] * number)},), limit=FEW_TOKENS)
        for number in range(1, users + 1)
    ]

    def ask(talk: Talk) -> Said | AssertionError:
        try:
            return route.ask(talk, stream, within=within)
        except AssertionError as error:
            return error

    return Lengths(
        tuple(route.ask(talk, stream, within=within) for talk in talks), tuple(at_once(ask, talks))
    )
