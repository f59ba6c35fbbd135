"""What users of the API do in a scenario: talk, ask again as a stream, have a text continued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from support.results.must_check import MustCheck

if TYPE_CHECKING:
    from support.chat.client import Answer, OpenAiApi

# Long enough for every scripted answer, short enough to end a model that does not stop.
MAX_TOKENS = 1000
# A trained model may talk on for long; its first words tell enough.
SHORT = {"max_tokens": 16}


class Conversation:
    """Messages so far, and every answer with what it was given to."""

    def __init__(self, api: Callable[[], OpenAiApi]) -> None:
        self._api = api
        self.messages: list[dict[str, str]] = []
        self.answers: MustCheck[Answer] = MustCheck("answer")
        self.last_request: list[dict[str, str]] = []
        self._repeat: Callable[[], Answer] | None = None

    def system(self, text: str) -> None:
        """Begin with a system message."""
        self.messages.append({"role": "system", "content": text})

    def add_turn(self, text: str) -> None:
        """Have a turn whose answer belongs to the past."""
        self.messages.append({"role": "user", "content": text})
        answer = self._api().chat(self.messages, max_tokens=MAX_TOKENS)
        self.messages.append({"role": "assistant", "content": answer.text})

    def reset(self) -> None:
        """Begin anew."""
        self.messages = []

    def ask(self, question: str, options: Mapping[str, Any] | None = None, times: int = 1) -> None:
        """Ask after what was said so far; the answers are kept for the checks."""
        self.last_request = [*self.messages, {"role": "user", "content": question}]
        messages, wanted = list(self.last_request), {"max_tokens": MAX_TOKENS, **(options or {})}
        self._repeat = lambda: self._api().chat(messages, **{**wanted, "stream": True})
        answers = [self._api().chat(messages, **wanted) for _ in range(times)]
        self._add_answers(answers)

    def continue_text(self, prompt: str, question: str, options: Mapping[str, Any] | None = None) -> None:
        """Have a text continued that holds this question."""
        self.last_request = [{"role": "user", "content": question}]
        wanted = {"max_tokens": MAX_TOKENS, **(options or {})}
        self._repeat = lambda: self._api().complete(prompt, **{**wanted, "stream": True})
        self._add_answers([self._api().complete(prompt, **wanted)])

    def repeat_streamed(self) -> None:
        """The same request once more, streamed."""
        assert self._repeat is not None, "a step that asks something has to come first"
        self._add_answers([self._repeat()])

    def repeat_until(self, limit: int) -> Iterator[Answer]:
        """The latest answer, then the same request again, as long as somebody wants more of them."""
        yield self.answers.get()
        for _ in range(limit - 1):
            self.repeat_streamed()
            yield self.answers.get()

    def _add_answers(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            # Answers of one scenario are compared with each other at its end: one look is a look at all.
            self.answers.add(answer)
