"""Checks of answers and errors: a failure has the expected and actual value, and the command to repeat it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from support.errors import CheckFailed
from support.http.exchange import Exchange, NotJson
from support.results.safe_text import difference
from support.results.scenario_result import ScenarioResult

if TYPE_CHECKING:
    from support.chat.client import Answer

COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "more tokens than": operator.gt,
    "as many tokens as": operator.eq,
}


def check_text(answer: Answer, expected: str) -> None:
    """The answer is this text, to the letter."""
    what = f"the answer of {answer.endpoint}"
    if answer.text != expected:
        raise CheckFailed(f"{difference(what, expected, answer.text)}\n{answer.exchange.describe()}")


def check_mentions(answer: Answer, words: str) -> None:
    """The answer is not empty and contains these words."""
    if not (answer.text.strip() and words in answer.text):
        raise CheckFailed(
            f"expected a text with {words!r}, got {answer.text!r}\n{answer.exchange.describe()}"
        )


def check_finish(answers: Sequence[Answer], reason: str) -> None:
    """Every answer gives this finish reason (OpenAI: `stop` by itself or a stop sequence, `length` cut)."""
    for answer in answers:
        if answer.finish_reason != reason:
            raise CheckFailed(
                f"{answer.endpoint}: expected the finish reason {reason!r}, got {answer.finish_reason!r}\n"
                f"{answer.exchange.describe()}"
            )


def check_same_text(answers: Sequence[Answer]) -> None:
    """There are several answers, and all are one text."""
    check_equal(answers, lambda answer: answer.text, "the texts")


def check_same_counts(answers: Sequence[Answer]) -> None:
    """There are several answers, and all report the same token counts."""
    check_equal(answers, lambda answer: answer.token_counts, "the token counts")


def check_equal(answers: Sequence[Answer], value_of: Callable[[Answer], object], what: str) -> None:
    """There are several answers, and all have one value; the error has the endpoints of each value."""
    if len(answers) <= 1:
        raise CheckFailed(f"nothing to compare: {len(answers)} answer")
    endpoints: dict[str, list[str]] = {}
    for answer in answers:
        value = value_of(answer)
        endpoints.setdefault(value if isinstance(value, str) else repr(value), []).append(answer.endpoint)
    (first, with_first), *others = endpoints.items()
    if others:
        shown = [f"{', '.join(names)}: {difference('the same', first, value)}" for value, names in others]
        odd = next(answer for answer in answers if value_of(answer) != value_of(answers[0]))
        lines = "\n  ".join([*shown, f"{', '.join(with_first)}: {first!r:.400}"])
        raise CheckFailed(f"{what} differ: {lines}\n{odd.exchange.describe()}")


def check_counts(answer: Answer, prompt: int, completion: Sequence[int]) -> None:
    """The counts are these; for the completion one of several (the end token may be counted)."""
    spent = answer.token_counts
    if not (spent.prompt_tokens == prompt and spent.completion_tokens in completion):
        raise CheckFailed(
            f"expected {prompt} prompt tokens and {' or '.join(map(str, completion))} completion tokens, "
            f"got {spent}\n{answer.exchange.describe()}"
        )


def check_counts_positive(answer: Answer) -> None:
    """Prompt and completion were counted; that the total is their sum is part of the contract."""
    spent = answer.token_counts
    if not (spent.prompt_tokens > 0 and spent.completion_tokens > 0):
        raise CheckFailed(f"expected counts above zero, got {spent}\n{answer.exchange.describe()}")


def check_length(answers: Sequence[Answer], tokens: int) -> None:
    """Every answer has exactly this many tokens."""
    for answer in answers:
        made = answer.token_counts.completion_tokens
        if made != tokens:
            raise CheckFailed(f"expected {tokens} tokens, got {made}\n{answer.exchange.describe()}")


def check_seconds(answers: Sequence[Answer], limit: float) -> None:
    """Every answer was complete within the limit in seconds."""
    for answer in answers:
        took = answer.exchange.seconds
        if took > limit:
            raise CheckFailed(f"expected the answer within {limit} s, it took {took:.1f} s")


def check_complete(answer: Answer) -> None:
    """The answer has text, and ended by itself, by a stop sequence or by a limit."""
    if not (answer.text.strip() and answer.finish_reason in ("stop", "length")):
        raise CheckFailed(
            f"expected a text that ends by `stop` or `length`, got {answer.text!r} and "
            f"{answer.finish_reason!r}\n{answer.exchange.describe()}"
        )


def compare_prompts(result: ScenarioResult, first: str, comparison: str, second: str) -> None:
    """The first prompt has more tokens than the second, or as many (`COMPARISONS`)."""
    (one, description), (other, _) = result.prompt_tokens(first), result.prompt_tokens(second)
    if not COMPARISONS[comparison](one, other):
        raise CheckFailed(
            f"expected {comparison} the {other} prompt tokens of {second}, got {one} for {first}\n"
            f"{description}"
        )


def check_chunks(answer: Answer, least: int) -> None:
    """The text of the stream arrived in at least so many chunks."""
    if answer.chunks < least:
        raise CheckFailed(
            f"expected at least {least} chunks, got {answer.chunks}\n{answer.exchange.describe()}"
        )


def is_first_chunk_early(answer: Answer) -> bool:
    """The first bytes of the answer arrive in the first half of its response time."""
    first, last = _first_and_last(answer)
    return first < last / 2


def check_first_chunk_early(answers: Sequence[Answer]) -> None:
    """At least one first chunk is early; a server that buffers its answers fails all of them."""
    if not any(map(is_first_chunk_early, answers)):
        moments = [_first_and_last(answer) for answer in answers[-5:]]
        seen = ", ".join(f"{first * 1000:.1f} ms of {last * 1000:.1f} ms" for first, last in moments)
        raise CheckFailed(
            "expected the first chunk in the first half of the response time, "
            f"in the last of {len(answers)} answers it arrived at {seen}"
        )


def check_error_form(endpoint: str, exchange: Exchange, api: str) -> None:
    """An error in the form of this API (OpenAI, Ollama), with a message. `endpoint`: its name in the failure.

    Sources: OpenAI's API reference, Errors (`{"error": {"message", "type", ...}}`); Ollama's
    docs/api/errors.mdx (`{"error": "<text>"}`).
    """
    try:
        document = exchange.json()
    except NotJson:
        document = None
    message = document.get("error") if isinstance(document, dict) else None
    if api == "OpenAI":
        message = message.get("message") if isinstance(message, dict) else None
    if not (exchange.status >= 400 and isinstance(message, str) and message.strip()):
        raise CheckFailed(
            f"{endpoint}: expected an error in the form of the {api} API\n{exchange.describe()}"
        )


def _first_and_last(answer: Answer) -> tuple[float, float]:
    chunks = answer.exchange.chunks
    return chunks[0][0], chunks[-1][0]
