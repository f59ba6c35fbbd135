"""Sequences of the Responses API: stored responses, conversations, responses in the background."""

from __future__ import annotations

from support.conformance.sequence import CheckedClient, require_equal, sequence
from support.errors import CheckFailed
from support.models.script import COMET_ANSWER
from support.units import JsonMapping, JsonObject
from support.waiting import wait_until

MARA, UNKNOWN = "You are Mara, and I will remember it.", "You have not told me your name yet."
# Lengths of a response that is cancelled while it runs: the next one where the shorter one was completed.
CANCEL_LENGTHS = (150, 450, 1350)

# A response of some tokens takes milliseconds; on a busy machine some seconds.
DONE_SECONDS = 30.0
UNFINISHED = ("queued", "in_progress")


class ResponsesClient(CheckedClient):
    def create(self, question: str, **fields: object) -> JsonMapping:
        request = self.request(question, **fields)
        answer: JsonMapping = self.call("response", "/v1/responses", request).values[0]
        return answer

    def output_text(self, question: str, **fields: object) -> str:
        return text_of(self.create(question, **fields))

    def get(self, response_id: str, status: int = 200) -> JsonMapping:
        """A stored response; empty where the status is that of an error."""
        contract = "response" if status == 200 else ""
        found = self.call(contract, f"/v1/responses/{response_id}", method="GET", status=status)
        return found.values[0] if contract else {}

    def wait_until_done(self, response_id: str) -> JsonMapping:
        """A background response as soon as it is neither queued nor in progress."""
        states: list[str] = []

        def state() -> JsonMapping | None:
            response = self.get(response_id)
            states.append(response["status"])
            return None if states[-1] in UNFINISHED else response

        response = wait_until(
            f"the end of the response {response_id}", state, timeout=DONE_SECONDS, seen=lambda: states[-1]
        )
        if states != sorted(states, key=_status_order):
            raise CheckFailed(f"its states went back: {states}")
        return response

    def request(self, question: str, **fields: object) -> JsonObject:
        return {"model": self.model, "input": question, "max_output_tokens": 50, "temperature": 0, **fields}


CLIENT = ResponsesClient


def text_of(response: JsonMapping) -> str:
    return "".join(part["text"] for item in response["output"] for part in item.get("content") or ())


def _status_order(status: str) -> int:
    return (*UNFINISHED, status).index(status)


# -- stored responses (OpenAI API reference: Get, Delete a model response)


@sequence("responses.store.retrieve")
def _stored(client: ResponsesClient) -> None:
    made = client.create("Tell me about the comet", metadata={"order": "4711"})
    require_equal("the response read again", made, client.get(made["id"]))


@sequence("responses.store.retrieve_streamed")
def _stored_stream(client: ResponsesClient) -> None:
    stream = client.api.normalize(
        client.call(
            "response stream", "/v1/responses", client.request("Tell me about the comet", stream=True)
        )
    )
    require_equal("the text read again", COMET_ANSWER, text_of(client.get(stream["id"])))


@sequence("responses.store.delete")
def _deleted(client: ResponsesClient) -> None:
    made, path = client.create("Say it briefly")["id"], "/v1/responses/{}"
    gone = client.call("deleted", path.format(made), method="DELETE").values[0]
    require_equal("the id that was deleted", made, gone["id"])
    client.get(made, status=404)
    client.call("", path.format(made), method="DELETE", status=404)


@sequence("responses.store.disabled")
def _not_stored(client: ResponsesClient) -> None:
    client.get(client.create("Say it briefly", store=False)["id"], status=404)


@sequence("responses.store.unique_ids")
def _unique_ids(client: ResponsesClient) -> None:
    ids = [client.create("Say it briefly")["id"] for _ in range(5)]
    if len(set(ids)) != len(ids):
        raise CheckFailed(f"an id was given twice: {ids}")


# -- conversations (the same, previous_response_id; instructions)


@sequence("responses.conversation.continued")
def _previous_response_id(client: ResponsesClient) -> None:
    first = client.create("My name is Mara")["id"]
    require_equal(
        "the text after it", MARA, client.output_text("What am I called?", previous_response_id=first)
    )
    require_equal("the text without it", UNKNOWN, client.output_text("What am I called?"))


@sequence("responses.conversation.chained")
def _conversation_chain(client: ResponsesClient) -> None:
    last = client.create("My name is Mara")
    for question in ("Tell me about the comet", "Say it briefly"):
        last = client.create(question, previous_response_id=last["id"])
    require_equal(
        "the last response", MARA, client.output_text("What am I called?", previous_response_id=last["id"])
    )


@sequence("responses.conversation.usage")
def _longer_conversation_more_tokens(client: ResponsesClient) -> None:
    first = client.create("Tell me about the comet")
    second = client.create("Tell me about the comet", previous_response_id=first["id"])
    counts = [answer["usage"]["input_tokens"] for answer in (first, second)]
    if counts[1] <= counts[0]:
        raise CheckFailed(f"input_tokens of the first and the second response: {counts}")


@sequence("responses.conversation.instructions")
def _instructions(client: ResponsesClient) -> None:
    first = client.create("Tell me about the lighthouse", instructions="You are a pirate.")["id"]
    text = client.output_text("Tell me about the comet", previous_response_id=first)
    require_equal("the next response, without instructions", COMET_ANSWER, text)


# -- in the background (the same, background; Cancel a response)


@sequence("responses.background.completed")
def _background(client: ResponsesClient) -> None:
    begun = client.create("Tell me about the comet", background=True)
    if begun["status"] not in UNFINISHED:
        raise CheckFailed(f"it is to be made in the background, and is {begun['status']}")
    done = client.wait_until_done(begun["id"])
    require_equal("its end", ("completed", COMET_ANSWER), (done["status"], text_of(done)))


@sequence("responses.background.continued")
def _background_then_follow_up(client: ResponsesClient) -> None:
    begun = client.create("My name is Mara", background=True)["id"]
    client.wait_until_done(begun)
    require_equal(
        "the text after it", MARA, client.output_text("What am I called?", previous_response_id=begun)
    )


@sequence("responses.background.failed")
def _background_fails(client: ResponsesClient) -> None:
    request = {**client.request("Say it briefly", background=True), "model": "nobody/knows-this"}
    exchange = client.client.post("/v1/responses", request)
    if exchange.status in (400, 404):
        return
    require_equal("the status", 200, exchange.status)
    made = client.api.check_contract(exchange, "response").values[0]
    failed = client.wait_until_done(made["id"])
    require_equal("its end", "failed", failed["status"])
    if "nobody/knows-this" not in failed["error"]["message"]:
        raise CheckFailed(f"it does not say why: {failed['error']}")


@sequence("responses.background.cancelled")
def _cancel_succeeds(client: ResponsesClient) -> None:
    _cancel_running(client)


@sequence("responses.background.stays_cancelled")
def _cancel_is_final(client: ResponsesClient) -> None:
    begun, tokens = _cancel_running(client)
    # As long a response, begun later: by its end the cancelled one would have been complete. Both may end
    # at the same moment; after a second one its status is that of its end.
    for _ in range(2):
        client.call("", "/v1/responses", client.request("Go on forever", max_output_tokens=tokens))
    require_equal("its status some time later", "cancelled", client.get(begun)["status"])


def _cancel_running(client: ResponsesClient) -> tuple[str, int]:
    """The id of a response that was cancelled at work, and of how many tokens it would have been."""
    for tokens in CANCEL_LENGTHS:
        begun = client.create("Go on forever", background=True, max_output_tokens=tokens)["id"]
        answer = client.client.send("POST", f"/v1/responses/{begun}/cancel")
        if answer.status == 200:
            stopped = client.api.check_contract(answer, "response").values[0]
            require_equal("the answer to it", (begun, "cancelled"), (stopped["id"], stopped["status"]))
            return begun, tokens
        state = client.get(begun)["status"]
        if state in UNFINISHED:
            raise CheckFailed(f"cancelling while it is {state} is rejected\n{answer.describe()}")
    raise CheckFailed(
        f"every response was done before it was cancelled, even one of {CANCEL_LENGTHS[-1]} tokens"
    )


@sequence("responses.cancel.completed")
def _cancel_completed(client: ResponsesClient) -> None:
    made = client.create("Say it briefly")["id"]
    status = client.client.send("POST", f"/v1/responses/{made}/cancel").status
    if status not in (400, 404, 409):
        raise CheckFailed(f"cancelling a finished response is answered with {status}")
    require_equal("its status afterwards", "completed", client.get(made)["status"])
