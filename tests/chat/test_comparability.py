"""The servers of a run: what is asked of each is the truth about it, and what was there is left as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.chat.client import OPENAI_CHAT, Answer, ChatEndpoint, ChatRequest
from support.chat.comparability import ComparedEndpoints
from support.chat.model_lists import ListedModels, listed_name
from support.chat.scenario import ComparedAnswers, ParityScenario, rejected_alike
from support.chat.scenario_servers import ScenarioServers
from support.errors import NotSupported
from support.http.exchange import Exchange
from support.models.roles import SCRIPTED
from support.models.script import Row, Script
from support.results.must_check import UncheckedResult
from support.results.program_version import GATEWAY as BUNDLED
from support.scenario import ScenarioContext
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.ollama_backends import OllamaBackend
from tests.conformance.samples import exchange
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
PROGRAM = CommandTarget(SimpleNamespace(), "mistralrs", "0.8.1", "chosen")  # type: ignore[arg-type]
TALK = ChatRequest(({"role": "user", "content": "Say it briefly"},))
OURS: Any = SimpleNamespace(alive=True)
LIGHTHOUSE = "The lighthouse was lit in 1874 and is seen from twenty miles away."


@dataclass
class Stack:
    """What a suite has of one kind of stack. `gateway` and `real` are its servers of Ollama's API."""

    target: CommandTarget | UrlTarget
    gateway: OllamaBackend
    real: OllamaBackend = field(
        default_factory=lambda: OllamaBackend("http://127.0.0.1:3", "ollama", "0.17.4", {SCRIPTED: "m"}, OURS)
    )
    kind: str = "gateway"

    def lineup(self) -> ComparedEndpoints:
        return ComparedEndpoints(self.context(), PATIENCE)

    def context(self) -> ScenarioContext:
        return ScenarioContext(self.suite(), Path())

    def suite(self) -> Any:
        fronts = SimpleNamespace(gateway=lambda: self.gateway, real=lambda: self.real, kind=self.kind)
        settings = SimpleNamespace(api_key=None, seconds=lambda seconds: seconds)
        script = Script(rows=(Row(keyword="lighthouse", answer=LIGHTHOUSE),), default="Nothing.")
        return SimpleNamespace(
            target=self.target,
            ollama_backends=fronts,
            settings=settings,
            script=script,
            probe_answers={},
        )


def url_target(server: TinyServer) -> UrlTarget:
    return UrlTarget(server.url, ("theirs",), "set")


def bundled(url: str = "http://127.0.0.1:2") -> OllamaBackend:
    return OllamaBackend(url, BUNDLED, "0.17.4", {SCRIPTED: "scripted"}, OURS)


def theirs(url: str, made: tuple[str, ...] = ()) -> OllamaBackend:
    return OllamaBackend(url, "ollama" if made else "url", "9", {SCRIPTED: "theirs"}, created=made)


def says(text: str) -> Reply:
    answer = {"message": {"role": "assistant", "content": text}, "done": True, "done_reason": "stop"}
    answer |= {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
    return json_reply(answer)


def test_a_server_of_ours_may_be_changed_and_speaks() -> None:
    lineup = Stack(PROGRAM, bundled()).lineup()
    for server in (DIRECT, GATEWAY, REAL):
        lineup.require_managed(server, "unloading a model")
        lineup.require_scripted(server)
    lineup.require_same_model((DIRECT, GATEWAY, REAL))


def test_what_was_there_before_is_not_changed(serve: Serve) -> None:
    own_gateway = Stack(PROGRAM, theirs("http://127.0.0.1:2"), kind="http://127.0.0.1:2").lineup()
    with pytest.raises(
        NotSupported, match=r"the gateway at http://127.* and copying a model would change it"
    ):
        own_gateway.require_managed(GATEWAY, "copying a model")
    other = replace(url_target(serve(says("Hi."))), other_answer="Hi.")
    own_server = Stack(other, bundled()).lineup()
    with pytest.raises(NotSupported, match="the server behind the gateway was there before this run"):
        own_server.require_managed(GATEWAY, "unloading a model")
    foreign = OllamaBackend("http://127.0.0.1:3", "ollama", "9", {SCRIPTED: "m"}, created=("m",))
    with pytest.raises(NotSupported, match="a real Ollama at"):
        Stack(PROGRAM, bundled(), foreign).lineup().require_managed(REAL, "unloading a model")


def test_exact_words_are_not_expected_of_another_model(serve: Serve) -> None:
    server = serve(says("A lighthouse is a kind of tower, you know."))
    lineup = Stack(PROGRAM, theirs(server.url)).lineup()
    with pytest.raises(
        NotSupported, match=r"serves another model .*'A lighthouse is.*`acceptance model` prints"
    ):
        lineup.require_scripted(GATEWAY)
    with pytest.raises(NotSupported, match="serves another model"):
        lineup.require_same_model((DIRECT, GATEWAY))
    assert len(server.requests) == 1


@pytest.mark.parametrize("said", [LIGHTHOUSE, LIGHTHOUSE.replace(" ", ""), LIGHTHOUSE[:40]])
def test_a_spoilt_answer_is_no_other_model(serve: Serve, said: str) -> None:
    """Else a gateway that loses spaces would be left out instead of found out."""
    Stack(PROGRAM, theirs(serve(says(said)).url)).lineup().require_same_model((DIRECT, GATEWAY, REAL))


def test_a_gateway_that_refuses_is_not_left_out(serve: Serve) -> None:
    server = serve(json_reply({"error": "no"}, "500 Internal Server Error"))
    with pytest.raises(AssertionError, match="expected 200, got 500"):
        Stack(PROGRAM, theirs(server.url)).lineup().require_scripted(GATEWAY)


def test_a_stack_of_the_users_is_compared_whatever_its_model(serve: Serve) -> None:
    target = url_target(serve(says("Something else.")))
    for gateway in (bundled(), theirs("http://127.0.0.1:2")):
        Stack(target, gateway).lineup().require_same_model((DIRECT, GATEWAY))
    with pytest.raises(NotSupported, match=r"mistral\.rs at .* serves another model"):
        Stack(target, bundled()).lineup().require_same_model((DIRECT, GATEWAY, REAL))
    # It took our model, so it does not stand in front of the target.
    with pytest.raises(NotSupported, match=r"mistral\.rs at .* serves another model"):
        Stack(target, theirs("http://127.0.0.1:2", made=("theirs",))).lineup().require_same_model(
            (
                DIRECT,
                GATEWAY,
            )
        )


def test_known_issues_are_those_of_who_was_asked() -> None:
    behind = Stack(PROGRAM, bundled()).context()
    ComparedEndpoints(behind, PATIENCE).native(GATEWAY)
    assert behind.components == [("mistralrs", "0.8.1"), (BUNDLED, "0.17.4")]
    alone = Stack(PROGRAM, theirs("http://127.0.0.1:2")).context()
    ComparedEndpoints(alone, PATIENCE).native(GATEWAY)
    ComparedEndpoints(alone, PATIENCE).native(REAL)
    assert alone.components == [("url", "9"), ("ollama", "0.17.4")]


def test_a_name_is_that_of_the_list(serve: Serve) -> None:
    server = serve(json_reply({"data": [{"id": "other"}, {"id": "tiny:latest"}]}))
    assert listed_name(server.url, "tiny", PATIENCE) == "tiny:latest"
    assert listed_name(server.url, "unknown", PATIENCE) == "other"
    with pytest.raises(AssertionError, match="no model is listed"):
        listed_name(serve(json_reply({"data": []})).url, "tiny", PATIENCE)


def test_an_unchecked_result_of_a_part_is_noticed() -> None:
    context = Stack(PROGRAM, bundled()).context()
    scenario = ParityScenario(ScenarioServers(context))
    context.require_results_checked()
    scenario.listed_models.set(ListedModels({"one": ["tiny"], "two": ["tiny"]}))
    with pytest.raises(UncheckedResult, match="model lists"):
        context.require_results_checked()
    scenario.listed_models.get().require_same("names")
    context.require_results_checked()


def test_answers_that_end_differently_are_not_equal() -> None:
    scenario = ParityScenario(ScenarioServers(Stack(PROGRAM, bundled()).context()))
    answers = [
        Answer(name, "Yes.", end, 5, 2, exchange(b"{}")) for name, end in (("one", "stop"), ("two", "length"))
    ]
    scenario.answers.set(ComparedAnswers(TALK, tuple(answers), tuple(answers)))
    with pytest.raises(AssertionError, match="the finish reasons differ"):
        scenario.require_equal()
    with pytest.raises(AssertionError, match="two: expected the finish reason 'stop'"):
        scenario.require_finish_reason("stop")


def test_what_was_sent_is_there_as_evidence(serve: Serve) -> None:
    """Of a client of the scenario, and of each endpoint that was asked, non-streamed and streamed."""
    server = serve(says("Hello."))
    endpoint = ChatEndpoint("toy", server.url, "theirs", OPENAI_CHAT)
    context = Stack(PROGRAM, bundled()).context()
    with context.cleanups:
        servers = ScenarioServers(context)
        scenario = ParityScenario(servers)
        assert context.exchanges() == []
        servers.client(endpoint).get("/v1/models")
        answer = endpoint.ask(TALK, timeout=PATIENCE)
        scenario.answers.set(ComparedAnswers(TALK, (answer,), (answer,)))
        asked = sorted(one.url.removeprefix(server.url) for one in context.exchanges())
        assert asked == [*["/v1/chat/completions"] * 2, "/v1/models"]


TEMPLATE_ERROR = 'no "system" role'


def rejecting(status: str = "500 Internal Server Error", message: str = TEMPLATE_ERROR) -> list[Reply]:
    """An answer without the system message, then twice an error."""
    return [says("Hello."), *[json_reply({"error": {"message": message}}, status)] * 2]


def in_turn(replies: Sequence[Reply]) -> Reply:
    left = list(replies)
    return lambda connection, closing: left.pop(0)(connection, closing)


def rejected(serve: Serve, *servers: Sequence[Reply]) -> tuple[Exchange, ...]:
    endpoints = [
        ChatEndpoint(f"endpoint {number}", serve(in_turn(replies)).url, "tiny", OPENAI_CHAT)
        for number, replies in enumerate(servers)
    ]
    return rejected_alike(endpoints, SYSTEM_TALK, TALK, PATIENCE)


SYSTEM_TALK = ChatRequest(({"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}))


def test_a_template_that_rejects_system_messages_is_parity_when_both_reject(serve: Serve) -> None:
    error = json.dumps({"error": {"message": TEMPLATE_ERROR}})
    begun = reply(f"data: {error}\n\ndata: [DONE]\n\n".encode(), content_type="text/event-stream")
    responses = rejected(serve, [*rejecting()[:2], begun], rejecting())
    assert [response.status for response in responses] == [500, 200, 500, 500]
    compared = ComparedAnswers(SYSTEM_TALK, (), (), responses)
    compared.require_same_answers()
    compared.require_same_counts()
    compared.require_same_streams()
    with pytest.raises(AssertionError, match="the system message is rejected"):
        compared.require_answered()


@pytest.mark.parametrize(
    ("gateway", "failure"),
    [
        ([says("Hello.")] * 3, "endpoint 1: expected status 500"),
        (rejecting("400 Bad Request"), "endpoint 1: expected status 500"),
        (rejecting(message="something else"), "endpoint 1: expected status 500"),
        ([*rejecting()[:2], says("Hello.")], "endpoint 1: expected status 500"),
        ([json_reply({"error": "down"}, "500 Internal Server Error")] * 3, "expected 200, got 500"),
    ],
)
def test_a_rejection_of_its_own_is_a_difference(serve: Serve, gateway: Sequence[Reply], failure: str) -> None:
    with pytest.raises(AssertionError, match=failure):
        rejected(serve, rejecting(), gateway)
