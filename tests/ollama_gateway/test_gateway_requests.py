"""How requests are read, and every refusal in Ollama's own words (read in 0.17.4, asked of a live one)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.ollama_requests import FOREVER, ChatRequest, GenerateRequest, read
from tests.ollama_gateway.fake_target import FakeTarget

FIELD = "into Go struct field"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "missing request body"),
        (b" \n", "missing request body"),
        (b"{", "unexpected EOF"),
        (b'{"model": "a', "unexpected EOF"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"{x}", "invalid character 'x' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a": 1 2}', "invalid character '2' after object key:value pair"),
        (b'{"a": [1 2]}', "invalid character '2' after array element"),
        (b'{"a": NaN}', "invalid character 'N' looking for beginning of value"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.GenerateRequest"),
        (b'"x"', "json: cannot unmarshal string into Go value of type api.GenerateRequest"),
        (b'{"prompt": 1}', f"json: cannot unmarshal number {FIELD} GenerateRequest.prompt of type string"),
        (b'{"prompt": []}', f"json: cannot unmarshal array {FIELD} GenerateRequest.prompt of type string"),
        (b'{"raw": "x"}', f"json: cannot unmarshal string {FIELD} GenerateRequest.raw of type bool"),
        (b'{"stream": 1}', f"json: cannot unmarshal number {FIELD} GenerateRequest.stream of type bool"),
        (
            b'{"top_logprobs": 1.5}',
            f"json: cannot unmarshal number 1.5 {FIELD} GenerateRequest.top_logprobs of type int",
        ),
        (
            b'{"options": 5}',
            f"json: cannot unmarshal number {FIELD} GenerateRequest.options of type map[string]interface "
            "{}",
        ),
        (b'{"keep_alive": "bogus"}', 'time: invalid duration "bogus"'),
        (b'{"keep_alive": "5"}', 'time: missing unit in duration "5"'),
        (b'{"keep_alive": "5x"}', 'time: unknown unit "x" in duration "5x"'),
        (b'{"keep_alive": true}', "Unsupported type: 'bool'"),
        (
            b'{"think": "much"}',
            'invalid think value: "much" (must be "high", "medium", "low", true, or false)',
        ),
        (b'{"a":' * 100_000, "invalid character '{' exceeded max depth"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
    ],
)
def test_wrong_bodies_are_told_in_the_words_of_go(body: bytes, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(GenerateRequest, body)
    assert (refused.value.status, refused.value.message) == (400, words)


def test_wrong_types_inside_a_list_name_their_path() -> None:
    with pytest.raises(ApiError) as refused:
        read(ChatRequest, b'{"messages": [{"content": 5}]}')
    assert refused.value.message == (
        f"json: cannot unmarshal number {FIELD} ChatRequest.messages.content of type string"
    )


def test_what_go_takes_is_taken() -> None:
    asked = read(
        GenerateRequest, b'{"MODEL": "a", "prompt": null, "unknown": {}, "keep_alive": "1m30s"} tail'
    )
    assert (asked.model, asked.prompt, asked.keep_alive) == ("a", "", 90.0)
    assert read(GenerateRequest, b'{"prompt": "a\xff"}').prompt == "a�"
    assert read(GenerateRequest, b"null") == GenerateRequest()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"0", 0), (b"2.5", 2.5), (b"-1", FOREVER), (b'"-5m"', FOREVER), (b'"0"', 0), (b'"1h1ms"', 3600.001)],
)
def test_keep_alive_in_seconds(value: bytes, seconds: float) -> None:
    assert read(GenerateRequest, b'{"keep_alive": ' + value + b"}").keep_alive == seconds


QUESTION: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("generate", {}, 404, "model '' not found"),
        ("generate", {"model": "nope"}, 404, "model 'nope' not found"),
        ("generate", {"model": "nope:tag", "options": {"seed": "x"}}, 404, "model 'nope:tag' not found"),
        ("chat", {}, 400, "model is required"),
        ("chat", {"model": "nope"}, 404, "model 'nope' not found"),
        ("chat", {"model": "no name"}, 400, "model is required"),
        ("chat", {**QUESTION, "top_logprobs": 30}, 400, "top_logprobs must be between 0 and 20"),
        ("show", {}, 400, "model is required"),
        ("show", {"name": "nope"}, 404, "model 'nope' not found"),
        ("embed", {"model": "nope"}, 404, 'model "nope" not found, try pulling it first'),
        ("embed", {"model": "scripted", "input": [1]}, 400, "invalid input type"),
        ("embeddings", {}, 400, "model is required"),
        ("embeddings", {"model": "nope"}, 404, 'model "nope" not found, try pulling it first'),
        (
            "generate",
            {"model": "scripted", "prompt": "hi", "raw": True, "system": "s"},
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            "generate",
            {"model": "scripted", "prompt": "hi", "template": "x"},
            400,
            "a template in a request is not supported by this gateway",
        ),
        (
            "chat",
            {**QUESTION, "format": "yaml"},
            500,
            'invalid format: "\\"yaml\\""; expected "json" or a valid JSON Schema object',
        ),
        ("pull", {"model": "x"}, 501, "pulling a model is not supported by this gateway"),
        ("create", {"model": "x"}, 501, "creating a model is not supported by this gateway"),
    ],
)
def test_refusals(client: httpx.Client, path: str, body: dict[str, Any], status: int, words: str) -> None:
    answered = client.post(f"/api/{path}", json=body)
    assert (answered.status_code, answered.json()) == (status, {"error": words})
    assert answered.headers["content-type"] == "application/json; charset=utf-8"


def test_all_of_the_unsupported_are_refused(client: httpx.Client) -> None:
    calls = [("POST", "push"), ("POST", "copy"), ("DELETE", "delete"), ("POST", "blobs/sha256:1")]
    assert {client.request(method, f"/api/{path}").status_code for method, path in calls} == {501}
    assert client.head("/api/blobs/sha256:1").status_code == 501


def test_routes_and_methods(client: httpx.Client) -> None:
    for path in ("/nope", "/health", "/metrics", "/api", "/api/chat/"):
        answered = client.get(path)
        assert (answered.status_code, answered.text) == (404, "404 page not found"), path
        assert answered.headers["content-type"] == "text/plain"
    answered = client.get("/api/chat")
    assert (answered.status_code, answered.text) == (405, "405 method not allowed")
    assert answered.headers["allow"] == "POST"
    assert client.head("/api/ps").status_code == 405


def test_no_content_type_is_needed(client: httpx.Client) -> None:
    answered = client.post("/api/generate", content=b'{"model":"scripted","prompt":"hi","stream":false}')
    assert answered.json()["response"] == "Hello world"
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = b'{"model":"scripted","prompt":"hi","stream":false}'
    assert client.post("/api/generate", content=body, headers=form).status_code == 200


def test_a_body_that_is_too_large(gateway: Any) -> None:
    answered = gateway(body_limit=1000).post("/api/chat", content=b" " * 5000)
    assert (answered.status_code, answered.json()) == (
        413,
        {"error": "the request's body is larger than 1000 bytes"},
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:1"}, 200),
        ({"host": "box.local"}, 200),
        ({"host": "8.8.8.8"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "vscode-webview://x"}, 200),
    ],
)
def test_foreign_hosts_and_origins(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    answered = client.get("/api/tags", headers=headers)
    assert answered.status_code == status
    assert status == 200 or not answered.content
    if "origin" in headers:
        expected = headers["origin"] if status == 200 else None
        assert answered.headers.get("access-control-allow-origin") == expected


def test_preflight_of_a_page(client: httpx.Client) -> None:
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    answered = client.options("/v1/chat/completions", headers=headers)
    assert answered.status_code == 204
    assert "x-stainless-os" in answered.headers["access-control-allow-headers"]


def test_a_gateway_for_others_takes_any_host(gateway: Any) -> None:
    assert gateway(loopback=False).get("/", headers={"host": "evil.example"}).status_code == 200


def test_v1_goes_through_unchanged(client: httpx.Client, target: FakeTarget) -> None:
    body = b'{"any" :  "bytes"}\x00\xff'
    answered = client.post(
        "/v1/echo/a%2Fb?q=%20x&y", content=body, headers={"authorization": "Bearer theirs"}
    )
    assert answered.status_code == 418
    assert answered.content == b"POST /v1/echo/a%2Fb?q=%20x&y\n" + body
    assert answered.headers["x-request-id"] == "seven"
    assert target.headers[0]["authorization"] == "Bearer theirs"
    assert "content-type" not in target.headers[0]
    assert target.headers[0]["host"] == target.url.removeprefix("http://")


def test_the_key_of_the_target_is_added_everywhere(gateway: Any, target: FakeTarget) -> None:
    client = gateway(key="s3cret")
    client.get("/v1/echo", headers={"authorization": "Bearer filler"})
    client.post("/api/chat", json=QUESTION)
    assert [headers["authorization"] for headers in target.headers] == ["Bearer s3cret"] * 2
