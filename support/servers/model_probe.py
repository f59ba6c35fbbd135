"""Whether a server that was there before the run serves the scripted model."""

from __future__ import annotations

from support.http.client import ApiClient

MAX_TOKENS = 64


def serves_scripted_model(client: ApiClient, model: str, question: str, answer: str) -> bool:
    """Whether the chat of this model gives exactly the scripted answer to a question."""
    request = {"model": model, "messages": [{"role": "user", "content": question}]}
    try:
        exchange = client.post(
            "/v1/chat/completions", {**request, "max_tokens": MAX_TOKENS, "temperature": 0}
        )
        text = exchange.json()["choices"][0]["message"]["content"]
    except (AssertionError, LookupError, TypeError):
        return False
    return bool(text == answer)
