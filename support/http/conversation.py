"""What users of the API do in a scenario: talk, ask again as a stream, have a text continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from support.http.openai import Answer, OpenAiApi
from support.observed import Observed

# Long enough for every scripted answer, short enough to end a model that does not stop.
ROOM = 1000


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

    def ask(self, question: str, options: Mapping[str, Any] | None = None, times: int = 1) -> Answer:
        """Ask after what was said so far; the latest answer is returned, all are kept for the checks."""
        self.asked = [*self.messages, {"role": "user", "content": question}]
        messages, wanted = list(self.asked), {"max_tokens": ROOM, **(options or {})}
        self._again = lambda: self._api().chat(messages, **{**wanted, "stream": True})
        answers = [self._api().chat(messages, **wanted) for _ in range(times)]
        self._keep(answers)
        return answers[-1]

    def continue_text(self, prompt: str, question: str, options: Mapping[str, Any] | None = None) -> Answer:
        """Have a text continued that holds this question."""
        self.asked = [{"role": "user", "content": question}]
        wanted = {"max_tokens": ROOM, **(options or {})}
        self._again = lambda: self._api().complete(prompt, **{**wanted, "stream": True})
        answer = self._api().complete(prompt, **wanted)
        self._keep([answer])
        return answer

    def again_as_stream(self) -> Answer:
        """The same request once more, streamed."""
        assert self._again is not None, "a step that asks something has to come first"
        self.answers.all()
        answer = self._again()
        self._keep([answer])
        return answer

    def _keep(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self.answers.all()
            self.answers.set(answer)
