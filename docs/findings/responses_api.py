"""Responses: a cancel has no effect, cut ones are `completed`, streamed ones are not stored (0.8.1, 0.9.2)

Steps: cancel a background response; cut one by `max_output_tokens`; retrieve a streamed one by its id;
continue one that does not exist; continue one that had instructions; stream a background response.

Expected (OpenAI API reference, Responses): a cancelled response stays `cancelled`; a cut one is
`incomplete` with the reason `max_output_tokens`; `store` is true by default, also for streams; an unknown
`previous_response_id` is rejected; instructions of an earlier response "will not be carried over to the
next response"; `background` with `stream` sends events.

Received: the cancel is answered with `cancelled`, generation continues, and the status is `completed` at
its end; `completed`; 404; 200; the instructions apply to every later response; one JSON object without
events. In 0.8.1 an item has another id in each event.

Discussed in EricLBuehler/mistral.rs pull request 2370, "feat(server): improve openai server compatability
with /v1/responses" (merged).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, CannotDecide, Defect, Server, find, run, wait_until

PATH = "/v1/responses"
RUNNING = ("queued", "in_progress")
ENDS_WITHIN = 15


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, PATH)
    usual = {"model": server.model, "input": "Tell me about the comet", "max_output_tokens": 40}

    def create(**fields: Any) -> Answer:
        return server.post(PATH, usual | fields)

    if not (first := create()).served:
        raise CannotDecide(f"a plain response is not served: {first}")
    yield from cancelled(server, create)
    cut = create(max_output_tokens=3)
    if find(cut.json, "status") != "incomplete":
        yield Defect(
            "a response with max_output_tokens 3", f"status {find(cut.json, 'status')}", "status incomplete"
        )
    stream = create(stream=True)
    ids = [str(found) for chunk in stream.chunks if (found := find(chunk, "response.id"))]
    stored = server.send("GET", f"{PATH}/{ids[0] if ids else 'none'}")
    if not stored.served:
        yield Defect("GET of the id of a streamed response", str(stored), "200 and the response")
    unknown = create(previous_response_id="resp_nobody")
    if not unknown.rejected:
        yield Defect("a response with previous_response_id resp_nobody", str(unknown), "404, or 400")
    background = create(stream=True, background=True)
    if not background.chunks:
        yield Defect("a response with background and stream", str(background), "events")
    items = {
        str(found)
        for chunk in stream.chunks
        if (found := find(chunk, "item.id") or find(chunk, "response.output.0.id"))
    }
    if len(items) > 1:
        yield Defect("a streamed response of one item", f"the ids {', '.join(sorted(items))}", "one id")
    yield from carried_over(create)


def cancelled(server: Server, create: Any) -> Iterator[Defect]:
    begun = create(input="Tell me about forever", background=True, max_output_tokens=600)
    own = f"{PATH}/{find(begun.json, 'id')}"
    if find(server.post(f"{own}/cancel", {}).json, "status") != "cancelled":
        return
    last: list[Answer] = []

    def ended() -> bool:
        last[:] = [server.send("GET", own)]
        return find(last[0].json, "status") not in (*RUNNING, "cancelled")

    if wait_until(ended, ENDS_WITHIN):
        sent = "a background response, then POST /v1/responses/ID/cancel (answered with status cancelled)"
        yield Defect(sent, f"status {find(last[0].json, 'status')} later", "status cancelled")


def carried_over(create: Any) -> Iterator[Defect]:
    """The scripted model answers `pirate` whoever wrote the word; another one may not follow it."""
    first = create(instructions="You are a pirate.")
    second = create(previous_response_id=find(first.json, "id"), input="Tell me about the violin")
    if first.text.startswith("Arr") and second.text.startswith("Arr"):
        sent = "a response that continues one with the instructions `You are a pirate.`"
        yield Defect(sent, second.text, "an answer without these instructions")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
