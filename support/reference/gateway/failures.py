"""The one exception that becomes an answer: `{"error": "..."}` with a status."""

from __future__ import annotations


class Refusal(Exception):
    """An answer other than 200. The words are the answer's, so they name no path, secret or trace."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def not_supported(what: str) -> Refusal:
    """501, for what Ollama does and a gateway cannot do."""
    return Refusal(501, f"{what} is not supported by this gateway")
