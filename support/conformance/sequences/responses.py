"""Behaviours of mistral.rs' Responses and Messages APIs that take several requests.

Each is a walk: a function of a `Caller` that raises AssertionError with what was not as it should be. Sources
stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.conformance.api import Api, Endpoint, NormalizedAnswer
from support.conformance.registry import APIS
from support.conformance.response_parser import ParsedResponse
from support.conformance.sequence import require_equal, require_response
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.waiting import wait_until

COMET = "The comet comes back every seventy-six years."
MARA, UNKNOWN = "You are Mara, and I will remember it.", "You have not told me your name yet."
# An answer of some tokens takes milliseconds; a busy machine some seconds.
DONE_SECONDS = 30.0
# How long a response is that is to be cancelled at work: longer ones where that was done before.
CANCEL_LENGTHS = (150, 450, 1350)
UNFINISHED = ("queued", "in_progress")


class CheckedClient:
    """A client of one server in one of its APIs, that checks each answer's contract."""

    def __init__(self, client: ApiClient, server: Endpoint) -> None:
        self.client = client
        self._api: Api = APIS[server.api]
        self._model = server.variables["model"]

    def call(
        self,
        contract: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> ParsedResponse:
        """Send a request and check status and contract ("" for none); raises `Broken`."""
        send, post = self.client.send, self.client.post
        exchange = send(method, path) if document is None else post(path, document)
        return self.check(exchange, contract, status)

    def check(self, exchange: Exchange, contract: str, status: int = 200) -> ParsedResponse:
        """An answer that keeps the contract; raises `Broken`."""
        return require_response(exchange, self._api, contract, status=status, stream="sse")

    def create(self, question: str, **fields: Any) -> Mapping[str, Any]:
        """A response to a question, as it came."""
        request = self.request(question, **fields)
        answer: Mapping[str, Any] = self.call("response", "/v1/responses", request).values[0]
        return answer

    def output_text(self, question: str, **fields: Any) -> str:
        """What a response to a question says."""
        return text_of(self.create(question, **fields))

    def get(self, response_id: str, status: int = 200) -> Mapping[str, Any]:
        """A response asked for by its id; nothing when that is to be refused."""
        contract = "response" if status == 200 else ""
        found = self.call(contract, f"/v1/responses/{response_id}", method="GET", status=status)
        return found.values[0] if contract else {}

    def wait_until_done(self, response_id: str) -> Mapping[str, Any]:
        """A response in the background as soon as it is neither queued nor in progress."""
        states: list[str] = []

        def state() -> Mapping[str, Any] | None:
            response = self.get(response_id)
            states.append(response["status"])
            return None if states[-1] in UNFINISHED else response

        response = wait_until(
            f"the end of the response {response_id}", state, timeout=DONE_SECONDS, seen=lambda: states[-1]
        )
        assert states == sorted(states, key=_status_order), f"its states went back: {states}"
        return response

    def request(self, question: str, **fields: Any) -> dict[str, Any]:
        """A request of the Responses API."""
        return {"model": self._model, "input": question, "max_output_tokens": 50, "temperature": 0, **fields}

    def message(self, question: str, **fields: Any) -> dict[str, Any]:
        """A request of the Messages API."""
        messages = [{"role": "user", "content": question}]
        return {"model": self._model, "messages": messages, "max_tokens": 50, "temperature": 0, **fields}

    def normalize(self, parsed: ParsedResponse) -> NormalizedAnswer:
        """The answer in words that do not depend on how it came."""
        return self._api.normalize(parsed)


Steps = Callable[[CheckedClient], None]


@dataclass(frozen=True)
class RequestSequence:
    """What is done, and with which of the suite's models."""

    steps: Steps
    model: str = "speaking"


# By API, then by title.
SEQUENCES: dict[str, dict[str, RequestSequence]] = {"responses": {}, "anthropic": {}}


def sequence(api: str, title: str, model: str = "speaking") -> Callable[[Steps], Steps]:
    """Registers a walk under the title that a feature gives it."""

    def register(function: Steps) -> Steps:
        assert title not in SEQUENCES[api], f"two walks are called {title!r}"
        SEQUENCES[api][title] = RequestSequence(function, model)
        return function

    return register


def text_of(response: Mapping[str, Any]) -> str:
    """The text of a whole response."""
    return "".join(part["text"] for item in response["output"] for part in item.get("content") or ())


def _status_order(status: str) -> int:
    return (*UNFINISHED, status).index(status)


# -- stored responses (OpenAI API reference: Get, Delete a model response)


@sequence("responses", "a response can be read again by its id")
def _stored(client: CheckedClient) -> None:
    made = client.create("Tell me about the comet", metadata={"order": "4711"})
    require_equal("the response read again", made, client.get(made["id"]))


@sequence("responses", "a streamed response can be read again by its id")
def _stored_stream(client: CheckedClient) -> None:
    stream = client.normalize(
        client.call(
            "response stream", "/v1/responses", client.request("Tell me about the comet", stream=True)
        )
    )
    require_equal("the text read again", COMET, text_of(client.get(stream["id"])))


@sequence("responses", "a response that was deleted is gone")
def _deleted(client: CheckedClient) -> None:
    made, path = client.create("Say it briefly")["id"], "/v1/responses/{}"
    gone = client.call("deleted", path.format(made), method="DELETE").values[0]
    require_equal("the id that was deleted", made, gone["id"])
    client.get(made, status=404)
    client.call("", path.format(made), method="DELETE", status=404)


@sequence("responses", "a response that is not to be stored cannot be read")
def _not_stored(client: CheckedClient) -> None:
    client.get(client.create("Say it briefly", store=False)["id"], status=404)


@sequence("responses", "every response has an id of its own")
def _unique_ids(client: CheckedClient) -> None:
    ids = [client.create("Say it briefly")["id"] for _ in range(5)]
    assert len(set(ids)) == len(ids), f"an id was given twice: {ids}"


# -- conversations (the same, previous_response_id; instructions)


@sequence("responses", "a response goes on from an earlier one")
def _previous_response_id(client: CheckedClient) -> None:
    first = client.create("My name is Mara")["id"]
    require_equal(
        "what it says after it", MARA, client.output_text("What am I called?", previous_response_id=first)
    )
    require_equal("what it says without", UNKNOWN, client.output_text("What am I called?"))


@sequence("responses", "a conversation goes on over several responses")
def _conversation_chain(client: CheckedClient) -> None:
    last = client.create("My name is Mara")
    for question in ("Tell me about the comet", "Say it briefly"):
        last = client.create(question, previous_response_id=last["id"])
    require_equal(
        "the last response", MARA, client.output_text("What am I called?", previous_response_id=last["id"])
    )


@sequence("responses", "a longer conversation counts more tokens")
def _longer_conversation_more_tokens(client: CheckedClient) -> None:
    first = client.create("Tell me about the comet")
    second = client.create("Tell me about the comet", previous_response_id=first["id"])
    counts = [answer["usage"]["input_tokens"] for answer in (first, second)]
    assert counts[1] > counts[0], f"input_tokens of the first and the second response: {counts}"


@sequence("responses", "instructions end with their response")
def _instructions(client: CheckedClient) -> None:
    first = client.create("Tell me about the lighthouse", instructions="You are a pirate.")["id"]
    said = client.output_text("Tell me about the comet", previous_response_id=first)
    require_equal("the next response, without instructions", COMET, said)


# -- in the background (the same, background; Cancel a response)


@sequence("responses", "a response in the background gets done")
def _background(client: CheckedClient) -> None:
    begun = client.create("Tell me about the comet", background=True)
    assert begun["status"] in UNFINISHED, f"it is to be made in the background, and is {begun['status']}"
    done = client.wait_until_done(begun["id"])
    require_equal("its end", ("completed", COMET), (done["status"], text_of(done)))


@sequence("responses", "a response in the background is part of a conversation")
def _background_then_follow_up(client: CheckedClient) -> None:
    begun = client.create("My name is Mara", background=True)["id"]
    client.wait_until_done(begun)
    require_equal(
        "what it says after it", MARA, client.output_text("What am I called?", previous_response_id=begun)
    )


@sequence("responses", "a response in the background that fails says why")
def _background_fails(client: CheckedClient) -> None:
    request = {**client.request("Say it briefly", background=True), "model": "nobody/knows-this"}
    exchange = client.client.post("/v1/responses", request)
    if exchange.status in (400, 404):
        return
    require_equal("the status", 200, exchange.status)
    failed = client.wait_until_done(exchange.json()["id"])
    require_equal("its end", "failed", failed["status"])
    assert "nobody/knows-this" in failed["error"]["message"], f"it does not say why: {failed['error']}"


@sequence("responses", "a response in the background can be cancelled")
def _cancel_succeeds(client: CheckedClient) -> None:
    _cancel_running(client)


@sequence("responses", "a cancelled response stays cancelled")
def _cancel_is_final(client: CheckedClient) -> None:
    begun, tokens = _cancel_running(client)
    # As long a response, begun later: by its end the cancelled one would have come to its own.
    client.call("", "/v1/responses", client.request("Go on forever", max_output_tokens=tokens))
    require_equal("its status some time later", "cancelled", client.get(begun)["status"])


def _cancel_running(client: CheckedClient) -> tuple[str, int]:
    """The id of a response that was cancelled at work, and of how many tokens it would have been."""
    for tokens in CANCEL_LENGTHS:
        begun = client.create("Go on forever", background=True, max_output_tokens=tokens)["id"]
        answer = client.client.send("POST", f"/v1/responses/{begun}/cancel")
        if answer.status == 200:
            stopped = client.check(answer, "response").values[0]
            require_equal("the answer to it", (begun, "cancelled"), (stopped["id"], stopped["status"]))
            return begun, tokens
        state = client.get(begun)["status"]
        assert state not in UNFINISHED, f"cancelling while it is {state} is refused\n{answer.describe()}"
    raise AssertionError(
        f"every response was done before it was cancelled, even one of {CANCEL_LENGTHS[-1]} tokens"
    )


@sequence("responses", "a response that is done cannot be cancelled")
def _cancel_completed(client: CheckedClient) -> None:
    made = client.create("Say it briefly")["id"]
    status = client.client.send("POST", f"/v1/responses/{made}/cancel").status
    assert status in (400, 404, 409), f"cancelling a finished response is answered with {status}"
    require_equal("its status afterwards", "completed", client.get(made)["status"])


# -- counting (Anthropic API reference, Count Message tokens)

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def _token_counts(client: CheckedClient, **fields: Any) -> tuple[int, int]:
    """Tokens of a message as they are counted beforehand, and as the message itself counts them."""
    request = client.message("Tell me about the comet", **fields)
    asked = {name: value for name, value in request.items() if name not in ("max_tokens", "temperature")}
    before = client.call("tokens", "/v1/messages/count_tokens", asked).values[0]["input_tokens"]
    return before, client.call("message", "/v1/messages", request).values[0]["usage"]["input_tokens"]


def _same_token_count(**fields: Any) -> Steps:
    def compare(caller: CheckedClient) -> None:
        before, spent = _token_counts(caller, **fields)
        require_equal("the tokens counted beforehand, by the message", spent, before)

    return compare


sequence("anthropic", "a question takes as many tokens as were counted")(_same_token_count())
sequence("anthropic", "a system message takes as many tokens as were counted")(
    _same_token_count(
        system=[{"type": "text", "text": "You are polite."}, {"type": "text", "text": "And brief."}]
    )
)
# The other models' template has no words for tools.
sequence("anthropic", "offered tools take as many tokens as were counted", "able")(
    _same_token_count(tools=[TOOL])
)


@sequence("anthropic", "a longer message counts more tokens")
def _longer_message_more_tokens(client: CheckedClient) -> None:
    short, long = (
        _token_counts(client)[0],
        _token_counts(client, system="You are polite and never in a hurry.")[0],
    )
    assert long > short, f"{long} tokens with a system message, {short} without"


@sequence("anthropic", "every message has an id of its own")
def _unique_message_ids(client: CheckedClient) -> None:
    request = client.message("Say it briefly")
    ids = [client.call("message", "/v1/messages", request).values[0]["id"] for _ in range(5)]
    assert len(set(ids)) == len(ids), f"an id was given twice: {ids}"
