"""Recordings made by hand, for checks of the tables."""

from __future__ import annotations

from dataclasses import replace

from support.conformance.case_table import get_case
from support.fault_injection.blind_recordings import Recording
from support.http.exchange import Exchange
from tests.conformance.samples import NOW, SERVER, chat, chunk, reply, stream

WHOLE, STREAMED = "openai.chat.answer.not_empty", "openai.chat.stream.role"
CHUNKS = [
    chunk("The comet "),
    chunk("comes back.", role=False),
    chunk(reason="stop", role=False),
]


def recording(check_id: str, *answers: Exchange) -> Recording:
    """The answers as those to the request of the case."""
    request = get_case("openai", check_id).request.build(SERVER.variables)
    sent = [
        replace(
            answer,
            method=request.method,
            url=f"{SERVER.base_url}{request.path}",
            request_body=request.body,
        )
        for answer in answers
    ]
    return Recording(check_id, replace(SERVER, key=None), tuple(sent), own=len(sent), recorded_at=NOW)


def whole(content: str = "The comet comes back.") -> Recording:
    return recording(WHOLE, reply(chat(content, system_fingerprint="local")))


def streamed() -> Recording:
    return recording(STREAMED, stream(*CHUNKS))
