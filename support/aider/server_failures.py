"""Failures of a server by their names in the features: what the proxy does with the next requests.

They have the form of OpenAI's API, or that of Ollama's: `{"error": "..."}` (its docs/errors.mdx).
"""

from __future__ import annotations

import json
import re

from support.http.recording_proxy import Fault
from support.name_registry import NameRegistry

JSON = {"content-type": "application/json"}
# litellm recognises a full context by this beginning (its exception_mapping_utils.py).
CONTEXT_LENGTH = "This model's maximum context length is 512 tokens. Your messages have more."
# Bytes of a stream in which the first pieces of an answer are.
BEGINNING = 600
_END_REASON = re.compile(rb'("(?:finish|done)_reason": ?)"stop"')


def _error(status: int, message: str, code: str, **headers: str) -> Fault:
    """An error in the form of OpenAI's API (Error codes, in its API reference).

    litellm takes any status with the type of an invalid request for one.
    """
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "code": code}
    return Fault(status, {**JSON, **headers}, json.dumps({"error": error}).encode())


def _ollama_error(status: int, message: str) -> Fault:
    return Fault(status, JSON, json.dumps({"error": message}).encode())


def _without_text(body: bytes) -> bytes:
    """A stream with its last events only: the finish reason and the end."""
    events = body.split(b"\n\n")
    return b"\n\n".join(event for event in events if b'"content":"' not in event.replace(b'": "', b'":"'))


def _cut_by_length(body: bytes) -> bytes:
    """The same stream with another reason of its end, in the form of either API."""
    return _END_REASON.sub(rb'\1"length"', body)


def _last_line(body: bytes) -> bytes:
    """A stream of Ollama's API with its last line only, which has no text."""
    return body.strip().rpartition(b"\n")[2] + b"\n"


def _malformed(body: bytes) -> bytes:
    """The first event is cut within its JSON."""
    first, _, rest = body.partition(b"\n\n")
    return first[: len(first) // 2] + b"\n\n" + rest


def _early_end(body: bytes) -> bytes:
    """The first two thirds of the events, and the end as if that were all."""
    *events, finish, done, rest = body.split(b"\n\n")
    return b"\n\n".join([*events[: 2 * len(events) // 3], finish, done, rest])


# As often as Aider may send a request before it gives up: nine times, each of them three times by the openai
# package (docs/aider.md).
LASTING = 9
PACKAGE_TRIES = 3

_SERVER_ERROR = _error(500, "The engine failed", "server_error")
# One fault for each request in order; later requests are passed on.
SERVER_FAILURES: NameRegistry[tuple[Fault, ...]] = NameRegistry(
    "failure of a server",
    {
        "a wrong key": (_error(401, "Incorrect API key provided", "invalid_api_key"),),
        "an unknown model": (_error(404, "The model does not exist", "model_not_found"),),
        "an invalid request": (_error(400, "This field is not known", "invalid_value"),),
        # litellm repeats it without some of the fields.
        "unprocessable fields only": (_error(422, "This field cannot be processed", "invalid_value"),) * 2,
        "a full context": (_error(400, CONTEXT_LENGTH, "context_length_exceeded"),),
        "one busy error": (_error(429, "Try again in a second", "rate_limit", **{"retry-after": "1"}),),
        "one server error": (_SERVER_ERROR,),
        "server errors only": (_SERVER_ERROR,) * LASTING * PACKAGE_TRIES,
        "one closed connection": (Fault(ends_after=0),),
        "one broken stream": (Fault(ends_after=BEGINNING),),
        "one malformed event": (Fault(rewrite=_malformed),),
        "one early end": (Fault(rewrite=_early_end),),
        "one stalled stream": (Fault(ends_after=BEGINNING, stalls=True),),
        "stalled streams only": (Fault(ends_after=BEGINNING, stalls=True),) * LASTING,
        "an empty answer": (Fault(rewrite=_without_text),),
        "an answer cut by length": (Fault(rewrite=_cut_by_length),),
    },
)

_RUNNER_ERROR = _ollama_error(500, "model runner has unexpectedly stopped")
# litellm takes each error of this API for a broken connection, and Aider repeats the request (docs/aider.md).
OLLAMA_FAILURES: NameRegistry[tuple[Fault, ...]] = NameRegistry(
    "failure of a server with the Ollama API",
    {
        "an unknown model": (_ollama_error(404, "model 'scripted' not found"),) * LASTING,
        "one server error": (_RUNNER_ERROR,),
        "server errors only": (_RUNNER_ERROR,) * LASTING,
        "one closed connection": (Fault(ends_after=0),),
        "one broken stream": (Fault(ends_after=BEGINNING),),
        "one stalled stream": (Fault(ends_after=BEGINNING, stalls=True),),
        "stalled streams only": (Fault(ends_after=BEGINNING, stalls=True),) * LASTING,
        "an empty answer": (Fault(rewrite=_last_line),),
        "an answer cut by length": (Fault(rewrite=_cut_by_length),),
    },
)
