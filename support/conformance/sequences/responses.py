"""Behaviours of mistral.rs' Responses and Messages APIs that take several requests.

Each is a walk: a function of a `Caller` that raises AssertionError with what was not as it should be. Sources
stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.conformance.api import Api, ApiServer, View
from support.conformance.registry import APIS
from support.conformance.response_parser import Reading
from support.conformance.sequence import answered, require_equal
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.waiting import wait_until

COMET = "The comet comes back every seventy-six years."
MARA, UNKNOWN = "You are Mara, and I will remember it.", "You have not told me your name yet."
# An answer of some tokens takes milliseconds; a busy machine some seconds.
DONE_SECONDS = 30.0
# How long a response is that is to be cancelled at work: longer ones where that was done before.
LENGTHS = (150, 450, 1350)
UNFINISHED = ("queued", "in_progress")


class Caller:
    """A client of one server in one of its APIs, that checks each answer's contract."""

    def __init__(self, client: ApiClient, server: ApiServer) -> None:
        self.client = client
        self._api: Api = APIS[server.api]
        self._model = server.names["model"]

    def ask(
        self,
        contract: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> Reading:
        """Send a request and check status and contract ("" for none); raises `Broken`."""
        send, post = self.client.send, self.client.post
        exchange = send(method, path) if document is None else post(path, document)
        return self.judged(exchange, contract, status)

    def judged(self, exchange: Exchange, contract: str, status: int = 200) -> Reading:
        """An answer that keeps the contract; raises `Broken`."""
        return answered(exchange, self._api, contract, status=status, stream="sse")

    def respond(self, question: str, **fields: Any) -> Mapping[str, Any]:
        """A response to a question, as it came."""
        request = self.request(question, **fields)
        answer: Mapping[str, Any] = self.ask("response", "/v1/responses", request).values[0]
        return answer

    def said(self, question: str, **fields: Any) -> str:
        """What a response to a question says."""
        return text_of(self.respond(question, **fields))

    def stored(self, response_id: str, status: int = 200) -> Mapping[str, Any]:
        """A response asked for by its id; nothing when that is to be refused."""
        contract = "response" if status == 200 else ""
        found = self.ask(contract, f"/v1/responses/{response_id}", method="GET", status=status)
        return found.values[0] if contract else {}

    def finished(self, response_id: str) -> Mapping[str, Any]:
        """A response in the background as soon as it is neither queued nor in progress."""
        states: list[str] = []

        def state() -> Mapping[str, Any] | None:
            response = self.stored(response_id)
            states.append(response["status"])
            return None if states[-1] in UNFINISHED else response

        response = wait_until(
            f"the end of the response {response_id}", state, within=DONE_SECONDS, seen=lambda: states[-1]
        )
        assert states == sorted(states, key=_order), f"its states went back: {states}"
        return response

    def request(self, question: str, **fields: Any) -> dict[str, Any]:
        """A request of the Responses API."""
        return {"model": self._model, "input": question, "max_output_tokens": 50, "temperature": 0, **fields}

    def message(self, question: str, **fields: Any) -> dict[str, Any]:
        """A request of the Messages API."""
        messages = [{"role": "user", "content": question}]
        return {"model": self._model, "messages": messages, "max_tokens": 50, "temperature": 0, **fields}

    def view(self, reading: Reading) -> View:
        """The answer in words that do not depend on how it came."""
        return self._api.view(reading)


Take = Callable[[Caller], None]


@dataclass(frozen=True)
class Walk:
    """What is done, and with which of the suite's models."""

    take: Take
    model: str = "speaking"


# By API, then by title.
WALKS: dict[str, dict[str, Walk]] = {"responses": {}, "anthropic": {}}


def walk(api: str, title: str, model: str = "speaking") -> Callable[[Take], Take]:
    """Registers a walk under the title that a feature gives it."""

    def register(function: Take) -> Take:
        assert title not in WALKS[api], f"two walks are called {title!r}"
        WALKS[api][title] = Walk(function, model)
        return function

    return register


def text_of(response: Mapping[str, Any]) -> str:
    """The text of a whole response."""
    return "".join(part["text"] for item in response["output"] for part in item.get("content") or ())


def _order(status: str) -> int:
    return (*UNFINISHED, status).index(status)


# -- stored responses (OpenAI API reference: Get, Delete a model response)


@walk("responses", "a response can be read again by its id")
def _stored(caller: Caller) -> None:
    made = caller.respond("Tell me about the comet", metadata={"order": "4711"})
    require_equal("the response read again", made, caller.stored(made["id"]))


@walk("responses", "a streamed response can be read again by its id")
def _stored_stream(caller: Caller) -> None:
    stream = caller.view(
        caller.ask("response stream", "/v1/responses", caller.request("Tell me about the comet", stream=True))
    )
    require_equal("the text read again", COMET, text_of(caller.stored(stream["id"])))


@walk("responses", "a response that was deleted is gone")
def _deleted(caller: Caller) -> None:
    made, path = caller.respond("Say it briefly")["id"], "/v1/responses/{}"
    gone = caller.ask("deleted", path.format(made), method="DELETE").values[0]
    require_equal("the id that was deleted", made, gone["id"])
    caller.stored(made, status=404)
    caller.ask("", path.format(made), method="DELETE", status=404)


@walk("responses", "a response that is not to be stored cannot be read")
def _not_stored(caller: Caller) -> None:
    caller.stored(caller.respond("Say it briefly", store=False)["id"], status=404)


@walk("responses", "every response has an id of its own")
def _ids(caller: Caller) -> None:
    ids = [caller.respond("Say it briefly")["id"] for _ in range(5)]
    assert len(set(ids)) == len(ids), f"an id was given twice: {ids}"


# -- conversations (the same, previous_response_id; instructions)


@walk("responses", "a response goes on from an earlier one")
def _goes_on(caller: Caller) -> None:
    first = caller.respond("My name is Mara")["id"]
    require_equal("what it says after it", MARA, caller.said("What am I called?", previous_response_id=first))
    require_equal("what it says without", UNKNOWN, caller.said("What am I called?"))


@walk("responses", "a conversation goes on over several responses")
def _chain(caller: Caller) -> None:
    last = caller.respond("My name is Mara")
    for question in ("Tell me about the comet", "Say it briefly"):
        last = caller.respond(question, previous_response_id=last["id"])
    require_equal(
        "the last response", MARA, caller.said("What am I called?", previous_response_id=last["id"])
    )


@walk("responses", "a longer conversation counts more tokens")
def _counts_more(caller: Caller) -> None:
    first = caller.respond("Tell me about the comet")
    second = caller.respond("Tell me about the comet", previous_response_id=first["id"])
    counts = [answer["usage"]["input_tokens"] for answer in (first, second)]
    assert counts[1] > counts[0], f"input_tokens of the first and the second response: {counts}"


@walk("responses", "instructions end with their response")
def _instructions(caller: Caller) -> None:
    first = caller.respond("Tell me about the lighthouse", instructions="You are a pirate.")["id"]
    said = caller.said("Tell me about the comet", previous_response_id=first)
    require_equal("the next response, without instructions", COMET, said)


# -- in the background (the same, background; Cancel a response)


@walk("responses", "a response in the background gets done")
def _background(caller: Caller) -> None:
    begun = caller.respond("Tell me about the comet", background=True)
    assert begun["status"] in UNFINISHED, f"it is to be made in the background, and is {begun['status']}"
    done = caller.finished(begun["id"])
    require_equal("its end", ("completed", COMET), (done["status"], text_of(done)))


@walk("responses", "a response in the background is part of a conversation")
def _background_goes_on(caller: Caller) -> None:
    begun = caller.respond("My name is Mara", background=True)["id"]
    caller.finished(begun)
    require_equal("what it says after it", MARA, caller.said("What am I called?", previous_response_id=begun))


@walk("responses", "a response in the background that fails says why")
def _background_fails(caller: Caller) -> None:
    request = {**caller.request("Say it briefly", background=True), "model": "nobody/knows-this"}
    exchange = caller.client.post("/v1/responses", request)
    if exchange.status in (400, 404):
        return
    require_equal("the status", 200, exchange.status)
    failed = caller.finished(exchange.json()["id"])
    require_equal("its end", "failed", failed["status"])
    assert "nobody/knows-this" in failed["error"]["message"], f"it does not say why: {failed['error']}"


@walk("responses", "a response in the background can be cancelled")
def _can_be_cancelled(caller: Caller) -> None:
    _cancelled(caller)


@walk("responses", "a cancelled response stays cancelled")
def _stays_cancelled(caller: Caller) -> None:
    begun, tokens = _cancelled(caller)
    # As long a response, begun later: by its end the cancelled one would have come to its own.
    caller.ask("", "/v1/responses", caller.request("Go on forever", max_output_tokens=tokens))
    require_equal("its status some time later", "cancelled", caller.stored(begun)["status"])


def _cancelled(caller: Caller) -> tuple[str, int]:
    """The id of a response that was cancelled at work, and of how many tokens it would have been."""
    for tokens in LENGTHS:
        begun = caller.respond("Go on forever", background=True, max_output_tokens=tokens)["id"]
        answer = caller.client.send("POST", f"/v1/responses/{begun}/cancel")
        if answer.status == 200:
            stopped = caller.judged(answer, "response").values[0]
            require_equal("the answer to it", (begun, "cancelled"), (stopped["id"], stopped["status"]))
            return begun, tokens
        state = caller.stored(begun)["status"]
        assert state not in UNFINISHED, f"cancelling while it is {state} is refused\n{answer.describe()}"
    raise AssertionError(f"every response was done before it was cancelled, even one of {LENGTHS[-1]} tokens")


@walk("responses", "a response that is done cannot be cancelled")
def _too_late(caller: Caller) -> None:
    made = caller.respond("Say it briefly")["id"]
    status = caller.client.send("POST", f"/v1/responses/{made}/cancel").status
    assert status in (400, 404, 409), f"cancelling a finished response is answered with {status}"
    require_equal("its status afterwards", "completed", caller.stored(made)["status"])


# -- counting (Anthropic API reference, Count Message tokens)

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def _counted(caller: Caller, **fields: Any) -> tuple[int, int]:
    """Tokens of a message as they are counted beforehand, and as the message itself counts them."""
    request = caller.message("Tell me about the comet", **fields)
    asked = {name: value for name, value in request.items() if name not in ("max_tokens", "temperature")}
    before = caller.ask("tokens", "/v1/messages/count_tokens", asked).values[0]["input_tokens"]
    return before, caller.ask("message", "/v1/messages", request).values[0]["usage"]["input_tokens"]


def _same_count(**fields: Any) -> Take:
    def compare(caller: Caller) -> None:
        before, spent = _counted(caller, **fields)
        require_equal("the tokens counted beforehand, by the message", spent, before)

    return compare


walk("anthropic", "a question takes as many tokens as were counted")(_same_count())
walk("anthropic", "a system message takes as many tokens as were counted")(
    _same_count(system=[{"type": "text", "text": "You are polite."}, {"type": "text", "text": "And brief."}])
)
# The other models' template has no words for tools.
walk("anthropic", "offered tools take as many tokens as were counted", "able")(_same_count(tools=[TOOL]))


@walk("anthropic", "a longer message counts more tokens")
def _longer(caller: Caller) -> None:
    short, long = _counted(caller)[0], _counted(caller, system="You are polite and never in a hurry.")[0]
    assert long > short, f"{long} tokens with a system message, {short} without"


@walk("anthropic", "every message has an id of its own")
def _message_ids(caller: Caller) -> None:
    request = caller.message("Say it briefly")
    ids = [caller.ask("message", "/v1/messages", request).values[0]["id"] for _ in range(5)]
    assert len(set(ids)) == len(ids), f"an id was given twice: {ids}"
