"""What Aider has sent to the model, by the kind of request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from support.http.exchange import Exchange
from support.units import DURATION, JsonObject, seconds

# The ends of the paths that answers come from; others (`/api/show`) are about the model.
CHAT_PATHS = ("/chat/completions", "/api/chat", "/api/generate")
EDIT, COMMIT, SUMMARY = KINDS = ("edit", "commit message", "summary")
# Of a stream, not of a request.
COMMENT, THINKING = "comment", "thinking"
_PARTS = {"comments or more before an answer": COMMENT, "pieces of thinking or more": THINKING}
_WAITS = ", and waits at most "
# What `Traffic.written` reads.
TRAFFIC = rf"requests? for an? (?:{'|'.join(KINDS)})(?:{_WAITS}{DURATION})?|{'|'.join(_PARTS)}"
# In a response or the last event of a stream.
_PROMPT_TOKENS = re.compile(rb'"(?:prompt_tokens|prompt_eval_count)": ?(\d+)')
_ANSWER_TOKENS = re.compile(rb'"(?:completion_tokens|eval_count)": ?(\d+)')
_THINKING = re.compile(rb'"thinking": ?"[^"]')
# A text of the system message that only one kind has (aider/prompts.py).
_SYSTEM_TEXTS = {COMMIT: "generates concise, one-line Git commit messages", SUMMARY: "*Briefly* summarize"}


class Traffic(NamedTuple):
    """What a feature counts: a kind of request, or parts of a stream. `wait`: seconds that Aider may wait."""

    kind: str
    wait: float | None = None

    @classmethod
    def written(cls, text: str) -> Traffic:
        """As features write it: `requests for an edit, and waits at most 1 second`, for instance."""
        counted, _, wait = text.partition(_WAITS)
        kind = _PARTS.get(counted) or re.sub("^requests? for an? ", "", counted)
        return cls(kind, seconds(wait) if wait else None)


@dataclass(frozen=True)
class AiderRequest:
    """A request for an answer. `kind`: one of `KINDS`."""

    kind: str
    exchange: Exchange
    document: JsonObject

    @property
    def text(self) -> str:
        """All messages of the prompt."""
        messages = self.document.get("messages") or []
        return "\n".join(str(message.get("content")) for message in messages)

    @property
    def prompt_tokens(self) -> int | None:
        """The length of the prompt according to the server; None where it does not state it."""
        return self._stated(_PROMPT_TOKENS)

    @property
    def comments_before_answer(self) -> int:
        """Of a stream: lines that only keep the connection alive, before the first event."""
        lines = self.exchange.body.partition(b"data:")[0].splitlines()
        return sum(line.startswith(b":") for line in lines)

    @property
    def thinking_pieces(self) -> int:
        """Of a stream of Ollama's API: the lines with thinking in a field of its own."""
        return len(_THINKING.findall(self.exchange.body))

    @property
    def answer_tokens(self) -> int | None:
        """The length of the answer according to the server; None where it does not state it."""
        return self._stated(_ANSWER_TOKENS)

    def _stated(self, count: re.Pattern[bytes]) -> int | None:
        found = count.findall(self.exchange.body)
        return int(found[-1]) if found else None

    @property
    def context_size(self) -> int | None:
        """Tokens, which Aider requests over the Ollama API."""
        size: int | None = (self.document.get("options") or {}).get("num_ctx")
        return size


def aider_requests(exchanges: Iterable[Exchange]) -> list[AiderRequest]:
    """Those of the exchanges that ask for an answer."""
    found = []
    for exchange in exchanges:
        if exchange.url.endswith(CHAT_PATHS):
            document: JsonObject = json.loads(exchange.request_body)
            found.append(AiderRequest(_kind(document), exchange, document))
    return found


def _kind(document: JsonObject) -> str:
    messages = document.get("messages") or [{}]
    system = str(messages[0].get("content"))
    return next((kind for kind, text in _SYSTEM_TEXTS.items() if text in system), EDIT)
