"""A server that no longer answers costs three time limits, not one for each scenario.

They end when a request has come that gets no answer: a machine that is slow changes nothing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.http import client as client_module
from support.http.client import ApiClient, RequestFailed
from support.http.responsiveness import Responsiveness, ServerUnresponsive
from tests.http.tiny_server import Reply, TinyServer, json_reply, silence
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def responsiveness(monkeypatch: pytest.MonkeyPatch) -> Responsiveness:
    made = Responsiveness()
    monkeypatch.setattr(client_module, "RESPONSIVENESS", made)
    return made


class EarlyDeadlines:
    """Deadlines that are met by `expire`, not by time."""

    def __init__(self) -> None:
        self._actions: list[Callable[[], None]] = []

    @contextmanager
    def limit(self, _seconds: float, expired: Callable[[], None]) -> Iterator[None]:
        self._actions.append(expired)
        try:
            yield
        finally:
            self._actions.remove(expired)

    def expire(self) -> None:
        for action in list(self._actions):
            action()


class Changing:
    """Answers like one reply after the other; the last one for ever. `count`: the requests so far."""

    def __init__(self, deadlines: EarlyDeadlines, *replies: Reply) -> None:
        self.deadlines = deadlines
        self.replies = replies
        self.count = 0

    def __call__(self, connection: socket.socket, closing: threading.Event) -> None:
        reply = self.replies[min(self.count, len(self.replies) - 1)]
        self.count += 1
        if reply is silence:
            self.deadlines.expire()
        reply(connection, closing)


@pytest.fixture
def connect(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ApiClient]]:
    made: list[ApiClient] = []
    deadlines = EarlyDeadlines()
    monkeypatch.setattr(client_module, "DEADLINES", deadlines)

    def connect(*replies: Reply) -> ApiClient:
        made.append(ApiClient(serve(Changing(deadlines, *replies)).url, timeout=PATIENCE))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def unanswered(client: ApiClient, times: int, path: str = CHAT) -> None:
    for _ in range(times):
        with pytest.raises(RequestFailed):
            client.post(path, {})


def test_after_three_unanswered_requests_none_is_sent(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    client = connect(silence)
    unanswered(client, 3)
    sent = len(client.exchanges)
    with pytest.raises(
        ServerUnresponsive, match="has not answered 3 requests in a row; nothing more is sent"
    ):
        client.post(CHAT, {})
    assert len(client.exchanges) == sent
    ((_, sentence, failures),) = responsiveness.take_unreported()
    assert CHAT in sentence
    assert [CHAT in failure for failure in failures] == [True] * 3, "with those that were only errors then"
    assert responsiveness.take_unreported() == []


def test_another_client_of_the_same_server_does_not_wait_either(connect: Callable[..., ApiClient]) -> None:
    client = connect(silence)
    unanswered(client, 3)
    other = ApiClient(client.base_url, timeout=PATIENCE)
    with pytest.raises(ServerUnresponsive):
        other.get("/v1/models")
    other.close()


def test_an_answer_between_them_is_a_sign_of_life(connect: Callable[..., ApiClient]) -> None:
    client = connect(silence, silence, json_reply({}), silence)
    unanswered(client, 2)
    client.post(CHAT, {})
    unanswered(client, 2)


def test_health_is_no_sign_of_life(connect: Callable[..., ApiClient]) -> None:
    client = connect(silence, silence, json_reply({}), silence)
    unanswered(client, 2)
    client.get("/health")
    unanswered(client, 1)
    with pytest.raises(ServerUnresponsive):
        client.post(CHAT, {})


def test_a_rejection_is_no_sign_of_life(connect: Callable[..., ApiClient]) -> None:
    client = connect(silence, silence, json_reply({}, "400 Bad Request"), silence)
    unanswered(client, 2)
    client.post(CHAT, {})
    unanswered(client, 1)
    with pytest.raises(ServerUnresponsive):
        client.post(CHAT, {})


def test_a_server_that_still_answers_an_earlier_request_is_not_given_up(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    answer = json_reply({})
    client = connect(answer, silence, silence, silence, answer, answer)
    client.post(CHAT, {})
    unanswered(client, 3, "/v1/odd")
    assert client.post(CHAT, {}).status == 200
    assert responsiveness.take_unreported() == []


def test_a_server_that_does_not_even_answer_an_earlier_request_is_given_up(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    client = connect(json_reply({}), silence)
    client.post(CHAT, {})
    unanswered(client, 3)
    assert f"nor POST {CHAT}, which it had answered before" in responsiveness.take_unreported()[0][1]


def test_what_may_be_silent_does_not_count(connect: Callable[..., ApiClient]) -> None:
    client = connect(silence)
    for _ in range(5):
        assert client.try_get("/metrics", timeout=PATIENCE) is None
    unanswered(client, 1)


def test_a_new_server_at_the_address_starts_anew(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    client = connect(silence, silence, silence, json_reply({}))
    unanswered(client, 3)
    responsiveness.forget(client.base_url)
    assert client.post(CHAT, {}).status == 200


def test_no_password_of_the_address_is_shown(responsiveness: Responsiveness) -> None:
    for _ in range(3):
        responsiveness.unanswered("http://user:sesame@127.0.0.1:9", "nothing", lambda _: False)
    assert "sesame" not in responsiveness.take_unreported()[0][1]


def test_a_server_that_another_process_has_lost_gets_no_request(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    client = connect(json_reply({}))
    responsiveness.mark_lost({client.base_url: "the server has not answered"})
    with pytest.raises(ServerUnresponsive, match="the server has not answered"):
        client.post(CHAT, {})
    assert not responsiveness.take_unreported(), "it was reported by the other process"


def test_a_server_of_this_process_is_not_the_one_that_another_has_lost(
    connect: Callable[..., ApiClient], responsiveness: Responsiveness
) -> None:
    client = connect(json_reply({}))
    responsiveness.forget(client.base_url)
    responsiveness.mark_lost({client.base_url: "another server at the same address"})
    assert client.post(CHAT, {}).status == 200
