"""Requests, answers and errors of the HTTP interface, with a fake engine."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.bundled.reference_server.http import BODY_LIMIT, create_app
from support.bundled.reference_server.options import ServerOptions
from tests.reference_server.stand_ins import FakeEngine, question

CHAT = "/v1/chat/completions"


def ask(
    engine: FakeEngine, *requests: httpx.Request, options: ServerOptions | None = None
) -> list[httpx.Response]:
    async def exchange() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(engine, options), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            return [await client.send(request) for request in requests]

    return asyncio.run(exchange())


def post(engine: FakeEngine, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **headers}
    return ask(engine, httpx.Request("POST", f"http://server{path}", content=content, headers=sent))[0]


def get(
    engine: FakeEngine, path: str, method: str = "GET", options: ServerOptions | None = None
) -> httpx.Response:
    return ask(engine, httpx.Request(method, f"http://server{path}"), options=options)[0]


def events(response: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.text.splitlines() if line]


@pytest.mark.parametrize("path", ["/", "/health"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_plain_ok(engine: FakeEngine, path: str, method: str) -> None:
    response = get(engine, path, method)
    assert response.status_code == 200
    assert response.text == ("OK" if method == "GET" else "")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_description_has_the_name_and_the_version_of_the_server(engine: FakeEngine) -> None:
    document = get(engine, "/api-doc/openapi.json").json()
    assert document["info"]["title"] == "mistralrs-reference"
    assert document["info"]["version"] == version("mistralrs")
    assert list(document["paths"]["/v1/chat/completions"]) == ["post"]


def test_models_start_with_the_default(engine: FakeEngine) -> None:
    cards = get(engine, "/v1/models").json()["data"]
    assert [card["id"] for card in cards] == ["default", engine.model_id]
    assert "status" not in cards[0]
    assert cards[1]["status"] == "loaded"


def test_chat_is_put_together_from_its_stream(engine: FakeEngine) -> None:
    answer = post(engine, CHAT, question("hi", n=2)).json()
    assert answer["object"] == "chat.completion"
    assert answer["system_fingerprint"] == "local"
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["choices"][0]["message"] == {
        "content": "one two three",
        "role": "assistant",
        "tool_calls": None,
    }
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def test_streamed_chat_has_a_role_in_each_delta_and_usage_at_the_end(engine: FakeEngine) -> None:
    response = post(engine, CHAT, question("hi", stream=True, stream_options={"include_usage": True}))
    *chunks, done = events(response)
    parsed = [json.loads(chunk) for chunk in chunks]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in parsed) == "one two three"
    assert {chunk["choices"][0]["delta"]["role"] for chunk in parsed} == {"assistant"}
    assert [chunk["usage"] is None for chunk in parsed] == [True, True, False]


def test_completions_go_to_the_engine_bare(engine: FakeEngine) -> None:
    answer = post(engine, "/v1/completions", {"prompt": "Once", "echo": True, "logprobs": 2}).json()
    assert engine.calls[0].prompt == "Once"
    assert engine.calls[0].parameters == {"n_choices": 1, "logprobs": True, "top_logprobs": 2}
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"] == "Onceone two three"


def test_streamed_completions_have_no_usage(engine: FakeEngine) -> None:
    *chunks, _ = events(post(engine, "/v1/completions", {"prompt": "Once", "stream": True}))
    assert all("usage" not in json.loads(chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"stop": "x"}, {"stop_seqs": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_seqs": ["x", "y"]}),
        ({"top_k": 3, "min_p": 0.1, "top_p": 1}, {"top_k": 3, "min_p": 0.1, "top_p": 1.0}),
        ({"logit_bias": {"12": -100}}, {"logit_bias": {12: -100.0}}),
        ({"grammar": {"type": "regex", "value": "a+"}}, {"grammar": "a+", "grammar_type": "regex"}),
        (
            {"response_format": {"type": "json_object"}},
            {"grammar": '{"type": "object"}', "grammar_type": "json_schema"},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}}},
            {"grammar": '{"a": 1}', "grammar_type": "json_schema"},
        ),
        ({"user": "me", "seed": 3, "nonsense": {}, "response_format": {"type": "text"}}, {}),
        ({"ignore_eos": True, "logprobs": True}, {"ignore_eos": True, "logprobs": True}),
    ],
)
def test_fields_reach_the_engine(
    engine: FakeEngine, fields: dict[str, Any], parameters: dict[str, Any]
) -> None:
    assert post(engine, CHAT, question("hi", **fields)).status_code == 200
    assert engine.calls[0].parameters == {"n_choices": 1, "temperature": 0.0, **parameters}


@pytest.mark.parametrize(
    "messages",
    [
        "hi",
        [{"role": "user", "content": "hi", "name": "x"}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    ],
)
def test_messages_come_in_three_forms(engine: FakeEngine, messages: Any) -> None:
    post(engine, CHAT, {"messages": messages})
    assert engine.calls[0].prompt == [{"role": "user", "content": "hi"}]


def test_a_tool_call_of_the_history_has_the_members_that_the_engine_takes(engine: FakeEngine) -> None:
    call: dict[str, Any] = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sent = {**call, "index": 0}
    turn = {"role": "assistant", "content": None, "tool_calls": [sent, {**sent, "id": None}]}
    assert post(engine, CHAT, {"messages": [*USER, turn]}).status_code == 200
    without_id = {name: value for name, value in call.items() if name != "id"}
    prompt: Any = engine.calls[0].prompt
    assert prompt[1]["tool_calls"] == [call, without_id]


USER = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "status", "param", "words"),
    [
        (b"{", 400, None, "Failed to parse the request body as JSON"),
        (b"", 400, None, "Failed to parse the request body as JSON"),
        (b'{"messages":[]} x', 400, None, "JSON"),
        (b'{"messages":"\xff"}', 400, None, "JSON"),
        (b'{"messages":"\\ud800"}', 400, None, "JSON"),
        (b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None, "JSON"),
        (b'{"messages":[],"temperature":NaN}', 400, None, "NaN is no JSON value"),
        (b'{"messages":[],"temperature":1e400}', 400, None, "number out of range"),
        (b'{"messages":[],"n":1,"n":2}', 422, "n", "duplicate field `n`"),
        (b'{"\\ud800":1,"\\ud800":2}', 400, None, "JSON"),
        (b'{"messages":[{"role":"user","role":"user"}]}', 422, "messages.0.role", "duplicate field `role`"),
        # Of the fields that are known.
        (b'{"a":1,"a":2,"messages":5}', 422, "messages", "messages"),
        (b'{"other":{' + b'"a":{"x":1,"x":2},' * 100 + b'"a":3}}', 422, "messages", "missing field"),
        ({}, 422, "messages", "missing field `messages`"),
        ({"messages": 5}, 422, "messages", "messages"),
        ({"messages": [{"content": "x"}]}, 422, "messages", "role"),
        ({"messages": USER, "max_tokens": "a"}, 422, "max_tokens", "integer"),
        ({"messages": USER, "max_tokens": "5"}, 422, "max_tokens", "integer"),
        ({"messages": USER, "max_tokens": -1}, 422, "max_tokens", "greater than or equal to 0"),
        ({"messages": USER, "stream": 1}, 422, "stream", "boolean"),
        ([1], 422, None, "object"),
        ({"messages": USER, "max_tokens": 0}, 400, "max_tokens", "max_tokens must be at least 1."),
        ({"messages": USER, "model": "other"}, 404, "model", "Requested model 'other' is not available"),
        ({"messages": USER, "tool_choice": "required"}, 400, "tool_choice", "`none`"),
        ({"messages": [{"role": "user"}]}, 400, "messages", "No content was provided"),
        ({"messages": USER, "max_tokens": 10**20}, 422, "max_tokens", "less than"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "messages",
            "text content only",
        ),
        (
            {
                "messages": USER,
                "grammar": {"type": "regex", "value": "a"},
                "response_format": {"type": "json_object"},
            },
            400,
            "grammar",
            "mutually exclusive",
        ),
    ],
)
def test_bad_requests_are_refused(
    engine: FakeEngine, body: Any, status: int, param: str | None, words: str
) -> None:
    response = post(engine, CHAT, body)
    error = response.json()["error"]
    assert response.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert (error["param"] or "").startswith(param or "")
    assert not engine.calls


def test_unknown_model_has_the_code_of_the_openai_api(engine: FakeEngine) -> None:
    assert post(engine, CHAT, {"messages": USER, "model": "x"}).json()["error"]["code"] == "model_not_found"


def test_wrong_content_type_is_415(engine: FakeEngine) -> None:
    assert post(engine, CHAT, question("hi"), **{"content-type": "text/plain"}).status_code == 415
    assert post(engine, CHAT, question("hi"), **{"content-type": "application/x+json"}).status_code == 200


def test_too_large_a_body_is_413(engine: FakeEngine) -> None:
    assert post(engine, CHAT, b" " * (BODY_LIMIT + 1)).status_code == 413


def test_unknown_route_is_404_and_wrong_method_405(engine: FakeEngine) -> None:
    """As the real server: without a body."""
    unknown, wrong = get(engine, "/v1/nothing"), get(engine, CHAT)
    assert (unknown.status_code, unknown.content) == (404, b"")
    assert (wrong.status_code, wrong.content) == (405, b"")
    assert wrong.headers["allow"] == "POST"


def test_a_preflight_is_answered_without_a_body_whatever_is_wanted(engine: FakeEngine) -> None:
    wanted = {"origin": "http://a.example", "access-control-request-method": "POST"}
    wanted["access-control-request-headers"] = "x-stainless-os,authorization"
    (found,) = ask(engine, httpx.Request("OPTIONS", f"http://server{CHAT}", headers=wanted))
    assert (found.status_code, found.content) == (200, b"")
    assert "content-type" not in found.headers
    assert "x-stainless-os" not in found.headers["access-control-allow-headers"].lower()


def test_browsers_may_ask_from_anywhere(engine: FakeEngine) -> None:
    headers = {"origin": "http://elsewhere", "access-control-request-method": "POST"}
    response = ask(engine, httpx.Request("OPTIONS", f"http://server{CHAT}", headers=headers))[0]
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, "*")


def test_a_refused_request_is_400_or_an_event(engine: FakeEngine) -> None:
    engine.refusal = "Number of choices must be greater than 0."
    assert post(engine, CHAT, question("hi")).status_code == 400
    streamed = post(engine, CHAT, question("hi", stream=True))
    error, done = events(streamed)
    assert (streamed.status_code, done) == (200, "[DONE]")
    assert json.loads(error)["error"]["message"] == engine.refusal


def test_a_failing_engine_is_500_or_an_event(engine: FakeEngine) -> None:
    engine.failure = "it broke"
    response = post(engine, CHAT, question("hi"))
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "it broke",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert (
        json.loads(events(post(engine, CHAT, question("hi", stream=True)))[-2])["error"]["type"]
        == "server_error"
    )


def test_embeddings_keep_the_order(engine: FakeEngine) -> None:
    answer = post(engine, "/v1/embeddings", {"input": ["a", "b"], "encoding_format": "base64"}).json()
    vectors = [struct.unpack("<2f", base64.b64decode(entry["embedding"])) for entry in answer["data"]]
    assert vectors == [(0.0, 0.5), (1.0, 0.5)]
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert post(engine, "/v1/embeddings", {"input": "a", "dimensions": 2}).status_code == 400


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"input": []}, 400, "input must contain at least one entry."),
        ({"input": [[]]}, 400, "Received an empty prompt."),
        ({"input": "a", "dimensions": 8}, 400, "Custom embedding dimensions (8) are not supported."),
        ({"input": "a", "dimensions": "x"}, 422, "dimensions: "),
        ({"input": 5}, 422, "target type: input: "),
        ({"input": [-1]}, 422, "target type: input"),
        ({"input": None}, 422, "target type: input: "),
        ({}, 422, "missing field `input`"),
        ({"input": "a", "model": "nope"}, 404, "Requested model 'nope' is not available."),
    ],
)
def test_wrong_requests_for_vectors(
    engine: FakeEngine, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = post(engine, "/v1/embeddings", fields)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_request_id_is_echoed_or_made(engine: FakeEngine) -> None:
    assert post(engine, CHAT, question("hi"), **{"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    made = get(engine, "/v1/nothing").headers["x-request-id"]
    assert re.fullmatch(r"req_[0-9a-f]{32}", made)


def test_metrics_count_answers_and_not_themselves(engine: FakeEngine) -> None:
    chat = httpx.Request("POST", f"http://server{CHAT}", json=question("hi"))
    page = httpx.Request("GET", "http://server/metrics")
    lost = httpx.Request("GET", "http://server/lost")
    *_, response = ask(engine, page, chat, lost, page)
    lines = response.text.splitlines()
    labels = f'method="POST",model="{engine.model_id}",path="{CHAT}"'
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    for line in (
        f'http_requests_total{{{labels},status="200"}} 1.0',
        'http_requests_total{method="GET",model="none",path="<unmatched>",status="404"} 1.0',
        f"http_request_body_bytes_sum{{{labels}}} {len(chat.content):.1f}",
        "mistralrs_tokens_processed_total 8.0",
        'mistralrs_sequences_completed_total{reason="stop"} 1.0',
        "mistralrs_sequences_running 0.0",
        "mistralrs_sequences_capacity 2.0",
    ):
        assert line in lines
    assert "/metrics" not in response.text
    assert "token_seconds_count" not in response.text


def test_token_times_are_those_of_streams(engine: FakeEngine) -> None:
    stream = httpx.Request("POST", f"http://server{CHAT}", json=question("hi", stream=True))
    *_, response = ask(engine, stream, httpx.Request("GET", "http://server/metrics"))
    labels = f'method="POST",model="{engine.model_id}",path="{CHAT}",status="200"'
    assert f"mistralrs_time_to_first_token_seconds_count{{{labels}}} 1.0" in response.text
    assert f"mistralrs_inter_token_latency_seconds_count{{{labels}}} 2.0" in response.text


def test_metrics_can_be_switched_off(engine: FakeEngine) -> None:
    response = get(engine, "/metrics", options=ServerOptions(metrics=False))
    assert (response.status_code, response.text) == (503, "metrics disabled")


def test_requests_can_be_written_to_a_file(engine: FakeEngine, tmp_path: Path) -> None:
    log = tmp_path / "requests"
    chat = httpx.Request("POST", f"http://server{CHAT}", json=question("hi"))
    ask(engine, chat, chat, options=ServerOptions(request_log=log))
    assert log.read_text().count("Request at ") == 2
    assert '"content":"hi"' in log.read_text()


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"stream": 1}, "stream", "valid boolean"),
        ({"n": True}, "n", "valid integer"),
        ({"n": 1.0}, "n", "valid integer"),
        ({"temperature": "1"}, "temperature", "valid number"),
        ({"temperature": 10**400}, "temperature", "finite"),
        ({"stop": ["x", 5]}, "stop.1", "valid string"),
        ({"logit_bias": {"7": "x"}}, "logit_bias.7", "valid number"),
        (
            {"grammar": {"type": "xml", "value": ""}},
            "grammar.type",
            "'regex', 'lark', 'json_schema' or 'llguidance'",
        ),
        ({"grammar": {"type": "regex"}}, "grammar.value", "missing field `grammar.value`"),
        ({"response_format": "json"}, "response_format", "object"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
            "missing field",
        ),
        ({"tools": [5]}, "tools.0", "valid dictionary"),
        (
            {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
            "messages.0.content.0.type",
            "missing field",
        ),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "valid string"),
    ],
)
def test_errors_name_the_field(engine: FakeEngine, fields: dict[str, Any], param: str, message: str) -> None:
    response = post(engine, CHAT, {"messages": USER, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (422, param)
    assert message in error["message"]


def test_null_is_an_absent_field_where_the_api_allows_it(engine: FakeEngine) -> None:
    names = (
        "model",
        "stream",
        "n",
        "max_tokens",
        "stop",
        "temperature",
        "logit_bias",
        "grammar",
        "response_format",
        "tools",
        "logprobs",
    )
    assert post(engine, CHAT, question("hi", **dict.fromkeys(names))).status_code == 200
    assert engine.calls[0].parameters == {"n_choices": 1}
