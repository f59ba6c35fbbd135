"""Mistakes, names, commands and made-up requests: what is wrong about their outcome is noticed."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.errors import NotOffered
from support.http.client import ApiClient
from support.parity import adapters, command, faults, fuzz, names
from support.parity.routes import OLLAMA_GENERATE, OPENAI_CHAT, Route
from tests.contracts.toys import chat, exchange
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply
from tests.programs import first_lines

Serve = Callable[[Reply], TinyServer]
ROUTE = Route("toy", "http://127.0.0.1:1", "tiny", OPENAI_CHAT)
OPENAI = {"error": {"message": "model 'x' not found", "type": "not_found_error"}}
OLLAMA = {"error": "model 'x' not found"}


@pytest.mark.parametrize("mistake", faults.MISTAKES)
def test_each_mistake_is_one(mistake: str) -> None:
    for form in (OPENAI_CHAT, OLLAMA_GENERATE):
        good = form.request(faults.QUESTION, "tiny", False)
        assert faults.MISTAKES[mistake](good) != json.dumps(good).encode()


@pytest.mark.parametrize(("api", "document"), [("OpenAI", OPENAI), ("Ollama", OLLAMA)])
def test_the_form_of_an_api_is_that_of_its_errors(api: str, document: object) -> None:
    right = exchange(json.dumps(document).encode(), 404)
    faults.require_form([(ROUTE, right)], api)
    wrong = [
        exchange(b"", 404),
        exchange(b"Failed to parse", 400, "text/plain"),
        exchange(b'{"message": "no"}', 500),
        exchange(json.dumps(OLLAMA if api == "OpenAI" else OPENAI).encode(), 404),
        exchange(json.dumps(document).encode(), 200),
    ]
    for answer in wrong:
        with pytest.raises(AssertionError, match="expected a refusal in the form of"):
            faults.require_form([(ROUTE, right), (ROUTE, answer)], api)


@pytest.mark.parametrize("api", ["OpenAI", "Ollama"])
def test_a_clients_mistake_is_no_failure_of_the_server(api: str) -> None:
    words = json.dumps(OPENAI if api == "OpenAI" else OLLAMA).encode()
    faults.require_refused([(ROUTE, exchange(words, 422))], api)
    with pytest.raises(AssertionError, match="told as a failure of the server"):
        faults.require_refused([(ROUTE, exchange(words, 404)), (ROUTE, exchange(words, 500))], api)


def test_both_lists_of_a_server_give_the_same_names() -> None:
    names.require_same_names(["tiny:latest", "other"], ["other:latest", "tiny"])
    for openai, ollama in ([["tiny"], ["tiny", "more"]], [["tiny"], ["Tiny"]], [[], []]):
        with pytest.raises(AssertionError, match="the lists of one server do not agree"):
            names.require_same_names(openai, ollama)


def test_an_alias_is_no_model_of_its_own() -> None:
    names.require_as_many({"one": ["default", "/models/tiny"], "two": ["tiny:latest"]})
    names.require_as_many({"one": ["default"], "two": ["tiny:latest"]})
    with pytest.raises(AssertionError, match="do not agree"):
        names.require_as_many({"one": ["default", "a", "b"], "two": ["a"]})
    with pytest.raises(AssertionError, match="do not agree"):
        names.require_as_many({"one": [], "two": []})


def test_a_name_that_no_longer_answers_is_noticed(serve: Serve) -> None:
    listed = {"object": "list", "data": [{"id": "default"}, {"id": "tiny"}]}

    def server(broken: str) -> Reply:
        def answer(connection: socket.socket, closing: threading.Event) -> None:
            request = toy.requests[-1] if toy.requests else b""
            if request.startswith(b"GET"):
                json_reply(listed)(connection, closing)
            elif f'"model": "{broken}"'.encode() in request:
                json_reply({"message": "EnginePoisoned"}, "500 Internal Server Error")(connection, closing)
            else:
                json_reply(chat("Yes."))(connection, closing)

        return answer

    toy = serve(server("default"))
    client = ApiClient(toy.url)
    with pytest.raises(AssertionError, match="default: 500") as caught:
        names.require_all_answer(client, "Yes.")
    client.close()
    assert "tiny:" not in str(caught.value)


def program(folder: Path, text: str) -> Path:
    """A program that prints what it was called with, and fails for `rm`."""
    file = folder / "ollama"
    file.write_text(f"{first_lines()}import os, sys\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_a_command_gets_a_home_and_a_server_of_its_own(tmp_path: Path) -> None:
    toy = program(tmp_path, "print(sys.argv[1:], os.environ['OLLAMA_HOST'], os.environ['HOME'])")
    done = command.run(toy, "http://127.0.0.1:9", "tiny", "show what a model is", tmp_path)
    assert done.outcomes[0].stdout.split() == ["['show',", "'tiny']", "127.0.0.1:9", str(tmp_path)]
    done.require("the name of the model")
    with pytest.raises(AssertionError, match="expected 'context length'"):
        done.require("the length of its context")
    with pytest.raises(AssertionError, match=r"expected 'The comet\.' in what it printed"):
        done.require("The comet.")


def test_a_command_that_fails_or_leaves_something_is_noticed(tmp_path: Path) -> None:
    failing = program(tmp_path, "sys.exit('Error: no' if sys.argv[1] == 'rm' else 0)")
    with pytest.raises(AssertionError, match="ended with 1: Error: no"):
        command.run(failing, "http://127.0.0.1:9", "tiny", "remove a copy", tmp_path).require("tiny")
    leaving = program(tmp_path, f"print('tiny {command.COPY}')")
    with pytest.raises(AssertionError, match="is still there"):
        run = command.run(leaving, "http://127.0.0.1:9", "tiny", "remove a copy", tmp_path)
        run.require("the name of the model, and no copy")


def test_what_changes_a_server_is_known_before_it_is_done() -> None:
    changing = {errand for errand in command.ERRANDS if command.change(errand) is not None}
    assert changing == {"unload a model", "copy a model", "remove a copy"}
    assert {errand for errand in command.ERRANDS if command.talks(errand)} == {
        "ask a question",
        "see what is loaded",
        "unload a model",
    }


class Program:
    """A model of LangChain's that answers everything the same, and counts these tokens."""

    def __init__(self, **spent: int) -> None:
        self.content, self.usage_metadata = "Yes.", spent

    def invoke(self, _: object) -> Program:
        return self

    def stream(self, _: object) -> list[Program]:
        return [self]


def test_what_a_program_gets_is_compared_to_the_letter() -> None:
    for journey in ("ask a question", "read a stream", "remember a name"):
        got = adapters.JOURNEYS[journey](Program())
        adapters.Brought(got).require("Yes.")
        with pytest.raises(AssertionError, match=r"expected 'No\.', got 'Yes\.'"):
            adapters.Brought(got).require("No.")


def test_counts_that_do_not_add_up_are_told() -> None:
    count = adapters.JOURNEYS["count what it spent"]
    assert count(Program(input_tokens=3, output_tokens=2, total_tokens=5)) == adapters.COUNTED
    assert count(Program(input_tokens=3, output_tokens=2, total_tokens=6)).endswith("6 in all")
    assert count(Program(input_tokens=0, output_tokens=2, total_tokens=2)) != adapters.COUNTED


def test_a_server_without_a_description_is_not_asked(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(NotOffered, match="no description of its API"):
        fuzz.fuzz(serve(reply(b"", "404 Not Found", "")).url, tmp_path, 1.0)


def test_what_made_up_requests_bring_about_is_told() -> None:
    fuzz.Fuzzed("", "all well", 500).require_clean()
    with pytest.raises(AssertionError, match=r"500 made-up requests brought this about:\n\[500\] oops"):
        fuzz.Fuzzed("[500] oops", "", 500).require_clean()
    with pytest.raises(AssertionError, match="only 3 requests"):
        fuzz.Fuzzed("", "", 3).require_asked(100)
