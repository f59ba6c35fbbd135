"""What users of the API do in a scenario: talk, ask again as a stream, have a text continued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from support.results.must_check import Observed

if TYPE_CHECKING:
    from support.chat.client import Answer, OpenAiApi

# Long enough for every scripted answer, short enough to end a model that does not stop.
ROOM = 1000
# A trained model may talk on for long; its first words tell enough.
SHORT = {"max_tokens": 16}


class Conversation:
    """Messages so far, and every answer with what it was given to."""

    def __init__(self, api: Callable[[], OpenAiApi]) -> None:
        self._api = api
        self.messages: list[dict[str, str]] = []
        self.answers: Observed[Answer] = Observed("answer")
        self.asked: list[dict[str, str]] = []
        self._again: Callable[[], Answer] | None = None

    def system(self, text: str) -> None:
        """Begin with a system message."""
        self.messages.append({"role": "system", "content": text})

    def say(self, text: str) -> None:
        """Have a turn whose answer belongs to the past."""
        self.messages.append({"role": "user", "content": text})
        answer = self._api().chat(self.messages, max_tokens=ROOM)
        self.messages.append({"role": "assistant", "content": answer.text})

    def forget(self) -> None:
        """Begin anew."""
        self.messages = []

    def ask(self, question: str, options: Mapping[str, Any] | None = None, times: int = 1) -> None:
        """Ask after what was said so far; the answers are kept for the checks."""
        self.asked = [*self.messages, {"role": "user", "content": question}]
        messages, wanted = list(self.asked), {"max_tokens": ROOM, **(options or {})}
        self._again = lambda: self._api().chat(messages, **{**wanted, "stream": True})
        answers = [self._api().chat(messages, **wanted) for _ in range(times)]
        self._keep(answers)

    def continue_text(self, prompt: str, question: str, options: Mapping[str, Any] | None = None) -> None:
        """Have a text continued that holds this question."""
        self.asked = [{"role": "user", "content": question}]
        wanted = {"max_tokens": ROOM, **(options or {})}
        self._again = lambda: self._api().complete(prompt, **{**wanted, "stream": True})
        self._keep([self._api().complete(prompt, **wanted)])

    def again_as_stream(self) -> None:
        """The same request once more, streamed."""
        assert self._again is not None, "a step that asks something has to come first"
        self._keep([self._again()])

    def tries(self, most: int) -> Iterator[Answer]:
        """The latest answer, then the same request again, as long as somebody wants more of them."""
        yield self.answers.get()
        for _ in range(most - 1):
            self.again_as_stream()
            yield self.answers.get()

    def _keep(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            # Answers of one scenario are compared with each other at its end: one look is a look at all.
            self.answers.add(answer)
