"""The program `mistralrs-gateway`: its command line, its log, its end; and it in front of real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import ollama
import psutil
import pytest

from support.errors import TargetError
from support.models.files import ModelFiles
from support.models.script import Script
from support.programs.launcher import LaunchedProgram
from support.servers.bundled_gateway import (
    KEY_VARIABLE,
    PROGRAM,
    GatewayStartError,
    gateway_version,
    start_gateway,
)
from support.servers.discovery import CommandTarget, discover
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.settings import Settings, load_settings
from support.waiting import wait_until
from tests.ollama_gateway.fake_target import FakeTarget, event
from tests.timeouts import PATIENCE


@pytest.fixture
def settings() -> Settings:
    return load_settings({}).settings


@pytest.fixture
def started(target: FakeTarget, settings: Settings) -> Iterator[LaunchedProgram]:
    gateway = start_gateway(target.url, settings, api_key="s3cret-of-the-target")
    yield gateway
    gateway.stop()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the following arguments are required: --target"),
        (("--target", "nonsense"), "argument --target: give the target's base address"),
        (("--target", "http://localhost:99999"), "argument --target: "),
        (("--target", "http://localhost", "--port", "x"), "argument --port: 'x' is not a port"),
        (("--target", "http://localhost", "--gguf", "x"), "'x': write NAME=PATH"),
        (("--target", "http://localhost", "--gguf", "x=nowhere"), "nowhere: there is no such file"),
        (("--target", "http://localhost", "--api-key-env", "NOT_SET"), "NOT_SET is not set"),
        (("--target", "http://localhost", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
        (("--target", "http://localhost", "--wrong"), "unrecognized arguments: --wrong"),
    ],
)
def test_wrong_arguments_are_one_line(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mistralrs-gateway: ")
    assert said in done.stderr


def test_a_taken_port_is_one_line(target: FakeTarget) -> None:
    port = target.url.rpartition(":")[2]
    done = run("--target", target.url, "--port", port)
    assert done.returncode == 2
    assert (
        done.stderr == f"mistralrs-gateway: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    )


def test_help_names_every_option() -> None:
    said = run("--help").stdout
    assert all(name in said for name in ("--target", "--host", "--port", "--gguf", "--api-key-env"))


def test_version_is_the_one_that_the_api_reports(started: LaunchedProgram) -> None:
    done = run("--version")
    version = httpx.get(f"{started.url}/api/version", timeout=PATIENCE).json()["version"]
    assert (done.returncode, done.stdout) == (0, f"mistralrs-gateway {version}\n")
    assert gateway_version() == version


def test_listens_on_loopback_and_logs_nothing_secret(started: LaunchedProgram, target: FakeTarget) -> None:
    asked = {"model": "scripted", "messages": [{"role": "user", "content": "private words"}]}
    headers = {"authorization": "Bearer theirs"}
    url = f"{started.url}/api/chat?q=hidden"
    assert httpx.post(url, json=asked, headers=headers, timeout=PATIENCE).status_code == 200
    assert target.headers[0]["authorization"] == "Bearer s3cret-of-the-target"
    # A request is logged after its answer was sent.
    wait_until("the request is logged", lambda: "POST /api/chat 200" in started.log, timeout=PATIENCE)
    for word in ("private", "theirs", "s3cret", "hidden"):
        assert word not in started.log
    assert "s3cret" not in " ".join(started.process.command)
    listening = psutil.Process(started.process.pid).net_connections(kind="tcp")
    assert {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(started: LaunchedProgram, target: FakeTarget, number: int) -> None:
    target.stream = [event("one"), threading.Event()]
    body = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
    with httpx.stream("POST", f"{started.url}/api/chat", json=body, timeout=PATIENCE) as response:
        next(response.iter_bytes())
        started.process.send(number)
        assert started.process.exited_within(PATIENCE / 2), "it waits for an answer that never ends"
    assert target.left.wait(PATIENCE)


def test_a_gateway_that_does_not_come_up_says_why(settings: Settings) -> None:
    with pytest.raises(GatewayStartError, match="base address"):
        start_gateway("nonsense", settings)


def test_the_key_travels_in_the_environment(started: LaunchedProgram) -> None:
    assert KEY_VARIABLE in " ".join(started.process.command)


Running = tuple[LaunchedProgram, str]


@contextmanager
def running(target: str, model: ModelFiles) -> Iterator[Running]:
    """The gateway in front of a real server with the scripted model; the server's address."""
    settings = load_settings({"acceptance_target": target}).settings
    try:
        found = discover(settings)
    except TargetError as error:
        pytest.skip(str(error))
    assert isinstance(found, CommandTarget)
    server = start_server(found, arguments_of(model), settings)
    try:
        gateway = start_gateway(server.url, settings, {"scripted": model.path})
        try:
            yield gateway, server.url
        finally:
            gateway.stop()
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["reference", "real"])
def real(request: pytest.FixtureRequest, model: ModelFiles) -> Iterator[Running]:
    """For the tests of this module together."""
    with running(request.param, model) as found:
        yield found


@pytest.fixture(params=["reference", "real"])
def own(request: pytest.FixtureRequest, model: ModelFiles) -> Iterator[Running]:
    """For one test: mistral.rs 0.8.1 does not recover from an unload, and goes on for nobody."""
    with running(request.param, model) as found:
        yield found


def question(marker: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Tell me about the {marker}"}]


def ask(url: str, marker: str, **fields: Any) -> dict[str, Any]:
    body = {"model": "scripted", "messages": question(marker), "options": {"temperature": 0}, "stream": False}
    answered = httpx.post(f"{url}/api/chat", json={**body, **fields}, timeout=PATIENCE)
    assert answered.status_code == 200, answered.text
    told: dict[str, Any] = answered.json()
    return told


def loaded(url: str) -> list[str]:
    """The models that are loaded."""
    return [model["name"] for model in httpx.get(f"{url}/api/ps", timeout=PATIENCE).json()["models"]]


@pytest.mark.engine
def test_answers_and_counts_are_those_of_the_target(real: Running, script: Script) -> None:
    gateway, url = real
    for row in [row for row in script.rows if not row.loop][:12]:
        told = ask(gateway.url, row.keyword)
        body = {"model": "default", "messages": question(row.keyword), "temperature": 0}
        direct = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE).json()
        assert told["message"]["content"] == direct["choices"][0]["message"]["content"] == row.answer
        assert told["prompt_eval_count"] == direct["usage"]["prompt_tokens"]
        assert told["eval_count"] == direct["usage"]["completion_tokens"]
        assert told["done_reason"] == "stop"


@pytest.mark.engine
def test_parallel_streams_are_unmixed(real: Running, script: Script) -> None:
    gateway, url = real
    if "x-request-id" not in httpx.get(f"{url}/health", timeout=PATIENCE).headers:
        pytest.skip("mistralrs 0.8.1 gives wrong answers to parallel requests, without a gateway too")
    rows = [row for row in script.rows if not row.loop]
    asked = [rows[number % len(rows)] for number in range(32)]

    def read(marker: str) -> str:
        body = {"model": "scripted", "messages": question(marker), "options": {"temperature": 0}}
        with httpx.stream("POST", f"{gateway.url}/api/chat", json=body, timeout=PATIENCE) as response:
            return "".join(json.loads(line)["message"]["content"] for line in response.iter_lines())

    with ThreadPoolExecutor(32) as users:
        said = list(users.map(read, [row.keyword for row in asked]))
    assert said == [row.answer for row in asked]


@pytest.mark.engine
def test_official_client_streams_and_remembers(real: Running, script: Script) -> None:
    gateway, _ = real
    row = next(row for row in script.rows if not row.loop)
    with ollama.Client(host=gateway.url) as user:
        assert [model.model for model in user.list().models] == ["scripted:latest"]
        assert user.show("scripted").modelinfo["llama.context_length"] == 32768
        assert [model.model for model in user.ps().models] == ["scripted:latest"]
        first = user.generate("scripted", f"Tell me about the {row.keyword}", options={"temperature": 0})
        assert first.response == row.answer
        again = user.generate("scripted", "And?", context=first.context, options={"temperature": 0})
        assert again.response == row.answer


@pytest.mark.engine
def test_raw_length_stop_and_logprobs(real: Running, script: Script) -> None:
    gateway, _ = real
    row = next(row for row in script.rows if not row.loop and len(row.answer) > 60)
    prompt = f"<|im_start|>user\nTell me about the {row.keyword}<|im_end|>\n<|im_start|>assistant\n"
    body = {
        "model": "scripted",
        "prompt": prompt,
        "raw": True,
        "stream": False,
        "options": {"temperature": 0},
    }
    told = httpx.post(f"{gateway.url}/api/generate", json=body, timeout=PATIENCE).json()
    assert told["response"] == row.answer
    assert told["prompt_eval_count"] == ask(gateway.url, row.keyword)["prompt_eval_count"]
    short = ask(gateway.url, row.keyword, options={"temperature": 0, "num_predict": 3})
    assert (short["done_reason"], short["eval_count"]) == ("length", 3)
    stop = row.answer[20:28]
    cut = ask(gateway.url, row.keyword, options={"temperature": 0, "stop": [stop]})
    assert cut["message"]["content"] == row.answer[: row.answer.index(stop)]
    probed = ask(gateway.url, row.keyword, logprobs=True, top_logprobs=2)["logprobs"]
    text = b"".join(bytes(entry["bytes"]) for entry in probed).decode()
    assert text.startswith(row.answer)
    assert {len(entry["top_logprobs"]) for entry in probed} == {2}


@pytest.mark.engine
def test_formats_hold_and_end(real: Running) -> None:
    gateway, _ = real
    told = ask(gateway.url, "sky", format={"enum": ["x"]})
    assert (told["message"]["content"], told["done_reason"]) == ('"x"', "stop")
    assert told["prompt_eval_count"] > 5


@pytest.mark.engine
def test_an_answer_that_nobody_waits_for_is_ended(own: Running, script: Script) -> None:
    """The target's own metric would tell, but 0.8.1 has none: the gateway's log does instead."""
    gateway, _ = own
    loop = next(row for row in script.rows if row.loop)
    body = {"model": "scripted", "messages": question(loop.keyword), "stream": False}
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{gateway.url}/api/chat", json=body, timeout=1)
    wait_until("three answers given up", lambda: gateway.log.count("/api/chat 499") >= 3, timeout=PATIENCE)


@pytest.mark.engine
def test_unload_and_back(own: Running, script: Script) -> None:
    gateway, _ = own
    row = next(row for row in script.rows if not row.loop)
    answered = httpx.post(
        f"{gateway.url}/api/chat", json={"model": "scripted", "keep_alive": 0}, timeout=PATIENCE
    )
    if answered.status_code == 501:
        assert "not supported" in answered.json()["error"]
        return
    assert answered.json()["done_reason"] == "unload"
    assert loaded(gateway.url) == []
    told = ask(gateway.url, row.keyword)
    assert told["message"]["content"] == row.answer
    assert loaded(gateway.url) == ["scripted:latest"]


def test_a_gateway_that_is_not_there_is_no_failure_of_a_product(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"gateway_bin": tmp_path / "nothing"})
    with pytest.raises(GatewayStartError, match=r"nothing cannot be started \(no such file or directory\)"):
        start_gateway("http://127.0.0.1:1", other)
