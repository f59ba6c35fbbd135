"""Mistakes, names, commands and generated requests: wrong outcomes are noticed."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.chat import model_lists
from support.chat.checks import check_error_form
from support.chat.client import OLLAMA_GENERATE, OPENAI_CHAT, ChatEndpoint
from support.chat.model_lists import ListedModels
from support.clients import langchain, ollama_cli
from support.clients.task import COUNTED
from support.faults import fuzzing, malformed_requests
from support.faults.malformed_requests import require_client_errors
from support.http.client import ApiClient
from support.http.exchange import Exchange
from tests.conformance.samples import chat, exchange
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply, silence
from tests.python_programs import first_lines
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
ROUTE = ChatEndpoint("toy", "http://127.0.0.1:1", "tiny", OPENAI_CHAT)
OPENAI = {"error": {"message": "model 'x' not found", "type": "not_found_error"}}
OLLAMA = {"error": "model 'x' not found"}


@pytest.mark.parametrize("mistake", malformed_requests.MISTAKES)
def test_each_mistake_is_one(mistake: str) -> None:
    for form in (OPENAI_CHAT, OLLAMA_GENERATE):
        good = form.build_request(malformed_requests.QUESTION, "tiny", stream=False)
        assert malformed_requests.MISTAKES[mistake](good) != json.dumps(good).encode()


@pytest.mark.parametrize(("api", "document"), [("OpenAI", OPENAI), ("Ollama", OLLAMA)])
def test_the_form_of_an_api_is_that_of_its_errors(api: str, document: object) -> None:
    right = exchange(json.dumps(document).encode(), 404)
    check_error_form("toy", right, api)
    wrong = [
        exchange(b"", 404),
        exchange(b"Failed to parse", 400, "text/plain"),
        exchange(b'{"message": "no"}', 500),
        exchange(json.dumps(OLLAMA if api == "OpenAI" else OPENAI).encode(), 404),
        exchange(json.dumps(document).encode(), 200),
    ]
    for response in wrong:
        with pytest.raises(AssertionError, match="toy: expected an error in the form of the"):
            check_error_form("toy", response, api)
        with pytest.raises(AssertionError, match="toy: expected an error in the form of the"):
            require_client_errors([(ROUTE, right), (ROUTE, response)], api)


@pytest.mark.parametrize("api", ["OpenAI", "Ollama"])
def test_a_clients_mistake_is_no_failure_of_the_server(api: str) -> None:
    words = json.dumps(OPENAI if api == "OpenAI" else OLLAMA).encode()
    require_client_errors([(ROUTE, exchange(words, 422))], api)
    with pytest.raises(AssertionError, match="has the status of a server error"):
        require_client_errors([(ROUTE, exchange(words, 404)), (ROUTE, exchange(words, 500))], api)


def lists(one: list[str], other: list[str]) -> ListedModels:
    return ListedModels({"one": one, "other": other})


def test_both_lists_of_a_server_give_the_same_names() -> None:
    lists(["tiny:latest", "other"], ["other:latest", "tiny"]).require_same("names")
    for openai, ollama in ([["tiny"], ["tiny", "more"]], [["tiny"], ["Tiny"]], [[], []]):
        with pytest.raises(AssertionError, match="the model lists differ in their names"):
            lists(openai, ollama).require_same("names")


def test_an_alias_is_no_model_of_its_own() -> None:
    lists(["default", "/models/tiny"], ["tiny:latest"]).require_same("number of models")
    lists(["default"], ["tiny:latest"]).require_same("number of models")
    for wrong in (lists(["default", "a", "b"], ["a"]), lists([], [])):
        with pytest.raises(AssertionError, match="differ in their number of models"):
            wrong.require_same("number of models")


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
        model_lists.require_all_answered(model_lists.ask_every_name(client, model_lists.QUESTION, "Yes."))
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
    done = ollama_cli.run(toy, "http://127.0.0.1:9", "tiny", "show a model", tmp_path)
    assert done.completed[0].stdout.split() == ["['show',", "'tiny']", "127.0.0.1:9", str(tmp_path)]
    done.require("the model name")
    with pytest.raises(AssertionError, match="expected 'context length'"):
        done.require("the context length")
    with pytest.raises(AssertionError, match=r"expected 'The comet\.' in what it printed"):
        done.require("The comet.")


def test_a_command_that_fails_or_leaves_something_is_noticed(tmp_path: Path) -> None:
    failing = program(tmp_path, "sys.exit('Error: no' if sys.argv[1] == 'rm' else 0)")
    with pytest.raises(AssertionError, match="ended with 1: Error: no"):
        ollama_cli.run(failing, "http://127.0.0.1:9", "tiny", "remove a copy", tmp_path).require("tiny")
    leaving = program(tmp_path, f"print('tiny {ollama_cli.COPY}')")
    with pytest.raises(AssertionError, match="is still there"):
        run = ollama_cli.run(leaving, "http://127.0.0.1:9", "tiny", "remove a copy", tmp_path)
        run.require("the model name, and no copy")


def test_what_changes_a_server_is_known_before_it_is_done() -> None:
    changing = {errand for errand in ollama_cli.TASKS if ollama_cli.mutation(errand) is not None}
    assert changing == {"unload a model", "copy a model", "remove a copy"}
    assert {errand for errand in ollama_cli.TASKS if ollama_cli.needs_inference(errand)} == {
        "ask a question",
        "list the loaded models",
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
        got = langchain.TASKS[journey](Program())
        langchain.ClientResult(got).require("Yes.")
        with pytest.raises(AssertionError, match=r"expected 'No\.', got 'Yes\.'"):
            langchain.ClientResult(got).require("No.")


def test_counts_that_do_not_add_up_are_told() -> None:
    count = langchain.TASKS["count the tokens"]
    assert count(Program(input_tokens=3, output_tokens=2, total_tokens=5)) == COUNTED
    assert count(Program(input_tokens=3, output_tokens=2, total_tokens=6)).endswith("6 in all")
    assert count(Program(input_tokens=0, output_tokens=2, total_tokens=2)) != COUNTED


def test_only_a_program_that_is_known_to_have_no_description_is_not_asked(
    serve: Serve, tmp_path: Path
) -> None:
    assert "no description of its API" in str(fuzzing.missing("mistralrs-reference"))
    with pytest.raises(AssertionError, match="no description of the API"):
        fuzzing.fuzz(serve(reply(b"", "404 Not Found", "")).url, tmp_path, 1.0, lambda: True)


def test_without_schemathesis_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "MODULE", "no_such_module")
    remedy = "needs no_such_module; `python3 tools/setup.py --group fuzz` installs it"
    assert fuzzing.missing("mistralrs") == remedy
    # tools/setup.py is in a checkout only.
    monkeypatch.setenv("_MISTRALRS_ACCEPTANCE_USER_FOLDER", "folder")
    remedy = "needs no_such_module; `pip install no_such_module` beside the suite installs it"
    assert fuzzing.missing("mistralrs") == remedy


def sent(status: int, body: str = "{}", said: str = "", path: str = "/v1/ask") -> Exchange:
    """A made-up request that was answered so; status 0: not at all."""
    headers = {"Content-Type": "application/json"}
    return Exchange("POST", f"http://127.0.0.1:1{path}", headers, body.encode(), status, {}, said.encode(), 0)


def test_server_errors_are_told_by_kind_with_the_shortest_request() -> None:
    came = fuzzing.classify(
        [
            sent(500, '{"long": 1}', r"""{"message":"no model 'x', \"12\""}"""),
            sent(500, "{}", r"""{"message":"no model 'y', \"9\"", "id": 7}"""),
            sent(502, "{}", "NaN"),
            sent(422, "{}", "no"),
            sent(500, "{}", "no model 'x'", "/v1/other"),
        ],
        5,
        alive=True,
    )
    assert [(kind.route, kind.what, kind.times) for kind in came.failures] == [
        ("POST /v1/ask", r"500 no model 'y', \"9\"", 2),
        ("POST /v1/ask", "502 NaN", 1),
        ("POST /v1/other", "500 no model 'x'", 1),
    ]
    came.require_alive()
    came.require_answered(10)
    with pytest.raises(ValueError, match="wait 10 s for an answer, not 5 s"):
        came.require_answered(5)
    with pytest.raises(AssertionError, match="3 kinds of generated requests") as caught:
        came.require_no_failure()
    assert "--data-binary '{}'" in str(caught.value), "nobody can repeat it"
    assert came.replay_script().count("curl -sS") == 3


def test_the_first_request_without_an_answer_is_told_first() -> None:
    unanswered = [sent(0, '{"n": 1000000}'), sent(200), sent(0, "{}"), sent(0, path="/v1/other")]
    came = fuzzing.classify(unanswered, 4, alive=True)
    assert '"n": 1000000' in came.unanswered[0].repeat
    came.require_alive()
    came.require_no_failure()
    with pytest.raises(AssertionError, match=r"answered within 10 s\n?.*consequence"):
        came.require_answered(10)


def test_a_server_that_was_ended_is_told_with_what_it_did_not_answer() -> None:
    came = fuzzing.classify([sent(200), sent(0, '{"n": 1}'), sent(0, path="/v1/victim")], 3, alive=False)
    with pytest.raises(AssertionError, match="3 generated requests ended the server") as caught:
        came.require_alive()
    assert '{"n": 1}' in str(caught.value) and "victim" not in came.replay_script()
    with pytest.raises(AssertionError):
        fuzzing.classify([], 3, alive=False).require_alive()


def test_a_run_that_hardly_asked_is_noticed() -> None:
    with pytest.raises(AssertionError, match="only 3 requests"):
        fuzzing.classify([], 3, alive=True).require_request_count(100)


def test_generated_requests_ask_for_a_model_that_is_there() -> None:
    document = {
        "example": {"model": "mistral", "n": 1},
        "properties": {"model": {"type": "string", "example": "mistral"}, "other": {"example": "mistral"}},
    }
    assert fuzzing.with_model(document, "default") == {
        "example": {"model": "default", "n": 1},
        "properties": {"model": {"type": "string", "example": "default"}, "other": {"example": "mistral"}},
    }


def test_an_archive_is_read_as_it_was_sent() -> None:
    asked = {
        "method": "POST",
        "url": "http://127.0.0.1:1/x",
        "headers": [{"name": "Content-Type", "value": "a/b"}],
        "postData": {"text": '{"q": "\\ud80b"}'},
    }
    answered = {"status": 0, "content": {"size": 0}}
    archive = {"log": {"entries": [{"request": asked, "response": answered, "time": 1500}]}}
    (exchange,) = fuzzing.read_har(json.dumps(archive).encode())
    assert (exchange.request_body, exchange.status, exchange.seconds) == (b'{"q": "\\ud80b"}', 0, 1.5)
    assert exchange.request_headers == {"Content-Type": "a/b"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b"{}"), "expected a rejection\nanswer: 200"),
        (reply(b"{}", "500 Internal Server Error"), "expected a rejection\nanswer: 500"),
        (silence, "did not answer within 1 s"),
    ],
    ids=["granted", "failed", "no answer"],
)
def test_a_countless_wish_has_to_be_refused(serve: Serve, answer: Reply, words: str) -> None:
    limit = 1.0 if answer is silence else PATIENCE
    with (
        closing(ApiClient(serve(answer).url, timeout=limit)) as client,
        pytest.raises(AssertionError) as caught,
    ):
        fuzzing.request_choices(client, 10**12).require_refused()
    assert words in str(caught.value) and '"n": 1000000000000' in str(caught.value)
    with closing(ApiClient(serve(reply(b"no", "400 Bad Request")).url)) as client:
        fuzzing.request_choices(client, 10**12).require_refused()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such limits")
def test_the_memory_of_a_process_is_bounded() -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", GREEDY], **pipes) as greedy:
        fuzzing.bound_memory(greedy.pid)
        _, words = greedy.communicate(b"go", timeout=PATIENCE)
    assert b"MemoryError" in words


# It begins when it is told to, and wants 8 GiB of addresses.
GREEDY = "import sys; sys.stdin.read(); bytearray(8 * 1024**3)"
