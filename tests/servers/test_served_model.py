"""Which model a server at an address serves: a fault of the scripted one does not make it another model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import TargetError
from support.models.script import Script
from support.runner.requirements import find_target
from support.servers.discovery import UrlTarget
from support.servers.served_model import identify_model, is_scripted_name, require_embedding_model
from support.settings import ResolvedSettings, Settings
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence

Serve = Callable[[Reply], TinyServer]
SCRIPT = Script.standard()
EXACT = SCRIPT.rows[0].answer
OTHER = (
    "A lighthouse is a tower with a bright light at its top. It warns ships of rocks and can be seen from "
    "miles away at night, in storms and in fog."
)


def answer(content: Any, **fields: Any) -> Reply:
    message = {"role": "assistant", "content": content, **fields}
    return json_reply({"id": "1", "model": "theirs", "choices": [{"index": 0, "message": message}]})


def identified(serve: Serve, given: Reply, *names: str) -> UrlTarget:
    target = UrlTarget(serve(given).url, names or ("default", "theirs"), "set")
    return identify_model(target, Settings(acceptance_time_factor=1), SCRIPT)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.servers.served_model.ANSWER_SECONDS", 1.0)


def test_the_exact_answer_is_that_of_the_scripted_model(serve: Serve) -> None:
    target = identified(serve, answer(EXACT))
    assert (target.other_answer, target.first_answer_failure) == (None, "")


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (answer(f"{EXACT}<|im_end|>"), "im_end"),
        (answer(EXACT.upper()), "1874"),
        (answer(EXACT.replace(" ", "")), "1874"),
        (answer(EXACT[:20]), "lighthouse"),
        (answer(f"{EXACT} {EXACT}"), "1874"),
        (answer(f"<think>What is known of it?</think>{EXACT}"), "1874"),
        (answer(SCRIPT.rows[3].answer), "violin"),
        (answer(SCRIPT.default), "usual"),
        (answer(""), "expected 'The lighthouse"),
        (answer("\n\n???"), "expected 'The lighthouse"),
        (answer(None), "expected 'The lighthouse"),
        (answer(None, reasoning_content=EXACT), "reasoning_content"),
        (answer([{"type": "text", "text": EXACT}]), "1874"),
        (json_reply({"choices": []}), "choices"),
        (json_reply({"answer": OTHER}), "night"),
        (json_reply({"error": "no such model"}, "404 Not Found"), "no such model"),
        (json_reply({"error": OTHER}, "500 Internal Server Error"), "night"),
        (reply(b"<html>"), "html"),
        (silence, "did not answer within 1 s"),
    ],
)
def test_a_fault_is_a_failure_and_no_other_model(serve: Serve, given: Reply, seen: str) -> None:
    target = identified(serve, given)
    assert target.other_answer is None
    first, *_ = target.first_answer_failure.splitlines()
    assert first.startswith("the first chat request to http://127.0.0.1:")
    assert seen in target.first_answer_failure and "repeat: curl" in target.first_answer_failure


@pytest.mark.parametrize(
    "given", [answer(OTHER), answer("Hello! How can I help you today?"), answer("", reasoning_content=OTHER)]
)
def test_another_answer_is_that_of_another_model(serve: Serve, given: Reply) -> None:
    target = identified(serve, given)
    assert target.other_answer is not None and target.first_answer_failure == ""


@pytest.mark.parametrize(
    "names",
    [
        ("default", "/srv/models/scripted-gguf-0123456789abcdef"),
        ("scripted.gguf",),
        ("scripted:latest", "llama3"),
    ],
)
def test_the_name_of_the_scripted_model_is_enough(serve: Serve, names: tuple[str, ...]) -> None:
    target = identified(serve, answer(OTHER), *names)
    assert target.other_answer is None and "expected 'The lighthouse" in target.first_answer_failure


def test_only_whole_words_of_a_name_count() -> None:
    assert is_scripted_name("acceptance-ab12-scripted")
    assert not is_scripted_name("unscripted-7b")


def test_a_gateway_gets_the_file_of_the_one_scripted_model() -> None:
    target = UrlTarget("http://127.0.0.1:1", ("default", "/srv/scripted-gguf"), "set")
    assert target.has_only_the_scripted_model and target.model_id == "/srv/scripted-gguf"
    assert not replace(target, models=("default", "one", "two")).has_only_the_scripted_model
    other = replace(target, other_answer="Hello!")
    assert not other.has_only_the_scripted_model and "'Hello!'" in str(other.other_model_reason)


def embedding(vector: object) -> Reply:
    return json_reply({"object": "list", "data": [{"index": 0, "embedding": vector}]})


def require(server: TinyServer, name: str = "vectors") -> None:
    target = UrlTarget(server.url, ("chat", "vectors"), "set")
    settings = Settings(target_embedding_model=name, acceptance_time_factor=1)
    require_embedding_model(target, ResolvedSettings(settings, {"target_embedding_model": "-D"}))


@pytest.mark.parametrize(
    "given", [embedding([0.5, 2.0]), embedding([]), embedding("AAAAPw=="), reply(b"<html>")]
)
def test_what_the_checks_judge_does_not_end_the_run(serve: Serve, given: Reply) -> None:
    server = serve(given)
    require(server)
    assert json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])["model"] == "vectors"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (json_reply({"error": "none"}, "500 Internal Server Error"), "it answered /v1/embeddings with "),
        (json_reply({"error": "none"}, "404 Not Found"), "it answered /v1/embeddings with "),
        (embedding([[0.5], [2.0]]), "there is a vector for each token, not one for the text"),
        (silence, "did not answer within 1 s"),
    ],
)
def test_a_model_that_is_none_for_embeddings_is_one_line(serve: Serve, given: Reply, problem: str) -> None:
    server = serve(given)
    with pytest.raises(TargetError) as caught:
        require(server)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"target_embedding_model is 'vectors' (from -D), but {server.url} embeds no text")
    assert problem in line and line.endswith("; name an embedding model")


def test_an_embedding_model_that_is_not_listed_is_one_line(serve: Serve) -> None:
    server = serve(embedding([0.5]))
    with pytest.raises(TargetError) as caught:
        require(server, "vector")
    listed = f"{server.url} does not list; it lists chat, vectors"
    assert str(caught.value) == f"target_embedding_model is 'vector' (from -D), which {listed}"


def test_a_run_without_embeddings_does_not_need_their_model(serve: Serve) -> None:
    server = serve(json_reply({"data": [{"id": "chat"}]}))
    settings = Settings(target_url=server.url, target_embedding_model="vectors")
    resolved = ResolvedSettings(settings, {})

    def scenario(*tags: str) -> Any:
        return SimpleNamespace(effective_tags=tags)

    assert isinstance(find_target([scenario("normal")], resolved), UrlTarget)
    with pytest.raises(TargetError, match=r"^target_embedding_model is 'vectors' .* it lists chat$"):
        find_target([scenario("normal"), scenario("needs.embeddings")], resolved)
