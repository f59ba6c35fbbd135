"""Requests as bytes, each with a prompt that no cache can know.

A prefix cache compares prompts from their start. So the salt stands at the head and is new in each request,
also in a run with the seed of another one: a repeated prompt makes the time to first token that of the cache
(vLLM's issue 54227: 49 times shorter). Only a plan with a salt of its own repeats prompts, to send them to
another server, and only a plan with a prefix has words that a cache may know.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from support.performance.load.plan import LoadPlan

# Short words of one token each in most vocabularies.
_WORDS = (
    *("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school"),
    *("state", "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week"),
    *("company", "system", "program", "question", "work", "government", "number", "night", "point", "home"),
    *("water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right", "study", "book"),
    *("eye", "job", "word", "business", "issue", "side", "kind", "head", "house", "service", "friend"),
)
PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat"}


Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """Head and body in one piece, so that one system call sends them. `turn` of its conversation, from 1."""

    data: bytes
    output_tokens: int
    turn: int = 1


class Prompts:
    """Each of so many words, the first one its salt; a seed repeats the others, a salt the salts.

    `prefix_words`: before them, the same in each prompt: those of `prefix`, or made up, the first one a salt.
    """

    def __init__(
        self, seed: int | None, salt: str | None = None, prefix_words: int = 0, prefix: str = ""
    ) -> None:
        self._chance, self._salts = random.Random(seed), _salts(salt)
        first = next(self._salts)
        made = [first, *self._chance.choices(_WORDS, k=prefix_words - 1)] if prefix_words else []
        self.prefix = prefix or " ".join(made)

    def next(self, words: int) -> str:
        own = [next(self._salts), *self._chance.choices(_WORDS, k=words - 1)]
        return " ".join([*([self.prefix] if self.prefix else []), *own])


def _salts(salt: str | None) -> Iterator[str]:
    """Sixteen digits each, without end."""
    for number in itertools.count():
        yield hashlib.sha256(f"{salt} {number}".encode()).hexdigest()[:16] if salt else secrets.token_hex(8)


class RequestMaker:
    """Makes the requests of a plan, each with a prompt of its own."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self._prompts = Prompts(plan.seed, plan.salt, plan.prefix_words, plan.prefix)
        parts = urlsplit(plan.url)
        path = parts.path.rstrip("/") + PATHS[plan.api]
        authorization = f"Authorization: Bearer {plan.key}\r\n" if plan.key else ""
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept: text/event-stream, application/x-ndjson\r\n{authorization}Content-Length: "
        ).encode()

    def message(self, words: int) -> Message:
        """Of the user: so many words and the question of the plan."""
        return {"role": "user", "content": f"{self._prompts.next(words)} {self.plan.question}".rstrip()}

    def request(self, messages: Sequence[Message], output_tokens: int, turn: int = 1) -> Request:
        body = json.dumps(self._document(messages, output_tokens)).encode()
        return Request(self._head + b"%d\r\n\r\n" % len(body) + body, output_tokens, turn)

    def requests(self) -> Iterator[Request]:
        """Of an open loop: those of the trace, else all alike and without end."""
        if self.plan.trace:
            for traced in self.plan.trace:
                yield self.request([self.message(traced.input_length)], traced.output_length)
            return
        while True:
            yield self.request([self.message(self.plan.prompt_words)], self.plan.output_tokens)

    def _document(self, messages: Sequence[Message], output_tokens: int) -> dict[str, Any]:
        plan = self.plan
        first = [{"role": "system", "content": plan.system}] if plan.system else []
        document: dict[str, Any] = {"model": plan.model, "messages": [*first, *messages], "stream": True}
        if plan.api == "openai":
            document |= {"max_tokens": output_tokens, "stream_options": {"include_usage": True}}
        else:
            document |= {"options": {"num_predict": output_tokens}}
        return {**document, **plan.extra}


class Conversation:
    """The requests of one user of a closed loop: in each turn all that was said before, up to `turns`."""

    def __init__(self, maker: RequestMaker) -> None:
        self._maker = maker
        self._messages: list[Message] = []
        self._turn = 0

    @property
    def goes_on(self) -> bool:
        """Whether another turn follows: only then is the text of the answer needed."""
        return self._turn < self._maker.plan.turns

    def next_request(self) -> Request:
        """Of the next turn, or the first one of another conversation."""
        if not self.goes_on or not self._turn:
            self._messages, self._turn = [], 0
        self._turn += 1
        plan = self._maker.plan
        self._messages.append(self._maker.message(plan.prompt_words))
        return self._maker.request(self._messages, plan.output_tokens, self._turn)

    def add_answer(self, text: str | None) -> None:
        """What the server has answered; None for an answer that failed: the conversation ends."""
        if text is None:
            self._turn = 0
        else:
            self._messages.append({"role": "assistant", "content": text})
