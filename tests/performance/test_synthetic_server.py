"""The synthetic server: its schedule, the shapes of its streams, its build and its end.

It never sends before a deadline, however busy the machine is; how late it is only its own times state.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.errors import ProgramUnavailable
from support.http.answer_stream import openai_answer
from support.http.client import ApiClient, RequestFailed
from support.http.framing import DONE, parse_events, split_lines
from support.performance.ground_truth import server
from support.performance.ground_truth.server import Schedule, SentTimes, build
from support.settings import default_cache
from support.waiting import wait_until
from tests.timeouts import PATIENCE

OPENAI, OLLAMA = "/v1/chat/completions", "/api/chat"
PLAIN = Schedule(ttft_us=20_000, itl_us=2_000, tokens=6, prompt_tokens=11, cached_tokens=3)
MICROSECOND = 1000
Documents = list[dict[str, Any]]


def stream(url: str, route: str, schedule: Schedule) -> bytes:
    with closing(ApiClient(url, timeout=PATIENCE)) as client:
        exchange = client.post(route, {"model": schedule.model, "messages": []})
    assert exchange.status == 200
    return exchange.body


def openai_chunks(body: bytes) -> Documents:
    *events, done = parse_events(body)
    assert done.data == DONE
    return [json.loads(event.data) for event in events]


def ollama_lines(body: bytes) -> Documents:
    return [json.loads(line) for line in split_lines(body)]


def deltas(chunks: Documents, field: str = "content") -> list[str]:
    found = (choice["delta"].get(field) for chunk in chunks for choice in chunk["choices"])
    return [text for text in found if text is not None]


def messages(lines: Documents, field: str = "content") -> list[str]:
    return [line["message"].get(field, "") for line in lines]


@pytest.mark.parametrize(
    ("route", "texts_of"),
    [
        (OPENAI, lambda body: deltas(openai_chunks(body))),
        (OLLAMA, lambda body: messages(ollama_lines(body))),
    ],
    ids=["openai", "ollama"],
)
def test_each_token_states_a_time_that_is_not_before_its_deadline(
    synthetic_url: str, route: str, texts_of: Callable[[bytes], list[str]]
) -> None:
    sent = SentTimes.of("".join(texts_of(stream(synthetic_url, route, PLAIN))))
    assert len(sent.tokens) == PLAIN.tokens
    for number, time in enumerate(sent.tokens):
        due = sent.arrived + (PLAIN.ttft_us + number * PLAIN.itl_us) * MICROSECOND
        assert time >= due
    assert all(before < after for before, after in pairwise(sent.tokens))


def test_an_openai_stream_ends_with_finish_reason_and_usage(synthetic_url: str) -> None:
    *_, finish, usage = openai_chunks(stream(synthetic_url, OPENAI, PLAIN))
    assert finish["choices"][0]["finish_reason"] == "length"
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 6,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    without = openai_chunks(stream(synthetic_url, OPENAI, replace(PLAIN, usage=False)))
    assert not [chunk for chunk in without if "usage" in chunk]


def test_an_ollama_stream_ends_with_its_counts(synthetic_url: str) -> None:
    *tokens, last = ollama_lines(stream(synthetic_url, OLLAMA, PLAIN))
    assert not any(line["done"] for line in tokens)
    assert (last["done"], last["prompt_eval_count"], last["eval_count"]) == (True, 11, 6)


def test_role_and_reasoning_come_first(synthetic_url: str) -> None:
    schedule = replace(PLAIN, role_us=1000, reasoning=2)
    chunks = openai_chunks(stream(synthetic_url, OPENAI, schedule))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [list(chunk["choices"][0]["delta"]) for chunk in chunks[1:4]] == [
        ["reasoning_content"],
        ["reasoning_content"],
        ["content"],
    ]
    lines = ollama_lines(stream(synthetic_url, OLLAMA, schedule))
    assert lines[0]["message"]["content"] == ""
    assert [bool(text) for text in messages(lines, "thinking")[1:4]] == [True, True, False]


def test_an_event_may_have_several_tokens_and_come_in_two_parts(synthetic_url: str) -> None:
    several = replace(PLAIN, tokens_per_event=4)
    texts = deltas(openai_chunks(stream(synthetic_url, OPENAI, several)))
    assert [len(text.split()) for text in texts] == [5, 2]
    first, *_, last = SentTimes.of("".join(texts)).tokens
    assert last - first > 0
    split = replace(PLAIN, split_us=3000)
    sent = SentTimes.of("".join(deltas(openai_chunks(stream(synthetic_url, OPENAI, split)))))
    assert sent.tokens[0] - sent.arrived >= (split.ttft_us + split.split_us) * MICROSECOND


def test_two_answers_may_have_the_same_text(synthetic_url: str) -> None:
    same = replace(PLAIN, same_text=True)
    found = ["".join(deltas(openai_chunks(stream(synthetic_url, OPENAI, same)))) for _ in range(2)]
    assert found == ["0 1 2 3 4 5 "] * 2


def test_comments_stand_between_events(synthetic_url: str) -> None:
    body = stream(synthetic_url, OPENAI, replace(PLAIN, comments=True))
    assert body.count(b": ping\n\n") == PLAIN.tokens
    assert len(deltas(openai_chunks(body))) == PLAIN.tokens


def test_an_error_is_an_event_of_a_stream_that_ends_regularly(synthetic_url: str) -> None:
    *chunks, error = openai_chunks(stream(synthetic_url, OPENAI, replace(PLAIN, error_after=2)))
    assert len(deltas(chunks)) == 2
    assert error["error"]["message"] == "synthetic failure"
    *lines, failed = ollama_lines(stream(synthetic_url, OLLAMA, replace(PLAIN, error_after=2)))
    assert (len(lines), failed) == (2, {"error": "synthetic failure"})


@pytest.mark.parametrize("after", [1, 6])
def test_a_connection_is_closed_before_the_end(synthetic_url: str, after: int) -> None:
    with pytest.raises(RequestFailed):
        stream(synthetic_url, OPENAI, replace(PLAIN, drop_after=after))


def test_streams_tick_together(synthetic_url: str) -> None:
    schedule = replace(PLAIN, together=True)
    interval = schedule.itl_us * MICROSECOND

    def one(_: int) -> SentTimes:
        return SentTimes.of("".join(deltas(openai_chunks(stream(synthetic_url, OPENAI, schedule)))))

    with ThreadPoolExecutor(4) as users:
        for sent in users.map(one, range(4)):
            earliest = sent.arrived + schedule.ttft_us * MICROSECOND
            tick = -(-earliest // interval) * interval
            assert all(time >= tick + number * interval for number, time in enumerate(sent.tokens))


def test_a_connection_serves_one_request_after_another(synthetic_url: str) -> None:
    with closing(ApiClient(synthetic_url, timeout=PATIENCE)) as client:
        for _ in range(3):
            exchange = client.post(OPENAI, {"model": PLAIN.model, "messages": ["x" * 100_000]})
            assert len(deltas(openai_chunks(exchange.body))) == PLAIN.tokens


def test_every_key_of_a_schedule_is_known_to_the_server(synthetic_url: str) -> None:
    # All but those that end a stream early; none has its default.
    early = ("error_after", "drop_after")
    values = {field.name: field.default for field in fields(Schedule) if field.name not in early}
    changed: dict[str, Any] = {
        name: not value if isinstance(value, bool) else 2 for name, value in values.items()
    }
    schedule = Schedule(**changed)
    assert all(f"{name}=" in schedule.model for name in changed)
    assert openai_chunks(stream(synthetic_url, OPENAI, schedule))


@pytest.mark.parametrize(
    ("route", "body", "words"),
    [
        (OPENAI, b'{"model":"tokens=3,speed=9"}', "no schedule: speed=9"),
        (OPENAI, b'{"model":"tokens"}', "no schedule: tokens"),
        (OPENAI, b'{"model":"tokens_per_event=65"}', "1 to 64"),
        (OPENAI, b'{"messages":[]}', "no model"),
        ("/v1/models", b'{"model":"tokens=3"}', "no such route"),
    ],
)
def test_a_wrong_request_is_rejected(synthetic_url: str, route: str, body: bytes, words: str) -> None:
    with closing(ApiClient(synthetic_url, timeout=PATIENCE)) as client:
        exchange = client.send("POST", route, body=body)
        assert exchange.status in (400, 404)
        assert words in exchange.text


def test_text_of_another_server_is_no_ground_truth() -> None:
    with pytest.raises(ValueError, match="no text of the synthetic server: 'Once upon"):
        SentTimes.of("Once upon a time")
    assert SentTimes.of("@5 7 7 9 ") == SentTimes(5, (7, 7, 9))


def test_without_a_compiler_the_reason_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ProgramUnavailable, match=r"no C compiler 'no-such-compiler': install gcc") as caught:
        build(tmp_path)
    assert "\n" not in str(caught.value)


def test_elsewhere_than_on_linux_it_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ProgramUnavailable, match=r"needs Linux \(epoll, timerfd\); this is win32"):
        build(tmp_path)


@pytest.mark.usefixtures("synthetic_url")
def test_a_program_that_cannot_be_compiled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return none; }\n")
    monkeypatch.setattr(server, "SOURCE", source)
    with pytest.raises(ProgramUnavailable, match=r"wrong\.c cannot be compiled: .*error") as caught:
        build(tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob(server.NAME + "/*/*"))


@pytest.mark.usefixtures("synthetic_url")
def test_it_ends_with_its_parent() -> None:
    program = build(default_cache())
    # One write: the line of the server may come between two.
    start = f"s = subprocess.Popen([{str(program)!r}]); os.write(1, b'%d\\n' % s.pid); s.wait()"
    code = f"import os, subprocess; {start}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            # The port comes from the server itself, the process id from its parent.
            numbers = [int(parent.stdout.readline()) for _ in range(2)]
        finally:
            parent.send_signal(signal.SIGKILL)
    started = [number for number in numbers if is_running(number, program)]
    wait_until(
        "the end of the server", lambda: not any(is_running(n, program) for n in started), timeout=PATIENCE
    )


def is_running(pid: int, program: Path) -> bool:
    try:
        return program.name in " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False


def test_a_schedule_may_be_apart_by_semicolons(synthetic_url: str) -> None:
    """aiperf takes a name with commas for several models."""
    schedule = Schedule(tokens=3, itl_us=1000)
    with closing(ApiClient(synthetic_url, timeout=PATIENCE)) as client:
        name = schedule.model.replace(",", ";")
        exchange = client.post(OPENAI, {"model": name, "messages": []})
    assert exchange.status == 200
    assert len(openai_answer(exchange.body).events) == schedule.tokens
