"""HTTPS with a private CA: every client of the suite trusts it, an untrusted certificate is named."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trustme

from support.chat.client import OPENAI_CHAT, ChatEndpoint
from support.clients import anthropic_sdk, langchain, openai_sdk
from support.conformance.sequences.ollama import OllamaClient
from support.errors import SettingsError, TargetError
from support.faults.disconnects import SHORT, RawClient
from support.http.client import ApiClient, RequestFailed, tls_context
from support.http.recorder import ExchangeRecorder
from support.http.recording_proxy import RecordingProxy
from support.servers.bundled_gateway import start_gateway
from support.servers.discovery import discover
from support.servers.endpoints import Endpoint
from support.servers.ollama_backends import program_version_models
from support.settings import load_settings
from tests.timeouts import PATIENCE

MODEL = {
    "id": "tiny",
    "name": "tiny",
    "type": "model",
    "display_name": "tiny",
    "created_at": "2026-01-01T00:00:00Z",
}
LISTS = {"object": "list", "data": [MODEL], "models": [], "has_more": False}


class Lists(BaseHTTPRequestHandler):
    """Lists its models, in the form of every API."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        body = json.dumps(LISTS).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def url(authority: trustme.CA) -> Iterator[str]:
    """A server whose certificate is of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as address:
        yield address


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "TARGET_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    load_settings()
    yield
    monkeypatch.delenv("TARGET_CA_FILE", raising=False)
    load_settings()


@pytest.fixture(params=["SSL_CERT_FILE", "TARGET_CA_FILE"])
def _trusted(request: pytest.FixtureRequest, ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(request.param, str(ca))
    load_settings()


def _httpx(url: str) -> object:
    with closing(ApiClient(url, timeout=PATIENCE)) as client:
        return client.get("/v1/models").json()


def _openai(url: str) -> object:
    with openai_sdk.connect(Endpoint("toy", "openai", url, {}), PATIENCE, ExchangeRecorder()) as client:
        return client.get("/models", cast_to=str)


def _anthropic(url: str) -> object:
    with anthropic_sdk.connect(Endpoint("toy", "anthropic", url, {}), PATIENCE, ExchangeRecorder()) as client:
        return client.get("/v1/models", cast_to=str)


def _ollama(url: str) -> object:
    steps = cast(OllamaClient, SimpleNamespace(client=SimpleNamespace(base_url=url)))
    client = cast(property, vars(OllamaClient)["official_client"]).__get__(steps)
    return client.list()


def _socket(url: str) -> object:
    client = RawClient(ChatEndpoint("toy", url, "tiny", OPENAI_CHAT), SHORT, stream=False)
    try:
        return client.read(15)
    finally:
        client.close()


def _mcp(url: str) -> object:
    import httpx2

    async def get() -> int:
        async with httpx2.AsyncClient(trust_env=False, verify=tls_context(url)) as client:
            return (await client.get(f"{url}/v1/models")).status_code

    return asyncio.run(get())


def _gateway(url: str) -> object:
    """aiohttp, in a process of its own."""
    gateway = start_gateway(url, load_settings().settings)
    try:
        with closing(ApiClient(gateway.url, timeout=PATIENCE)) as client:
            answer = client.get("/v1/models")
        if answer.status != 200:
            raise RequestFailed(answer.text)
        return answer.json()
    finally:
        gateway.stop()


def _proxy(url: str) -> object:
    """aiohttp, in a thread; a server that it does not trust ends the connection of its client."""
    with closing(RecordingProxy(url, [])) as proxy, closing(ApiClient(proxy.url, timeout=PATIENCE)) as client:
        return client.get("/v1/models").json()


CLIENTS: dict[str, Callable[[str], object]] = {
    "httpx": _httpx,
    "openai": _openai,
    "anthropic": _anthropic,
    "ollama": _ollama,
    "a socket": _socket,
    "httpx2": _mcp,
    "the gateway": _gateway,
    "the recording proxy": _proxy,
}


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_trusts_the_private_ca(name: str, url: str) -> None:
    assert CLIENTS[name](url)


@pytest.mark.parametrize("name", CLIENTS)
def test_without_the_ca_no_client_connects(name: str, url: str) -> None:
    with pytest.raises(Exception, match=r"(?i)certificate|connect|cannot be reached"):
        CLIENTS[name](url)


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("api", ["OpenAI", "Ollama"])
def test_an_adapter_of_langchain_trusts_it(api: str, url: str) -> None:
    if langchain.missing():
        pytest.skip("langchain is not installed")
    chat: Any = langchain._adapter(  # noqa: SLF001 - what is given to its client
        api, url, "tiny", ExchangeRecorder(), None
    )
    with pytest.raises(Exception) as caught:
        chat.invoke("hello")
    assert "certificate" not in f"{caught.value} {caught.value.__cause__}".lower()


def test_the_target_is_found_with_the_setting(url: str, ca: Path) -> None:
    target = discover(load_settings({"target_url": url, "target_ca_file": str(ca)}).settings)
    assert target.label == f"server at {url}"


def test_an_untrusted_certificate_is_the_error_of_the_target(url: str) -> None:
    with pytest.raises(TargetError) as caught:
        discover(load_settings({"target_url": url}).settings)
    text = str(caught.value)
    assert "its certificate is not trusted (unable to get local issuer certificate)" in text
    assert "TARGET_CA_FILE or SSL_CERT_FILE" in text
    assert "start the server" not in text
    assert len(text.splitlines()) == 1


def test_a_certificate_for_another_host_is_named(url: str, ca: Path) -> None:
    other = url.replace("127.0.0.1", "localhost")
    with pytest.raises(TargetError, match=r"not valid for 'localhost'.*a host name that it is for"):
        discover(load_settings({"target_url": other, "target_ca_file": str(ca)}).settings)


@pytest.mark.parametrize(
    ("days", "reason"), [((-30, -1), "certificate has expired"), ((1, 30), "certificate is not yet valid")]
)
def test_a_certificate_at_another_time_is_named_with_its_own_remedy(
    authority: trustme.CA, ca: Path, days: tuple[int, int], reason: str
) -> None:
    begin, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_before=begin, not_after=end).configure_cert(context)
    with serving(context) as url:
        load_settings({"target_ca_file": str(ca)})
        for connect in (_discover, _find_ollama):
            with pytest.raises(TargetError) as caught:
                connect(url)
            text = str(caught.value)
            assert f"its certificate is not trusted ({reason}); renew it on the server" in text
            assert "TARGET_CA_FILE" not in text and "start the server" not in text


def _discover(url: str) -> object:
    return discover(load_settings({"target_url": url, "target_ca_file": "ca.pem"}).settings)


def _find_ollama(url: str) -> object:
    return program_version_models(url, load_settings({"target_ca_file": "ca.pem"}).settings)


def test_http_on_a_port_with_tls_is_named(url: str) -> None:
    other = url.replace("https:", "http:")
    with pytest.raises(TargetError, match=r"cannot be reached: .*; is it https, not http\?"):
        discover(load_settings({"target_url": other}).settings)


def test_https_on_a_port_without_tls_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(TargetError, match=r"no TLS connection .*; is it http, not https"):
                discover(load_settings({"target_url": f"https://127.0.0.1:{server.server_port}"}).settings)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("content", "reason"), [(None, "no such file"), ("x", "no certificate in PEM form")])
def test_a_file_without_certificates_is_refused(
    content: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "wrong.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=f"setting target_ca_file = .*{reason}"):
        load_settings({"target_ca_file": str(file)})
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(SettingsError, match=f"environment variable SSL_CERT_FILE = .*{reason}"):
        tls_context("https://host")
    tls_context("http://host")


def test_the_command_that_repeats_a_request_names_the_ca(url: str, ca: Path) -> None:
    load_settings({"target_ca_file": str(ca)})
    with closing(ApiClient(url, timeout=PATIENCE)) as client:
        assert f"--cacert {ca}" in client.get("/v1/models").curl()


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "SSL_CERT_FILE"])
def test_a_variable_that_no_client_can_use_stops_no_import(variable: str) -> None:
    values = {"SSL_CERT_FILE": "/nowhere/ca.pem"}
    environment = {**os.environ, variable: values.get(variable, "socks5://127.0.0.1:9")}
    script = f"import os, support.chat.client; print(os.environ[{variable!r}])"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, environment[variable]), done.stderr
