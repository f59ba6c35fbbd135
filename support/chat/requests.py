"""Chat requests of a scenario, and the scripted answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.chat.client import DEFAULT_LIMIT, ChatRequest, Message
from support.models.llama import chat_prompt
from support.models.script import Script

# Rows of the script whose answers are too long for many concurrent users, or have no end.
EXCLUDED_KEYWORDS = ("story", "forever")
MAX_KEYWORDS = 16


def chat_request(
    messages: Sequence[Message], question: str, *, limit: int = DEFAULT_LIMIT, stop: str = ""
) -> ChatRequest:
    """A conversation that ends with this question. `limit`: tokens of the answer."""
    whole = (*messages, {"role": "user", "content": question})
    return ChatRequest(whole, limit=limit, stop=(stop,) if stop else (), rendered=chat_prompt(whole))


def expected_answer(script: Script, request: ChatRequest) -> str:
    """The scripted answer to a request."""
    return script.answer_to("\n".join(message["content"] for message in request.messages)).answer


def keyword_answers(script: Script) -> Mapping[str, str]:
    """Keywords for concurrent users, with their answers: the first rows of the script."""
    rows = [row for row in script.rows if row.keyword not in EXCLUDED_KEYWORDS]
    return {row.keyword: row.answer for row in rows[:MAX_KEYWORDS]}
