"""The conversation of a scenario: its messages, requests and answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from support.chat import checks
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.units import JsonMapping

if TYPE_CHECKING:
    from support.chat.client import Answer, ChatClient
    from support.suite import RunContext

# Long enough for every scripted answer, short enough to end a model that does not stop.
MAX_TOKENS = 1000


QUESTIONS = ("the first question", "the second question")
# The two requests, by their names in the features.
CHAT, COMPLETION = REQUESTS = ("user asks", "client requests a completion of")


class Conversation(ScenarioResult):
    """Messages so far, and every answer with its request."""

    kind = "conversation"

    def __init__(self, api: Callable[[], ChatClient], suite: RunContext) -> None:
        self._api = api
        self._suite = suite
        self.messages: list[dict[str, str]] = []
        self.answers: MustCheck[Answer] = MustCheck("answer")
        self.last_request: list[dict[str, str]] = []
        self.earlier: list[Answer] = []

    def system(self, text: str) -> None:
        self.messages.append({"role": "system", "content": text})

    def add_turn(self, text: str) -> None:
        """Have an earlier turn: a message and its answer."""
        self.messages.append({"role": "user", "content": text})
        answer = self._api().chat(self.messages, max_tokens=MAX_TOKENS)
        self.messages.append({"role": "assistant", "content": answer.text})
        self.earlier.append(answer)

    def reset(self) -> None:
        self.messages = []

    @property
    def available(self) -> bool:
        return self.answers.available

    def send(self, kind: str, question: str, options: JsonMapping | None = None, times: int = 1) -> None:
        """Send a question so many times, as a chat or as a completion of the rendered prompt (`REQUESTS`)."""
        self._add_answers(self._request(kind, question, options or {}) for _ in range(times))

    def send_until_early(self, kind: str, question: str, options: JsonMapping, limit: float) -> None:
        """Send a question until a first chunk arrives early, for so many seconds.

        A chunk is read late when the reader gets no CPU time: beside busy programs six times in a row.
        """
        end = time.monotonic() + self._suite.settings.seconds(limit)
        early = False
        while not early and time.monotonic() < end:
            answer = self._request(kind, question, options)
            self.answers.add(answer)
            early = checks.is_first_chunk_early(answer)

    def send_both(self, kind: str, question: str, options: JsonMapping | None = None) -> None:
        """Send a question non-streamed, then streamed."""
        self._add_answers(
            self._request(kind, question, {**(options or {}), **more}) for more in ({}, {"stream": True})
        )

    def ask_each(self, apis: Iterable[ChatClient], question: str, options: JsonMapping) -> None:
        """Ask the same question over several APIs."""
        message = {"role": "user", "content": question}
        self._add_answers(api.chat([message], **options) for api in apis)

    def _request(self, kind: str, question: str, options: JsonMapping) -> Answer:
        api, wanted = self._api(), {"max_tokens": MAX_TOKENS, **options}
        message = {"role": "user", "content": question}
        if kind == COMPLETION:
            self.last_request = [message]
            # Not at the top: numpy comes with it.
            from support.models.llama import chat_prompt

            return api.complete(chat_prompt([message]), **wanted)
        self.last_request = [*self.messages, message]
        return api.chat(self.last_request, **wanted)

    def _add_answers(self, answers: Iterable[Answer]) -> None:
        # The answers of one scenario are compared with each other at its end, so one check covers all.
        for answer in answers:
            self.answers.add(answer)

    # -- checks

    def require_scripted(self) -> None:
        checks.check_text(self.answers.get(), self.expected_answer())

    def require_contains(self, text: str) -> None:
        checks.check_mentions(self.answers.get(), text)

    def require_complete(self) -> None:
        checks.check_complete(self.answers.get())

    def require_equal(self) -> None:
        checks.check_same_text(self.answers.all())

    def require_equal_counts(self) -> None:
        checks.check_same_counts(self.answers.all())

    def require_finish_reason(self, reason: str) -> None:
        checks.check_finish(self.answers.all(), reason)

    def require_chunks(self, least: int) -> None:
        checks.check_chunks(self.answers.get(), least)

    def require_token_counts(self) -> None:
        """Without or with the token that ends the answer."""
        model = self._suite.models.compiled(self._suite.script)
        made = len(model.answer_tokens(model.answer_to(self.last_request)))
        prompt = model.count_prompt(self.last_request)
        checks.check_counts(self.answers.get(), prompt, (made, made + 1))

    def require_timely(self, limit: float) -> None:
        checks.check_seconds(self.answers.all(), self._suite.settings.seconds(limit))

    def expected_answer(self) -> str:
        """The scripted answer to the latest request."""
        return self._suite.script.answer_to_messages(self.last_request)

    def prompt_tokens(self, asked: str) -> tuple[int, str]:
        answer = [*self.earlier, *self.answers.all()][QUESTIONS.index(asked)]
        return answer.token_counts.prompt_tokens, answer.exchange.describe()
