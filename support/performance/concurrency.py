"""Concurrent users with different prompts: each has to get the answer to their own, or a busy error."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from support.chat.checks import check_error_form
from support.chat.client import Answer, ChatEndpoint, ChatRequest
from support.errors import CheckFailed, SeveralFailures
from support.models.script import Script

T = TypeVar("T")
R = TypeVar("R")
# Statuses of a server at its limit: too many requests, or busy (RFC 6585, RFC 9110).
BUSY = (429, 503)
SHOWN = 3
# Shorter common endings can be chance: a full stop, "the".
LEAST_COMMON = 8
# A text of so many pieces of answers is a mix of them, when a piece has so many characters on average.
LEAST_PIECES, MOST_PIECES, PIECE_CHARACTERS = 2, 8, 3
# Rows of the script whose answers are too long for many concurrent users, or have no end.
EXCLUDED_KEYWORDS = ("story", "forever")
MAX_KEYWORDS = 16
# With any tokenizer, each repetition adds tokens.
WORD, FEW_TOKENS = "hello", 8


@dataclass(frozen=True)
class UserOutcome:
    """A user's answer after so many seconds, or what went wrong; `busy`: rejected with a status of `BUSY`."""

    seconds: float
    text: str = ""
    error: str = ""
    busy: bool = False


@dataclass(frozen=True)
class ConcurrentAnswers:
    """The keyword and the outcome of each user. `answers`: keyword -> scripted answer."""

    users: tuple[tuple[str, UserOutcome], ...]
    answers: Mapping[str, str]

    def require_own_answers(self) -> None:
        """Raises AssertionError unless each user got the answer to their own question."""
        self._require_right("a wrong answer", [user for user in self.users if not self._is_right(*user)])

    def require_served_or_busy(self) -> None:
        """At least one user got the right answer; the others too, or a busy error in the form of the API."""
        served = [user for user in self.users if not user[1].busy]
        wrong = [user for user in served if not self._is_right(*user)]
        self._require_right("neither the right answer nor a busy error", wrong)
        if not served:
            raise CheckFailed(f"all {len(self.users)} users were rejected")

    def _is_right(self, keyword: str, outcome: UserOutcome) -> bool:
        return outcome.text == self.answers[keyword]

    def _require_right(self, problem: str, wrong: Sequence[tuple[str, UserOutcome]]) -> None:
        """Raises `SeveralFailures` with the number of wrong answers; its message has some of them."""
        found = [self._describe(*user) for user in wrong]
        if found:
            heading = f"{len(found)} of {len(self.users)} users got {problem}:"
            raise SeveralFailures("\n".join([heading, *found[:SHOWN]]), found)

    def _describe(self, keyword: str, outcome: UserOutcome) -> str:
        if not outcome.text:
            return f"  {keyword}: {outcome.error or 'a busy error'}"
        ends = {other: answer[-LEAST_COMMON:] for other, answer in self.answers.items() if other != keyword}
        others = [
            other
            for other, end in sorted(ends.items())
            if len(end) == LEAST_COMMON and outcome.text.endswith(end)
        ]
        mixed = is_mixed(outcome.text, self.answers.values())
        mixed_up = (
            f" (the end of: {', '.join(others)})"
            if others
            else " (pieces of several answers)"
            if mixed
            else ""
        )
        return f"  {keyword}: got {outcome.text!r}{mixed_up}, expected {self.answers[keyword]!r}"


def keyword_answers(script: Script) -> Mapping[str, str]:
    """Keywords for concurrent users, with their answers: the first rows of the script."""
    rows = [row for row in script.rows if row.keyword not in EXCLUDED_KEYWORDS]
    return {row.keyword: row.answer for row in rows[:MAX_KEYWORDS]}


def is_mixed(text: str, answers: Iterable[str]) -> bool:
    """Whether the text consists of a few pieces of these answers."""
    known, pieces, start = list(answers), 0, 0
    while start < len(text):
        end = start
        while end < len(text) and any(text[start : end + 1] in answer for answer in known):
            end += 1
        if end == start:
            return False
        start, pieces = end, pieces + 1
    return LEAST_PIECES <= pieces <= MOST_PIECES and len(text) >= PIECE_CHARACTERS * pieces


def run_concurrently(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The same work for every item, started at the same moment, each in its own thread."""
    gate = threading.Barrier(len(items))

    def begin(item: T) -> R:
        gate.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(begin, items))


def ask_concurrently(
    endpoint: ChatEndpoint, answers: Mapping[str, str], users: int, *, stream: bool, timeout: float
) -> ConcurrentAnswers:
    """So many users ask at the same moment, each about one of the keywords in turn."""
    keywords = list(answers)

    def ask(number: int) -> tuple[str, UserOutcome]:
        keyword = keywords[number % len(keywords)]
        request = ChatRequest(({"role": "user", "content": f"Tell me about the {keyword}"},))
        return keyword, ask_as_user(endpoint, request, stream=stream, timeout=timeout)

    return ConcurrentAnswers(tuple(run_concurrently(ask, range(users))), answers)


def ask_as_user(
    endpoint: ChatEndpoint, chat_request: ChatRequest, *, stream: bool, timeout: float
) -> UserOutcome:
    """Ask once; a failure is an outcome."""
    start = time.monotonic()
    with contextlib.closing(endpoint.client(timeout)) as client:
        try:
            exchange = client.post(endpoint.protocol.path, endpoint.request(chat_request, stream=stream))
            if exchange.status in BUSY:
                check_error_form(endpoint.name, exchange, endpoint.protocol.api.title)
                return UserOutcome(time.monotonic() - start, busy=True)
            text = endpoint.read_answer(exchange, stream=stream).text
            return UserOutcome(time.monotonic() - start, text)
        except AssertionError as error:
            return UserOutcome(time.monotonic() - start, error=str(error))


@dataclass(frozen=True)
class PromptLengthProbe:
    """Prompts of different lengths, sent one after another and at once: token counts have to agree."""

    sequential: tuple[Answer, ...]
    concurrent: tuple[Answer | AssertionError, ...]

    def require_own_answers(self) -> None:
        """Raises AssertionError for a missing answer, or one to a prompt of another length."""
        lengths = [answer.prompt_tokens for answer in self.sequential]
        if not (len(set(lengths)) == len(lengths) and all(lengths)):
            raise CheckFailed(f"the prompts have no different token counts: {lengths}")
        for number, (alone, got) in enumerate(zip(self.sequential, self.concurrent, strict=True), 1):
            if isinstance(got, AssertionError):
                raise CheckFailed(f"user {number} of {len(lengths)} got no answer: {got}")
            if not (got.prompt_tokens == alone.prompt_tokens and got.finish_reason):
                raise CheckFailed(
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

    def ask(request: ChatRequest) -> Answer | AssertionError:
        try:
            return endpoint.ask(request, stream=stream, timeout=timeout)
        except AssertionError as error:
            return error

    alone = tuple(endpoint.ask(request, stream=stream, timeout=timeout) for request in requests)
    return PromptLengthProbe(alone, tuple(run_concurrently(ask, requests)))
