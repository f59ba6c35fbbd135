"""Whether a server at an address serves the scripted model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from support.http.client import ApiClient
from support.servers.endpoints import serves_scripted_model
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence

Serve = Callable[[Reply], TinyServer]


@pytest.mark.parametrize(
    ("answer", "scripted"),
    [
        (json_reply({"choices": [{"message": {"content": "Yes."}}]}), True),
        (json_reply({"choices": [{"message": {"content": "Yes!"}}]}), False),
        (json_reply({"choices": []}), False),
        (json_reply({"error": "no such model"}, "404 Not Found"), False),
        (reply(b"<html>"), False),
        (silence, False),
    ],
    ids=["scripted", "another model", "no choice", "refused", "no JSON", "no answer"],
)
def test_only_the_exact_answer_is_that_of_the_scripted_model(
    serve: Serve, answer: Reply, *, scripted: bool
) -> None:
    with closing(ApiClient(serve(answer).url, timeout=1.0)) as client:
        assert serves_scripted_model(client, "default", "lighthouse", "Yes.") is scripted
