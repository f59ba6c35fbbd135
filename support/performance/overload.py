"""More users than a server takes: each gets the right answer, or is refused as busy."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from support.chat.client import ChatEndpoint, ChatRequest
from support.conformance.error_forms import require_error_form
from support.performance.concurrency import request_about, run_concurrently

# Statuses of a server at its limit: too many requests, or busy (RFC 6585, RFC 9110).
BUSY = (429, 503)


@dataclass(frozen=True)
class UserOutcome:
    """A user's answer after so many seconds, or what went wrong; `busy`: refused with a status of `BUSY`."""

    seconds: float
    text: str = ""
    error: str = ""
    busy: bool = False


@dataclass(frozen=True)
class OverloadResult:
    """For each user the right answer, and the outcome."""

    outcomes: tuple[tuple[str, UserOutcome], ...]

    def require_served_or_busy(self) -> None:
        """At least one user got the right answer; the others too, or a refusal in the form of their API."""
        outcomes = self.outcomes
        wrong = [
            user.error or f"{user.text!r}, expected {right!r}"
            for right, user in outcomes
            if not user.busy and user.text != right
        ]
        assert not wrong, (
            f"{len(wrong)} of {len(outcomes)} users got neither the right answer nor a refusal: {wrong[0]}"
        )
        assert any(not user.busy for _, user in outcomes), f"all {len(outcomes)} users were refused"


def overload(
    endpoint: ChatEndpoint, answers: Mapping[str, str], users: int, *, stream: bool, timeout: float
) -> OverloadResult:
    """So many users ask at once, each about one of the keywords in turn. `answers`: keyword -> answer."""
    keywords = list(answers)

    def ask(number: int) -> tuple[str, UserOutcome]:
        keyword = keywords[number % len(keywords)]
        return answers[keyword], ask_as_user(endpoint, request_about(keyword), stream=stream, timeout=timeout)

    return OverloadResult(tuple(run_concurrently(ask, range(users))))


def ask_as_user(
    endpoint: ChatEndpoint, chat_request: ChatRequest, *, stream: bool, timeout: float
) -> UserOutcome:
    """Ask once; a failure is an outcome."""
    start = time.monotonic()
    with contextlib.closing(endpoint.client(timeout)) as client:
        try:
            exchange = client.post(endpoint.protocol.path, endpoint.request(chat_request, stream=stream))
            if exchange.status in BUSY:
                require_error_form(endpoint.name, exchange, endpoint.protocol.api.title)
                return UserOutcome(time.monotonic() - start, busy=True)
            return UserOutcome(
                time.monotonic() - start, text=endpoint.read_answer(exchange, stream=stream).text
            )
        except AssertionError as error:
            return UserOutcome(time.monotonic() - start, error=str(error))
