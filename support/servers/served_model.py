"""Which models a server serves: the suite's scripted one, intact or damaged, or another; for embeddings.

Scenarios with exact answers are skipped on a server with another model, so nothing that is wrong with a
server may look like one: it has another model only when it gives a whole answer that resembles no scripted
one, under a name that is not the scripted model's. An error, no answer in time, or an almost correct answer
is a failure.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher

from support.errors import TargetError
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange, NotJson
from support.models.roles import SCRIPTED
from support.models.script import Row, Script
from support.results.redaction import redact
from support.servers.discovery import DEFAULT_ALIAS, UrlTarget
from support.settings import ResolvedSettings, Settings, redact_url, source_of
from support.units import Json

# Of the answer that shows which model a server has.
PROBE_TOKENS = 64
EMBEDDED_TEXT = "comet"
ANSWER_SECONDS = 30.0
# Of the words of an answer; a text about the same topic has fewer of them.
MOST_WORDS = 0.75
SIMILAR_CHARACTERS = 0.6
# Shorter words are in any text, and an answer with few longer ones is like many texts.
WORD_LENGTH = 4
MIN_WORDS = 4
# Where the APIs have the text of an answer.
TEXT_FIELDS = ("content", "text", "response", "reasoning_content", "reasoning", "thinking")
_WORD = re.compile(r"\w+")
_SCRIPTED_NAME = re.compile(rf"(?:^|[\W_]){SCRIPTED}(?:$|[\W_])", re.IGNORECASE)


def is_scripted_name(name: str) -> bool:
    """Whether a server lists the scripted model under this name: that of its folder or file, or its own."""
    return _SCRIPTED_NAME.search(name) is not None


def answer_text(exchange: Exchange) -> str | None:
    """All texts of a whole answer, thoughts included; None when there is none."""
    try:
        texts = list(_texts(exchange.json())) if exchange.status == 200 else []
    except NotJson:
        return None
    return " ".join(texts) if any(map(str.strip, texts)) else None


def _texts(document: Json) -> Iterator[str]:
    if isinstance(document, list):
        for item in document:
            yield from _texts(item)
    elif isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, str) and name in TEXT_FIELDS:
                yield value
            yield from _texts(value)


def is_another_model(exchange: Exchange, name: str, script: Script) -> bool:
    """Whether a server whose model has this name answered the first row of the script with another model."""
    text = answer_text(exchange)
    return text is not None and not is_scripted_name(name) and not _resembles_script(text, script)


def _resembles_script(text: str, script: Script) -> bool:
    expected = script.rows[0]
    words = set(_WORD.findall(text.casefold()))
    known = set(_WORD.findall(expected.answer.casefold()))
    # Without words it is damaged; with few others it is a part of the answer.
    if len(words & known) >= MOST_WORDS * len(words):
        return True
    if _similarity(text, expected.answer) >= SIMILAR_CHARACTERS:
        return True
    # Also an answer to another question: it is mixed up with that of another user.
    return any(_has_most_words(words, row) for row in (*script.rows, script.default_row))


def _has_most_words(words: set[str], row: Row) -> bool:
    own = {word for word in _WORD.findall(row.answer.casefold()) if len(word) >= WORD_LENGTH} - {row.keyword}
    return len(own) >= MIN_WORDS and len(words & own) >= MOST_WORDS * len(own)


def _similarity(one: str, other: str) -> float:
    """Of their characters, without spaces."""
    first, second = ("".join(text.casefold().split()) for text in (one, other))
    return SequenceMatcher(None, first, second).ratio()


def identify_model(target: UrlTarget, settings: Settings, script: Script) -> UrlTarget:
    """The same target with the model that it serves, found out with one question.

    Where it is the scripted one, and anything is wrong with the answer, `first_answer_failure` describes it.
    """
    row = script.rows[0]
    request = {"model": target.model_name, "messages": [{"role": "user", "content": row.keyword}]}
    timeout = settings.seconds(ANSWER_SECONDS)
    with contextlib.closing(ApiClient(target.url, api_key=settings.api_key, timeout=timeout)) as client:
        try:
            exchange = client.post(
                "/v1/chat/completions", {**request, "max_tokens": PROBE_TOKENS, "temperature": 0}
            )
        except RequestFailed as error:
            return _failed(target, str(error), client.exchanges[-1])
    name = target.model_id if target.model_name == DEFAULT_ALIAS else target.model_name
    if is_another_model(exchange, name, script):
        return replace(target, other_answer=answer_text(exchange))
    if _first_choice_text(exchange) == row.answer:
        return target
    return _failed(target, f"expected {row.answer!r}", exchange)


def require_embedding_model(target: UrlTarget, resolved: ResolvedSettings) -> None:
    """The server lists the model of `target_embedding_model`, and makes a vector of a text with it.

    Raises `TargetError` in one line.
    """
    settings, server = resolved.settings, redact_url(target.url)
    name = settings.target_embedding_model
    given = (
        f"target_embedding_model is {name!r} (from {source_of('target_embedding_model', resolved.origins)})"
    )
    if name not in target.models:
        raise TargetError(
            f"{given}, which {server} does not list; it lists {', '.join(target.models) or 'none'}"
        )
    timeout = settings.seconds(ANSWER_SECONDS)
    with contextlib.closing(ApiClient(target.url, api_key=settings.api_key, timeout=timeout)) as client:
        try:
            exchange = client.post("/v1/embeddings", {"model": name, "input": EMBEDDED_TEXT})
        except RequestFailed as error:
            problem = str(error)
        else:
            problem = _embedding_problem(exchange)
    if problem:
        raise TargetError(
            f"{given}, but {server} embeds no text with it: {redact(problem)}; name an embedding model"
        )


def _embedding_problem(exchange: Exchange) -> str:
    """Why a response shows that a model is none for embeddings; empty when it may be one."""
    if exchange.status != 200:
        return f"it answered /v1/embeddings with {exchange.in_short}"
    try:
        first = exchange.json()["data"][0]["embedding"][0]
    except (NotJson, LookupError, TypeError):
        # The checks find out what is wrong with it.
        return ""
    return "there is a vector for each token, not one for the text" if isinstance(first, list) else ""


def other_ollama_answer(url: str, name: str, settings: Settings, script: Script) -> str | None:
    """What a server of the Ollama API answers with this model, if that is not the scripted one."""
    row = script.rows[0]
    request = {
        "model": name,
        "messages": [{"role": "user", "content": row.keyword}],
        "stream": False,
        "options": {"num_predict": PROBE_TOKENS, "temperature": 0},
    }
    with contextlib.closing(ApiClient(url, timeout=settings.seconds(ANSWER_SECONDS))) as client:
        try:
            exchange = client.post("/api/chat", request)
        except RequestFailed:
            return None
    return answer_text(exchange) if is_another_model(exchange, name, script) else None


def other_model_reason(server: str, answer: str | None) -> str:
    """Why no scripted answer is expected of this server, which gave another one; with the remedy."""
    return (
        f"{server} serves another model than the suite's (it answered {(answer or '')[:60]!r}); "
        "serve the model that `acceptance model` prints"
    )


def _first_choice_text(exchange: Exchange) -> Json:
    try:
        return exchange.json()["choices"][0]["message"]["content"] if exchange.status == 200 else None
    except (NotJson, LookupError, TypeError):
        return None


def _failed(target: UrlTarget, reason: str, exchange: Exchange) -> UrlTarget:
    return replace(
        target,
        first_answer_failure=f"the first chat request to {redact_url(target.url)} did not get the scripted "
        f"answer: {reason}\n{exchange.describe()}",
    )
