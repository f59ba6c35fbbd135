"""Streams without usage: the tokens of the same requests without a stream, of an equal text only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from support.http.answer_stream import TokenKind
from support.performance.load.program import LoadResult
from support.performance.load.record import RequestRecord
from support.performance.plain_usage import with_usage
from tests.http.tiny_server import Reply, TinyServer, json_reply
from tests.performance.loads import PLAN, TOKENS, failed, request, result

Serve = Callable[[Reply], TinyServer]
USAGE = {"prompt_tokens": 31, "completion_tokens": TOKENS}
ANSWER = {"choices": [{"message": {"content": "a harbour"}}], "usage": USAGE}


def uncounted(one: RequestRecord) -> RequestRecord:
    return replace(one, prompt_tokens=-1, output_tokens=-1)


def streamed(url: str, text: str = "a harbour", **plan: object) -> LoadResult:
    """Two requests without usage, one that failed, and one that has it."""
    changed = replace(PLAN, **{"url": url, "salt": "salt", "seed": 1, **plan})  # type: ignore[arg-type]
    found = result(
        uncounted(request(1)), uncounted(request(2)), uncounted(failed(3)), request(4), plan=changed
    )
    return replace(found, events={number: [(0, TokenKind.CONTENT, text)] for number in (1, 2, 3, 4)})


def counts(found: LoadResult) -> list[int]:
    return [one.prompt_tokens for one in found.records]


def test_what_has_no_usage_gets_that_of_the_same_request(serve: Serve) -> None:
    server = serve(json_reply(ANSWER))
    found = with_usage(streamed(server.url))
    assert counts(found) == [31, 31, -1, 30]
    assert found.quality.wrong_lengths == 0
    bodies = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in server.requests]
    assert len(bodies) == 2
    assert {"stream", "stream_options"}.isdisjoint(bodies[0])
    # Those of the load: by its salt, in the order of the requests.
    assert bodies[0]["messages"] != bodies[1]["messages"]


@pytest.mark.parametrize(
    ("answer", "text", "plan"),
    [
        (ANSWER, "another text", {}),
        ({"choices": []}, "a harbour", {}),
        (ANSWER, "a harbour", {"turns": 2}),
        (ANSWER, "a harbour", {"salt": None}),
    ],
)
def test_nothing_is_counted_of_another_answer(
    serve: Serve, answer: dict[str, object], text: str, plan: dict[str, object]
) -> None:
    server = serve(json_reply(answer))
    assert counts(with_usage(streamed(server.url, text, **plan))) == [-1, -1, -1, 30]


def test_a_load_with_usage_stays_as_it_is() -> None:
    known = result(request(1))
    assert with_usage(known) is known
