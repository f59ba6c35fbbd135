"""Checks of answers: each says what was expected, what came, and how to ask again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from support.results.safe_text import difference

if TYPE_CHECKING:
    from support.chat.client import Answer


def check_text(answer: Answer, expected: str) -> None:
    """The answer is this text, to the letter."""
    assert answer.text == expected, (
        f"{difference('the answer', expected, answer.text)}\n{answer.exchange.describe()}"
    )


def check_mentions(answer: Answer, words: str) -> None:
    """The answer is not empty and contains these words."""
    assert answer.text.strip() and words in answer.text, (
        f"expected a text with {words!r}, got {answer.text!r}\n{answer.exchange.describe()}"
    )


def check_finish(answers: Sequence[Answer], reason: str) -> None:
    """Every answer gives this finish reason (OpenAI: `stop` by itself or a stop sequence, `length` cut)."""
    for answer in answers:
        assert answer.finish_reason == reason, (
            f"expected the finish reason {reason!r}, got {answer.finish_reason!r}\n"
            f"{answer.exchange.describe()}"
        )


def check_same_text(answers: Sequence[Answer]) -> None:
    """There are several answers, and all are one text."""
    for first, other in _pairs_with_first(answers):
        assert other.text == first.text, (
            f"the answers differ: {difference('the first text again', first.text, other.text)}\n"
            f"{other.exchange.describe()}"
        )


def check_same_counts(answers: Sequence[Answer]) -> None:
    """There are several answers, and all report the same token counts."""
    for first, other in _pairs_with_first(answers):
        assert other.token_counts == first.token_counts, (
            f"the token counts differ: {first.token_counts} and {other.token_counts}\n"
            f"{other.exchange.describe()}"
        )


def _pairs_with_first(answers: Sequence[Answer]) -> Iterator[tuple[Answer, Answer]]:
    """The first answer with each other one; AssertionError when there is no other."""
    assert len(answers) > 1, f"nothing to compare: {len(answers)} answer"
    return ((answers[0], other) for other in answers[1:])


def check_counts(answer: Answer, prompt: int, completion: Sequence[int]) -> None:
    """The counts are these; for the completion one of several (the end token may be counted)."""
    spent = answer.token_counts
    assert spent.prompt_tokens == prompt and spent.completion_tokens in completion, (
        f"expected {prompt} prompt tokens and {' or '.join(map(str, completion))} completion tokens, "
        f"got {spent}\n{answer.exchange.describe()}"
    )


def check_counts_positive(answer: Answer) -> None:
    """Prompt and completion were counted; that the total is their sum is part of the contract."""
    spent = answer.token_counts
    assert spent.prompt_tokens > 0 and spent.completion_tokens > 0, (
        f"expected counts above zero, got {spent}\n{answer.exchange.describe()}"
    )


def check_length(answer: Answer, tokens: int) -> None:
    """Exactly this many tokens were made."""
    made = answer.token_counts.completion_tokens
    assert made == tokens, f"expected {tokens} tokens, got {made}\n{answer.exchange.describe()}"


def check_seconds(answer: Answer, limit: float) -> None:
    """The whole answer was there within the limit in seconds."""
    took = answer.exchange.seconds
    assert took <= limit, f"expected the answer within {limit} s, it took {took:.1f} s"


def check_prompt_grew(answers: Sequence[Answer]) -> None:
    """The last question counted more prompt tokens than the first."""
    first, last = answers[0].token_counts.prompt_tokens, answers[-1].token_counts.prompt_tokens
    assert last > first, (
        f"expected more than {first} prompt tokens, got {last}\n{answers[-1].exchange.describe()}"
    )


def check_chunks(answer: Answer, least: int) -> None:
    """The stream brought at least so many pieces of text."""
    assert answer.chunks >= least, (
        f"expected at least {least} pieces, got {answer.chunks}\n{answer.exchange.describe()}"
    )


def check_first_chunk_early(attempts: Iterable[Answer]) -> None:
    """In one of the tries the first bytes came before half of the time had passed: nobody holds answers back.

    One try may meet a machine that had no time to read; a server that collects its answer fails all of them.
    """
    seen = []
    for answer in attempts:
        chunks = answer.exchange.chunks
        first, last = chunks[0][0], chunks[-1][0]
        if first < last / 2:
            return
        seen.append(f"{first * 1000:.1f} ms of {last * 1000:.1f} ms")
    raise AssertionError(f"expected the first piece before half of the time, it came at {', '.join(seen)}")
