"""Sequences of the Messages API: counted tokens, ids."""

from __future__ import annotations

from support.conformance.sequence import CheckedClient, Steps, require_equal, sequence
from support.errors import CheckFailed
from support.units import JsonObject

CLIENT = CheckedClient
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def _message(client: CheckedClient, question: str, **fields: object) -> JsonObject:
    messages = [{"role": "user", "content": question}]
    return {"model": client.model, "messages": messages, "max_tokens": 50, "temperature": 0, **fields}


def _token_counts(client: CheckedClient, **fields: object) -> tuple[int, int]:
    """Tokens of a message as they are counted beforehand, and as the message itself counts them."""
    request = _message(client, "Tell me about the comet", **fields)
    counted = {name: value for name, value in request.items() if name not in ("max_tokens", "temperature")}
    before = client.call("tokens", "/v1/messages/count_tokens", counted).values[0]["input_tokens"]
    return before, client.call("message", "/v1/messages", request).values[0]["usage"]["input_tokens"]


def _same_token_count(**fields: object) -> Steps:
    def compare(caller: CheckedClient) -> None:
        before, spent = _token_counts(caller, **fields)
        require_equal("the tokens counted beforehand, by the message", spent, before)

    return compare


sequence("anthropic.count_tokens.usage.same")(_same_token_count())
sequence("anthropic.count_tokens.usage.system")(
    _same_token_count(
        system=[{"type": "text", "text": "You are polite."}, {"type": "text", "text": "And brief."}]
    )
)
# The other models' template has no words for tools.
sequence("anthropic.count_tokens.usage.tools")(_same_token_count(tools=[TOOL]))


@sequence("anthropic.count_tokens.usage.longer")
def _longer_message_more_tokens(client: CheckedClient) -> None:
    short, long = (
        _token_counts(client)[0],
        _token_counts(client, system="You are polite and never in a hurry.")[0],
    )
    if long <= short:
        raise CheckFailed(f"{long} tokens with a system message, {short} without")


@sequence("anthropic.messages.id.unique")
def _unique_message_ids(client: CheckedClient) -> None:
    request = _message(client, "Say it briefly")
    ids = [client.call("message", "/v1/messages", request).values[0]["id"] for _ in range(5)]
    if len(set(ids)) != len(ids):
        raise CheckFailed(f"an id was given twice: {ids}")
