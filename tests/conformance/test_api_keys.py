"""Requests without the right API key: required to be rejected by a server that has one, and by no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.conformance.api import API_NAMES
from support.conformance.case_runner import run_case
from support.conformance.case_table import cases_of, get_case
from support.http.client import ApiClient
from tests.conformance.samples import SERVER, Canned, case, chat, exchange, reply
from tests.http.tiny_server import TinyServer, json_reply

KEYLESS = replace(SERVER, key=None)
UNAUTHORIZED = reply({"error": {"message": "no key", "type": "auth", "param": None, "code": None}}, 401)
WRONG_KEY = case(
    contract="chat", status_with_key=401, request={"path": "/v1/x", "headers": {"a": "Bearer wrong"}}
)


def test_a_server_with_a_key_rejects_others() -> None:
    client = Canned(UNAUTHORIZED, reply(chat()))
    assert run_case(client, SERVER, WRONG_KEY).passed
    assert client.sent[0][3]["a"] == "Bearer wrong"
    proxy = Canned(exchange(b"<html>401</html>", 401, "text/html"), reply(chat()))
    assert run_case(proxy, SERVER, WRONG_KEY).passed


@pytest.mark.parametrize("answer", [reply(chat()), reply({}, 403), reply({}, 500)])
def test_a_server_with_a_key_that_answers_otherwise_fails(answer: object) -> None:
    outcome = run_case(Canned(answer), SERVER, WRONG_KEY)  # type: ignore[arg-type]
    assert not outcome.passed and "expected 401" in outcome.reason
    assert outcome.check.expected == "status 401"


def test_a_server_without_a_key_answers() -> None:
    assert run_case(Canned(reply(chat())), KEYLESS, WRONG_KEY).passed
    assert not run_case(Canned(UNAUTHORIZED), KEYLESS, WRONG_KEY).passed


def test_an_empty_header_is_not_sent() -> None:
    server = TinyServer(json_reply({}))
    try:
        client = ApiClient(server.url, api_key="toy-key-1234")
        client.send("GET", "/", headers={"Authorization": ""})
        client.send("GET", "/")
        client.close()
    finally:
        server.close()
    assert [b"toy-key-1234" in request for request in server.requests] == [False, True]


@pytest.mark.parametrize("api", API_NAMES)
def test_a_case_that_replaces_the_key_knows_what_a_key_changes(api: str) -> None:
    replaced = {
        name
        for name, row in cases_of(api).items()
        if {"authorization", "x-api-key"} & {header.lower() for header in row.request.headers}
        # A browser sends no key with a preflight.
        and row.request.method != "OPTIONS"
    }
    # Ollama has no keys, and the pages of monitoring have none of their own.
    keyless = api in ("ollama", "metrics", "monitoring", "exporter", "prometheus")
    assert not [name for name in replaced if not get_case(api, name).status_with_key and not keyless]
    assert bool(replaced) is not keyless


@pytest.mark.parametrize(
    ("key", "text", "repeated"),
    [
        ("toy-key-1234", "toy-key-1234x is wrong", True),
        ("test", "this is a test", True),
        ("test", "the latest model", False),
    ],
)
def test_a_short_key_is_no_part_of_a_word(key: str, text: str, *, repeated: bool) -> None:
    refused = case(status=400, kind="any")
    outcome = run_case(Canned(reply({"error": text}, 400), reply(chat())), replace(SERVER, key=key), refused)
    assert ("repeats the client's key" in outcome.reason) is repeated


def test_a_listed_path_is_no_secret() -> None:
    refused = case(status=400, kind="any")
    server = replace(SERVER, harmless_texts=("/opt/u/My Models/tiny", "a"))
    for text, kept in [
        ("no model /opt/u/My Models/tiny", True),
        ("cannot open /opt/u/My Models/tiny/model.gguf", True),
        (r"no model \/opt\/u\/My Models\/tiny", True),
        ("no model /opt/u/other", False),
        ("Traceback (most recent call last): a", False),
    ]:
        body = b'{"error": "%s"}' % text.encode()
        outcome = run_case(Canned(exchange(body, 400), reply(chat())), server, refused)
        assert outcome.passed is kept, text
