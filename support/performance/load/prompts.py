"""Requests as bytes, each with a prompt that no cache can know.

A prefix cache compares prompts from their start. So the salt stands at the head and is new in each request,
also in a run with the seed of another one: a repeated prompt makes the time to first token that of the cache
(vLLM's issue 54227: 49 times shorter).
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator
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


def request_bytes(plan: LoadPlan) -> Iterator[bytes]:
    """Requests of a plan without end, head and body in one piece, so that one system call sends them."""
    parts = urlsplit(plan.url)
    path = parts.path.rstrip("/") + PATHS[plan.api]
    authorization = f"Authorization: Bearer {plan.key}\r\n" if plan.key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream, application/x-ndjson\r\n{authorization}Content-Length: "
    ).encode()
    for prompt in prompts(plan.prompt_words, plan.seed):
        body = json.dumps(_document(plan, f"{prompt} {plan.question}".rstrip())).encode()
        yield head + b"%d\r\n\r\n" % len(body) + body


def prompts(words: int, seed: int | None) -> Iterator[str]:
    """So many words each, the first one the salt; a seed repeats the others."""
    chance = random.Random(seed)
    while True:
        yield " ".join([secrets.token_hex(8), *chance.choices(_WORDS, k=words - 1)])


def _document(plan: LoadPlan, prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    document: dict[str, Any] = {"model": plan.model, "messages": messages, "stream": True}
    if plan.api == "openai":
        document |= {"max_tokens": plan.output_tokens, "stream_options": {"include_usage": True}}
    else:
        document |= {"options": {"num_predict": plan.output_tokens}}
    return {**document, **plan.extra}
