"""A server that rejects what common clients send fails a case: nulls, roles, sizes, preflights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from support.conformance.case_runner import run_case
from support.conformance.case_table import Case, cases_of
from support.conformance.request_builder import Request, RequestSpec
from tests.conformance.samples import SERVER, Canned, reply

MEBIBYTE = 2**20
APIS = ("openai", "ollama", "anthropic", "responses")
# What a proxy may reject: a condition on the request and its document.
Kind = Callable[[Request, Any], bool]
OPTIONAL = {
    "openai": ("n", "stream", "model", "stop", "max_tokens", "tools", "logprobs", "stream_options", "seed"),
    "responses": ("instructions", "previous_response_id", "stream", "store", "metadata", "reasoning"),
    "ollama": ("format", "keep_alive", "options", "stream", "tools", "system", "template", "raw", "context"),
}


def has_null(name: str) -> Kind:
    return lambda request, document: name in document and document[name] is None


def has_message(condition: Callable[[Any], bool]) -> Kind:
    def kind(request: Request, document: Any) -> bool:
        turns = document.get("messages") or document.get("input") or ()
        return any(condition(turn) for turn in turns if isinstance(turn, dict))

    return kind


def body_above(size: int) -> Kind:
    return lambda request, document: len(request.body) > size


def preflight(path: str) -> Kind:
    return lambda request, document: request.method == "OPTIONS" and request.path == path


def format_empty(request: Request, document: Any) -> bool:
    return document.get("format") == "" and "format" in document


def text_parts(role: str) -> Kind:
    return has_message(lambda turn: turn.get("role") == role and isinstance(turn.get("content"), list))


def field(name: str, value: Any) -> Kind:
    return lambda request, document: name in document and document[name] == value


def header(name: str, value: str) -> Kind:
    return lambda request, document: request.headers.get(name) == value


def two_results(request: Request, document: Any) -> bool:
    return [turn.get("role") for turn in document.get("messages", ())].count("tool") == 2


def in_tools(text: str) -> Kind:
    return lambda request, document: text in json.dumps(document.get("tools"))


CALL_INDEX = has_message(lambda turn: any("index" in call for call in turn.get("tool_calls") or ()))
EMPTY_RESULT = has_message(lambda turn: turn.get("role") == "tool" and turn.get("content") == "")
EMPTY_SYSTEM = has_message(lambda turn: turn.get("role") == "system" and turn.get("content") == "")
NO_CALLS = has_message(lambda turn: turn.get("tool_calls") == [])
REASONING = has_message(lambda turn: "reasoning_content" in turn)
CONTENT_NULL = has_message(lambda turn: bool(turn.get("tool_calls")) and turn.get("content", "") is None)
NO_CONTENT = has_message(lambda turn: bool(turn.get("tool_calls")) and "content" not in turn)
DEVELOPER = has_message(lambda turn: turn.get("role") == "developer")
KINDS: list[tuple[str, str, Kind]] = [
    *(("openai", f"{name} null", has_null(name)) for name in OPTIONAL["openai"]),
    *(("responses", f"{name} null", has_null(name)) for name in OPTIONAL["responses"]),
    *(("ollama", f"{name} null", has_null(name)) for name in OPTIONAL["ollama"]),
    ("openai", "content null", CONTENT_NULL),
    ("ollama", "content null", CONTENT_NULL),
    ("openai", "content absent", NO_CONTENT),
    ("ollama", "content absent", NO_CONTENT),
    ("openai", "role developer", DEVELOPER),
    ("ollama", "role developer", DEVELOPER),
    ("responses", "role developer", DEVELOPER),
    *(("openai", f"parts of {role}", text_parts(role)) for role in ("system", "assistant", "tool")),
    ("openai", "two results", two_results),
    ("openai", "index in a call", CALL_INDEX),
    ("openai", "empty result", EMPTY_RESULT),
    ("openai", "empty system message", EMPTY_SYSTEM),
    ("openai", "empty list of calls", NO_CALLS),
    ("openai", "reasoning", REASONING),
    ("openai", "tools empty", field("tools", [])),
    ("openai", "logit_bias empty", field("logit_bias", {})),
    ("openai", "stop empty", field("stop", [])),
    ("openai", "include_usage false", field("stream_options", {"include_usage": False})),
    *(
        ("openai", f"{word} in tools", in_tools(f'"{word}"'))
        for word in ("$schema", "$ref", "anyOf", "items")
    ),
    ("openai", "properties empty", in_tools('"properties": {}')),
    ("openai", "Accept of a stream", header("Accept", "text/event-stream")),
    ("openai", "no User-Agent", header("User-Agent", "")),
    ("openai", "query", lambda request, document: "api-version" in request.path),
    ("ollama", "two results", two_results),
    ("ollama", "empty result", EMPTY_RESULT),
    ("ollama", "properties empty", in_tools('"properties": {}')),
    *(("ollama", f"{word} in tools", in_tools(f'"{word}"')) for word in ("$schema", "anyOf", "items")),
    *(("responses", f"{word} in tools", in_tools(f'"{word}"')) for word in ("$schema", "anyOf")),
    ("responses", "properties empty", in_tools('"properties": {}')),
    ("ollama", "format empty", format_empty),
    *((api, "above 1 MiB", body_above(MEBIBYTE)) for api in APIS),
    *(
        (api, "above 10 MiB", body_above(10 * MEBIBYTE))
        for api in ("openai", "ollama", "anthropic", "responses")
    ),
    ("openai", "preflight chat", preflight("/v1/chat/completions")),
    ("openai", "preflight completions", preflight("/v1/completions")),
    ("openai", "preflight embeddings", preflight("/v1/embeddings")),
    ("openai", "preflight models", preflight("/v1/models")),
    ("responses", "preflight", preflight("/v1/responses")),
    ("anthropic", "preflight", preflight("/v1/messages")),
    ("ollama", "preflight v1 chat", preflight("/v1/chat/completions")),
]
IDS = [f"{api}, {name}" for api, name, _ in KINDS]


@cache
def sent(api: str) -> list[tuple[Case, Request, Any]]:
    """The cases about clients, with their requests and the documents in them."""
    cases = [case for case in cases_of(api).values() if {"clients", "cors"} & set(case.id.split("."))]
    built = [(case, case.request.build(SERVER.variables)) for case in cases]
    return [
        (case, request, json.loads(request.body) if request.body.startswith(b"{") else {})
        for case, request in built
    ]


@pytest.mark.parametrize(("api", "name", "kind"), KINDS, ids=IDS)
def test_a_proxy_that_rejects_a_kind_of_request_fails_a_case(api: str, name: str, kind: Kind) -> None:
    rejected = [case for case, request, document in sent(api) if kind(request, document)]
    assert rejected, f"no case of the API {api} sends: {name}"
    for case in rejected[:1]:
        outcome = run_case(Canned(reply({"error": "no"}, 400)), replace(SERVER, api=api), case)
        assert "status: expected 20" in outcome.reason, case.id


@pytest.mark.parametrize("api", APIS)
def test_requests_of_clients_leave_the_key_of_the_run(api: str) -> None:
    for case in cases_of(api).values():
        if ".clients." in case.id:
            keys = {name.lower() for name in case.request.headers} & {"authorization", "x-api-key"}
            assert not keys or case.request.method == "OPTIONS", case.id


def test_null_replaces_fields_at_paths() -> None:
    spec = {"path": "/x", "json": {"a": 1, "b": [{"c": 1}, {"c": 2}]}, "null": ["a", "b.1.c", "b.1.d", "e"]}
    made = RequestSpec.model_validate(spec)
    assert json.loads(made.build({}).body) == {"a": None, "b": [{"c": 1}, {"c": None, "d": None}], "e": None}
    assert json.loads(made.build({}).body)["b"][0] == {"c": 1}
    assert made.json_ == spec["json"] == {"a": 1, "b": [{"c": 1}, {"c": 2}]}


@pytest.mark.parametrize("path", ["a.b", "b.2.c", "missing.c"])
def test_null_without_a_place_is_an_error_of_the_table(path: str) -> None:
    with pytest.raises(ValueError, match="the json has no place for"):
        RequestSpec.model_validate({"path": "/x", "json": {"a": 1, "b": [{}, {}]}, "null": [path]})
