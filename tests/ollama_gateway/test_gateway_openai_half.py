"""/v1 under Ollama's names: what is changed on the way, what is not, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from support.bundled.ollama_gateway.openai_routes import members
from support.bundled.ollama_gateway.request_translator import forbid_extra_properties
from tests.ollama_gateway.fake_target import END, FakeTarget, sse

CHAT: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "x"}]}
OWN = "/somewhere/scripted"


def refused(client: httpx.Client, path: str, body: Any) -> tuple[int, str, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answered = client.post(path, content=content)
    told = answered.json()["error"]
    assert set(told) == {"message", "type", "param", "code"}
    return answered.status_code, told["type"], told["message"]


def test_only_the_name_is_changed_in_a_request(client: httpx.Client, target: FakeTarget) -> None:
    target.cards.append({"id": "echo", "object": "model", "created": 1})
    text = ' {"a" :  1.50, "messages":[{"model": "scripted"}],\n"model":"scripted" , "b": "\\u00e9"}'
    spans = dict(members(text))
    assert text[spans["model"].start : spans["model"].end] == '"scripted"'
    assert [spans[name].value for name in ("a", "b")] == [1.5, "é"]
    client.post("/v1/chat/completions", content=text.encode())
    assert target.asked[0]["model"] == OWN
    assert target.asked[0]["messages"] == [{"model": "scripted"}]


def test_null_fields_are_left_out(client: httpx.Client, target: FakeTarget) -> None:
    target.cards.append({"id": "echo", "object": "model", "created": 1})
    body = {**CHAT, "n": None, "logprobs": None, "stop": ["é"], "response_format": None}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    assert target.asked[0] == {**CHAT, "model": OWN, "stop": ["é"]}


def test_an_answer_has_the_name_that_was_asked_for(client: httpx.Client, target: FakeTarget) -> None:
    said = {"model": OWN, "choices": [{"delta": {"content": f'the "model":"{OWN}"'}}]}
    target.stream = [sse(said), END]
    for name in ("scripted", "SCRIPTED:latest"):
        body = {**CHAT, "model": name, "stream": True}
        events = client.post("/v1/chat/completions", json=body).content.split(b"\n\n")
        assert json.loads(events[0][6:]) == {**said, "model": name}
        assert events[1] == b"data: [DONE]"


def test_a_name_torn_over_reads_is_changed_too(client: httpx.Client, target: FakeTarget) -> None:
    whole = sse({"model": OWN, "n": 1}) + END
    target.stream = [whole[at : at + 5] for at in range(0, len(whole), 5)]
    told = client.post("/v1/chat/completions", json={**CHAT, "stream": True}).content
    assert told == sse({"model": "scripted", "n": 1}) + END


def test_lists_have_ollamas_names(client: httpx.Client) -> None:
    assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["scripted:latest"]
    assert client.get("/v1/models/scripted").json()["id"] == "scripted"
    answered = client.get("/v1/models/nobody")
    assert answered.status_code == 404
    assert answered.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/chat/completions", {**CHAT, "model": "nobody"}, 404, "'nobody' not found"),
        ("/v1/chat/completions", {"messages": []}, 400, "model is required"),
        ("/v1/chat/completions", {**CHAT, "messages": []}, 400, "messages"),
        ("/v1/chat/completions", b'{"model": "scripted", "messages": [', 400, "EOF"),
        ("/v1/chat/completions", b"[]", 400, "not a JSON object"),
        ("/v1/embeddings", {"model": "scripted", "input": []}, 400, "invalid input"),
    ],
)
def test_mistakes_are_refused_in_openais_form(
    client: httpx.Client, path: str, body: Any, status: int, words: str
) -> None:
    told = refused(client, path, body)
    assert told[0] == status and words in told[2], told


def test_no_address_is_fetched_for_a_client(client: httpx.Client, target: FakeTarget) -> None:
    for url in ("http://elsewhere.example/a.png", "file:///etc/passwd", "/etc/passwd"):
        part = {"type": "image_url", "image_url": {"url": url}}
        body = {**CHAT, "messages": [{"role": "user", "content": [part]}]}
        assert refused(client, "/v1/chat/completions", body)[::2] == (400, "invalid image input")
    assert not target.asked


def test_a_refusal_of_the_target_tells_no_path(client: httpx.Client, target: FakeTarget) -> None:
    target.refusal = (422, f"max_tokens: no number; the model {OWN} of /srv/models/x.gguf".encode())
    told = refused(client, "/v1/chat/completions", CHAT)
    expected = "max_tokens: no number; the model scripted of (path)"
    assert told == (400, "invalid_request_error", expected)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
class TestOtherApis:
    """Their requests are the target's to judge; only names are changed."""

    def test_the_name_is_changed_there_and_back(
        self, client: httpx.Client, target: FakeTarget, path: str
    ) -> None:
        target.stream = [b"event: response.created\n", sse({"response": {"model": OWN}})]
        told = client.post(path, json={"model": "scripted", "input": "x", "stream": True}).content
        assert target.asked[0] == {"model": OWN, "input": "x", "stream": True}
        assert told == b"event: response.created\n" + sse({"response": {"model": "scripted"}})

    def test_a_refusal_keeps_its_form_and_tells_no_path(
        self, client: httpx.Client, target: FakeTarget, path: str
    ) -> None:
        target.refusal = (422, f'{{"type": "error", "about": "{OWN} of /srv/models/x"}}'.encode())
        answered = client.post(path, json={"model": "scripted"})
        expected = {"type": "error", "about": "scripted of (path)"}
        assert (answered.status_code, answered.json()) == (422, expected)

    @pytest.mark.parametrize("body", [b'{"model": "nobody"}', b'{"input": 1}', b'{"model": 5}'])
    def test_what_names_no_known_model_goes_as_it_came(
        self, client: httpx.Client, target: FakeTarget, path: str, body: bytes
    ) -> None:
        client.post(path, content=body)
        assert target.asked == [json.loads(body)]


def test_a_body_that_is_no_json_is_the_targets_to_refuse(client: httpx.Client, target: FakeTarget) -> None:
    assert client.post("/v1/responses", content=b'{"model": ').status_code == 500
    assert not target.asked


def test_json_mode_reaches_a_target_that_does_not_know_it(client: httpx.Client, target: FakeTarget) -> None:
    client.post("/v1/chat/completions", json={**CHAT, "response_format": {"type": "json_object"}})
    wanted = target.asked[0]["response_format"]
    assert wanted["json_schema"]["schema"]["type"] == "object"


def test_schemas_are_closed_as_ollama_reads_them() -> None:
    inner = {"type": "object", "properties": {"b": {}}}
    read = forbid_extra_properties(
        {"properties": {"a": inner, "c": {"additionalProperties": True, "properties": {}}}}
    )
    assert read["additionalProperties"] is False
    assert read["properties"]["a"]["additionalProperties"] is False
    assert read["properties"]["c"]["additionalProperties"] is True
    together = forbid_extra_properties({"allOf": [inner, {"properties": {"d": {}}}]})
    assert all("additionalProperties" not in part for part in together["allOf"])
