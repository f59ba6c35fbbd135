"""A conversation over every route of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from support.chat.client import Answer, ChatEndpoint, ChatRequest
from support.results.safe_text import difference

STREAM_MODES = (False, True)


@dataclass(frozen=True)
class ComparedAnswers:
    """What the routes said, each as a whole answer and as a stream."""

    chat_request: ChatRequest
    whole: tuple[Answer, ...]
    streamed: tuple[Answer, ...]

    def require_same_text(self) -> None:
        """Every route said the same and ended for the same reason."""
        require_equal_answers(self.whole, lambda said: said.text, "the texts")
        require_equal_answers(self.whole, lambda said: said.finish_reason, "the reasons to end")

    def require_text(self, expected: str) -> None:
        """They said this; raises AssertionError that names the route."""
        for said in self.whole:
            assert said.text == expected, (
                f"{difference(f'the answer of {said.endpoint}', expected, said.text)}\n"
                f"{said.exchange.describe()}"
            )

    def require_finish_reason(self, reason: str) -> None:
        """They ended for this reason."""
        for said in (*self.whole, *self.streamed):
            assert said.finish_reason == reason, (
                f"{said.endpoint} ended by {said.finish_reason!r}, not {reason!r}\n{said.exchange.describe()}"
            )

    def require_same_counts(self) -> None:
        """Every route counted the same tokens, above zero."""
        require_equal_answers(self.whole, lambda said: said.counts, "the token counts (prompt, answer)")
        assert all(self.whole[0].counts), f"nothing was counted: {self.whole[0]}"

    def require_same_streams(self) -> None:
        """Each stream said, and counted, what its whole answer did."""
        for whole, streamed in zip(self.whole, self.streamed, strict=True):
            require_equal_answers(
                (whole, streamed),
                lambda said: (said.text, said.finish_reason, said.counts),
                f"stream and whole answer of {whole.endpoint}",
            )


def ask_all(endpoints: Sequence[ChatEndpoint], chat_request: ChatRequest, timeout: float) -> ComparedAnswers:
    """Ask one after the other; raises AssertionError when one gives no answer."""
    whole, streamed = (
        tuple(route.ask(chat_request, stream=form, timeout=timeout) for route in endpoints)
        for form in STREAM_MODES
    )
    return ComparedAnswers(chat_request, whole, streamed)


def require_equal_answers(answers: Sequence[Answer], key: Callable[[Answer], object], words: str) -> None:
    """The value is the same for every endpoint; raises AssertionError with the endpoints of each value."""
    assert len(answers) > 1, f"nothing to compare: {len(answers)} answer"
    groups: dict[str, list[str]] = {}
    for answer in answers:
        value = json.dumps(key(answer), ensure_ascii=False, default=repr)
        groups.setdefault(value, []).append(answer.endpoint)
    if len(groups) > 1:
        shown = "\n".join(f"  {', '.join(endpoints)}: {value:.400}" for value, endpoints in groups.items())
        odd = next(answer for answer in answers if key(answer) != key(answers[0]))
        raise AssertionError(f"{words} differ by route:\n{shown}\n{odd.exchange.describe()}")
