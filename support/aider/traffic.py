"""What Aider has sent to the model, by the kind of request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from support.http.exchange import Exchange
from support.units import JsonObject

# The ends of the paths that answers come from; others (`/api/show`) are about the model.
CHAT_PATHS = ("/chat/completions", "/api/chat", "/api/generate")
EDIT, COMMIT, SUMMARY = KINDS = ("edit", "commit message", "summary")
# Of a stream, not of a request.
COMMENT = "comment"
# In a response or the last event of a stream.
_PROMPT_TOKENS = re.compile(rb'"(?:prompt_tokens|prompt_eval_count)": ?(\d+)')
_ANSWER_TOKENS = re.compile(rb'"(?:completion_tokens|eval_count)": ?(\d+)')
# A text of the system message that only one kind has (aider/prompts.py).
_SYSTEM_TEXTS = {COMMIT: "generates concise, one-line Git commit messages", SUMMARY: "*Briefly* summarize"}


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
