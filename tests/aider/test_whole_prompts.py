"""What is read from a server's responses and processes: the length of prompts, reloads of the model."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import pytest

from support.aider import server
from support.aider.run import AiderRun
from support.aider.server import ConnectedServer
from support.aider.traffic import aider_requests
from support.chat.client import OLLAMA_CHAT, ChatEndpoint
from support.errors import CheckFailed
from support.http.exchange import Exchange
from support.http.recording_proxy import RecordingProxy
from support.programs.launcher import LaunchedProgram

SERVER = "openai/default at http://127.0.0.1:1"

REJECTED = b'data: {"message": "Prompt sequence length is greater than 512"}\n\n'


def run_with(*bodies: bytes) -> AiderRun:
    prompt = json.dumps({"messages": [{"role": "user", "content": "Hello"}]}).encode()
    url = "http://localhost/v1/chat/completions"
    exchanges = [Exchange("POST", url, {}, prompt, 200, {}, body, 0.1) for body in bodies]
    return AiderRun("", 0, tuple(aider_requests(exchanges)), (), 0.1, "", SERVER)


@pytest.mark.parametrize(
    "body",
    [b'data: {"usage": {"prompt_tokens": 9}}\n\n', b'{"done":true,"prompt_eval_count":9}\n', REJECTED],
)
def test_a_whole_or_rejected_prompt_is_right(body: bytes) -> None:
    run_with(body).require_whole_prompts(lambda _: 9)


@pytest.mark.parametrize("body", [b'{"done":true,"prompt_eval_count":8}\n', b'{"error": "busy"}', b"context"])
def test_a_cut_prompt_or_another_error_is_wrong(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="the prompt has 9 tokens"):
        run_with(body).require_whole_prompts(lambda _: 9)


def test_a_last_request_without_response_is_not_judged() -> None:
    run_with(REJECTED, b"").require_whole_prompts(lambda _: 9)
    for bodies in ([b""], [b"", REJECTED], []):
        with pytest.raises(CheckFailed):
            run_with(*bodies).require_whole_prompts(lambda _: 9)


@pytest.mark.parametrize(
    ("processes", "reloads"),
    [([{5}, {5}, {5}], 0), ([{5}, {6}, {7}], 2), ([{4, 5}, {4, 6}, {4, 6}], 1), ([], 0)],
)
def test_each_new_process_after_the_first_turn_is_a_reload(
    monkeypatch: pytest.MonkeyPatch, processes: list[set[int]], reloads: int
) -> None:
    endpoint = ChatEndpoint("a real Ollama", "http://localhost", "model", OLLAMA_CHAT)
    connected = ConnectedServer(
        endpoint,
        cast("RecordingProxy", None),
        cast("LaunchedProgram", SimpleNamespace(process=SimpleNamespace(pid=1))),
        "",
    )
    turns = iter(processes)
    monkeypatch.setattr(server, "_model_processes", lambda _: frozenset(next(turns)))
    for _ in processes:
        connected.note_model_processes()
    assert connected.reloads == reloads
    if reloads:
        with pytest.raises(CheckFailed, match=f"again {reloads} times"):
            connected.require_no_reload()
    else:
        connected.require_no_reload()
