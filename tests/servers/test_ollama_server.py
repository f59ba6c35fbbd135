"""An Ollama of the run: its own environment, its models, its end; and whose Ollama API is judged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import CheckFailed, NotSupported, TargetError
from support.http.client import ApiClient
from support.models.gguf_details import with_name
from support.models.roles import CATEGORICAL, EMBEDDING, SCRIPTED, TOOLS, UNLOADABLE
from support.programs.install import InstalledProgram
from support.servers import ollama_backends
from support.servers.mistralrs import StartFailure
from support.servers.ollama import ModelNotCreated, create_model, start_ollama
from support.servers.ollama_backends import OllamaBackends, Upstream, examined
from tests.programs.vanishing import is_gone
from tests.python_programs import first_lines
from tests.servers.stand_in_programs import Programs

# Answers as Ollama does, keeps the models that it was given in a file, and tells its environment.
OLLAMA = """{first_lines}import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def note(name, text):
    with open(os.path.join({folder!r}, name), "a") as file:
        file.write(text + "\\n")

note("pids", str(os.getpid()))
if "--version" in sys.argv:
    print("Warning: client version is 0.17.4")
    sys.exit(0)
print("starting", flush=True)
{first}
note("environment", json.dumps(dict(os.environ)))

class Handler(BaseHTTPRequestHandler):
    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        answers = {{"/": b"Ollama is running", "/api/version": b'{{"version": "0.17.4"}}',
                   "/api/tags": b'{{"models": [{{"name": "theirs:latest"}}]}}'}}
        self.answer(answers.get(self.path, b"{{}}"))
    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        note("requests", self.path if "blobs" in self.path else f"POST {{self.path}} {{body.decode()}}")
        {post}
    def do_DELETE(self):
        note("requests", "DELETE " + self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(b"")
    def log_message(self, *words):
        pass

{later}
host, port = os.environ["OLLAMA_HOST"].split(":")
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"""
TAKES = """sent = "blobs" in self.path
        self.answer(b"" if sent else b'{"status": "success"}\\n', 201 if sent else 200)"""
REFUSES = 'self.answer(b\'{"error": "no models here"}\', 501)'
BREAKS = 'self.answer(b\'{"error": "disk full"}\', 500)'


def stand_in(
    programs: Programs, *, first: str = "", post: str = TAKES, later: str = "", path: str = "ollama"
) -> InstalledProgram:
    parts = {"first": first, "post": post, "later": later}
    text = OLLAMA.format(first_lines=first_lines("-IS"), folder=str(programs.folder), **parts)
    return InstalledProgram("ollama", programs.write(path, text), "0.17.4", "setting")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    file = tmp_path / "model.gguf"
    # What of the format is read: the name of the model, a text (8) with its length.
    file.write_bytes(b"GGUF general.name" + struct.pack("<IQ", 8, 8) + b"scripted.")
    return file


def requests(programs: Programs) -> list[str]:
    return (programs.folder / "requests").read_text().splitlines()


def test_it_starts_with_nothing_of_the_users_settings_and_ends(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_KEEP_ALIVE", "1s")
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere.example")
    server = start_ollama(stand_in(programs), programs.settings())
    environment = json.loads((programs.folder / "environment").read_text())
    assert "OLLAMA_KEEP_ALIVE" not in environment
    assert environment["OLLAMA_HOST"] == server.url.removeprefix("http://")
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert environment["HOME"] == str(server.folder)
    assert environment["OLLAMA_MODELS"].startswith(str(server.folder))
    assert server.alive and server.log == "starting\n"
    server.stop()
    assert not server.folder.exists() and all(map(is_gone, programs.pids))


def test_one_that_ends_at_once_is_told_with_its_log(programs: Programs) -> None:
    with pytest.raises(StartFailure, match=r"the process ended[\s\S]*no room for models"):
        start_ollama(stand_in(programs, first="sys.exit('no room for models')"), programs.settings())


def test_a_model_is_sent_and_made(programs: Programs, gguf: Path) -> None:
    server = start_ollama(stand_in(programs), programs.settings())
    try:
        with contextlib.closing(ApiClient(server.url)) as client:
            create_model(client, "mine", gguf, template="{{ .Prompt }}")
    finally:
        server.stop()
    blob, create = requests(programs)
    digest = blob.rpartition("/")[2]
    made = json.loads(create.removeprefix("POST /api/create "))
    assert made["model"] == "mine" and made["files"] == {"model.gguf": digest}
    assert made["template"] == "{{ .Prompt }}"


def test_models_of_one_file_get_a_file_each_where_others_use_the_server(
    programs: Programs, gguf: Path
) -> None:
    server = start_ollama(stand_in(programs), programs.settings())
    try:
        with contextlib.closing(ApiClient(server.url)) as client:
            for name in ("mine", "yours"):
                create_model(client, name, gguf, own_file=True)
    finally:
        server.stop()
    made = [json.loads(line.partition("create ")[2]) for line in requests(programs) if "create" in line]
    digests = {str(one["files"]["model.gguf"]) for one in made}
    assert len(digests) == 2
    assert f"sha256:{hashlib.sha256(gguf.read_bytes()).hexdigest()}" not in digests


def test_a_copy_of_a_file_differs_in_its_name_only(gguf: Path) -> None:
    content = gguf.read_bytes()
    for name in ("other name of a model", "x"):
        copy = with_name(content, name)
        assert len(copy) == len(content)
        assert copy == content.replace(b"scripted", name.encode()[:8].ljust(8, b"-"))


def test_a_model_that_is_not_taken_is_told_in_the_servers_words(programs: Programs, gguf: Path) -> None:
    server = start_ollama(stand_in(programs, post=REFUSES), programs.settings())
    try:
        with (
            contextlib.closing(ApiClient(server.url)) as client,
            pytest.raises(ModelNotCreated, match=r"501 .*no models here.*was not accepted"),
        ):
            create_model(client, "mine", gguf)
    finally:
        server.stop()


# -- fronts


@pytest.fixture
def fronts(programs: Programs, gguf: Path) -> Iterator[OllamaBackends]:
    part = stand_in(programs)
    owner = made_fronts(programs, gguf, ollama_api="ollama", ollama_bin=part.path)
    yield owner
    owner.close()


def made_fronts(programs: Programs, gguf: Path, **chosen: object) -> OllamaBackends:
    return OllamaBackends(
        programs.settings(**chosen), lambda _: gguf, lambda _: Upstream("http://127.0.0.1:1", gguf)
    )


def test_an_ollama_is_started_once_and_again_when_it_died(fronts: OllamaBackends) -> None:
    assert fronts.last_version is None
    front = fronts.under_test()
    assert (front.program, front.version, dict(front.names)) == (
        "ollama",
        "0.17.4",
        {
            SCRIPTED: SCRIPTED,
            TOOLS: TOOLS,
            EMBEDDING: SCRIPTED,
            UNLOADABLE: SCRIPTED,
            CATEGORICAL: CATEGORICAL,
        },
    )
    assert fronts.under_test() is front and fronts.real() is front
    assert front.process is not None
    front.process.stop()
    assert fronts.last_version == ("ollama", "0.17.4")
    assert fronts.under_test() is not front  # type: ignore[unreachable]  # the property changes


def test_a_gateway_stands_beside_a_judged_ollama(
    programs: Programs, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled one: the word for its kind is no address."""
    server = start_ollama(stand_in(programs), programs.settings())
    monkeypatch.setattr("support.servers.ollama_backends.start_gateway", lambda *_: server)
    owner = made_fronts(programs, gguf, ollama_api="ollama")
    front = owner.gateway()
    assert (front.program, front.url) == ("mistralrs-gateway", server.url)
    assert owner.gateway() is front and owner.last_version is None
    owner.close()
    assert not server.alive


def test_a_gateway_is_replaced_when_the_server_behind_it_died(
    programs: Programs, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstreams: list[Any] = []
    gateways: list[Any] = []

    def upstream(_role: str) -> Upstream:
        upstreams.append(SimpleNamespace(alive=True))
        return Upstream("http://127.0.0.1:1", gguf, process=upstreams[-1])

    def gateway(*_: object) -> Any:
        gateways.append(start_ollama(stand_in(programs), programs.settings()))
        return gateways[-1]

    monkeypatch.setattr("support.servers.ollama_backends.start_gateway", gateway)
    owner = OllamaBackends(programs.settings(ollama_api="gateway"), lambda _: gguf, upstream)
    first = owner.under_test()
    assert owner.under_test() is first and first.alive
    upstreams[0].alive = False
    assert owner.under_test() is not first
    assert [server.alive for server in gateways] == [False, True]
    owner.close()
    assert not gateways[1].alive


def test_a_foreign_ollama_gets_models_of_our_own_and_loses_them_again(programs: Programs, gguf: Path) -> None:
    server = start_ollama(stand_in(programs), programs.settings())
    owner = made_fronts(programs, gguf, ollama_api=server.url)
    try:
        front = owner.under_test()
        assert all(name.startswith("acceptance-") for name in front.names.values())
        assert front.program == "ollama" and front.process is None
        owner.close()
        removed = [json.loads(line[7:])["model"] for line in requests(programs) if line.startswith("DELETE")]
        assert sorted(removed) == sorted(set(front.names.values()))
    finally:
        server.stop()


def test_a_server_that_fails_to_make_models_is_not_one_that_takes_none(
    programs: Programs, gguf: Path
) -> None:
    server = start_ollama(stand_in(programs, post=BREAKS), programs.settings())
    try:
        owner = made_fronts(programs, gguf, ollama_api=server.url)
        with pytest.raises(AssertionError, match=r"cannot create models: .* 500 .*disk full"):
            owner.under_test()
    finally:
        server.stop()


@pytest.mark.parametrize("takes_models", [True, False])
def test_a_list_asks_an_ollama_api_what_it_serves_and_changes_nothing(
    programs: Programs, *, takes_models: bool
) -> None:
    server = start_ollama(
        stand_in(programs, **({} if takes_models else {"post": REFUSES})), programs.settings()
    )
    try:
        found = examined(server.url, programs.settings())
        assert (found.takes_models, found.other_answer) == (takes_models, None)
        assert found.missing_model(SCRIPTED) is None and found.missing_model(EMBEDDING) is None
        reason = found.missing_model(TOOLS)
        assert reason is None if takes_models else "has no model 'tools' and takes none" in str(reason)
        assert not [line for line in requests(programs) if "/blobs/" in line or line.startswith("DELETE")]
    finally:
        server.stop()


def test_a_gateway_that_takes_no_models_is_asked_for_its_first_one(programs: Programs, gguf: Path) -> None:
    server = start_ollama(stand_in(programs, post=REFUSES), programs.settings())
    try:
        owner = made_fronts(programs, gguf, ollama_api=server.url)
        front = owner.under_test()
        assert dict(front.names) == dict.fromkeys((SCRIPTED, EMBEDDING, UNLOADABLE), "theirs")
        with pytest.raises(NotSupported, match="has no model 'tools'"):
            owner.under_test(TOOLS)
        assert (front.program, front.alive) == ("url", True)
    finally:
        server.stop()


def test_the_bundled_gateway_at_a_url_has_one_model_and_its_own_known_issues(
    programs: Programs, gguf: Path
) -> None:
    header = 'BaseHTTPRequestHandler.version_string = lambda self: "mistralrs-gateway"'
    server = start_ollama(stand_in(programs, first=header, post=REFUSES), programs.settings())
    try:
        front = made_fronts(programs, gguf, ollama_api=server.url).under_test()
        assert (front.program, front.version, front.unloads) == ("mistralrs-gateway", "0.17.4", False)
        assert dict(front.names) == dict.fromkeys((SCRIPTED, UNLOADABLE), "theirs")
    finally:
        server.stop()


def test_no_server_at_the_address_is_told_in_one_line(programs: Programs, gguf: Path) -> None:
    owner = made_fronts(programs, gguf, ollama_api="http://user:secret@127.0.0.1:9")
    with pytest.raises(TargetError, match="no Ollama API at http://") as caught:
        owner.under_test()
    assert "secret" not in str(caught.value)


def test_what_lacks_an_ollama_says_how_to_get_one(programs: Programs, gguf: Path) -> None:
    nothing = made_fronts(programs, gguf, ollama_api="ollama")
    for tags in (["needs.ollama"], ["needs.ollama_api"]):
        assert "acceptance get ollama" in str(nothing.missing_requirement(tags))
    assert nothing.missing_requirement(["needs.command"]) is None
    gateway = made_fronts(programs, gguf)
    assert "acceptance get ollama" in str(gateway.missing_requirement(["needs.ollama"]))
    there = made_fronts(programs, gguf, ollama_bin=stand_in(programs).path)
    assert there.missing_requirement(["needs.ollama"]) is None
    elsewhere = made_fronts(programs, gguf, ollama_url="http://127.0.0.1:9")
    assert elsewhere.missing_requirement(["needs.ollama"]) is None


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"/api/version": b"{}"}, "GET http://.*/api/version has status 200 and '{}'"),
        (
            {"/api/tags": b'{"models": null}'},
            "GET http://.*/api/tags has status 200 and '{\"models\": null}'",
        ),
        ({"/api/tags": b'{"models": []}'}, "GET /api/tags lists no model"),
    ],
)
def test_a_gateway_with_a_wrong_answer_is_a_failed_target(
    programs: Programs, gguf: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, bytes], problem: str
) -> None:
    served = made_gateway(programs, gguf, monkeypatch, answers, file=None)
    with pytest.raises(CheckFailed, match=f"the gateway has started, but {problem}"):
        served.under_test()
    assert all(map(is_gone, programs.pids))


def test_a_gateway_of_a_file_needs_no_list_of_models(
    programs: Programs, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the check of the list fails, and not the start."""
    served = made_gateway(programs, gguf, monkeypatch, {"/api/tags": b'{"models": null}'}, file=gguf)
    try:
        assert served.under_test().names == {SCRIPTED: SCRIPTED}
    finally:
        served.close()


def made_gateway(
    programs: Programs,
    gguf: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, bytes],
    *,
    file: Path | None,
) -> OllamaBackends:
    """With these answers of the gateway, in front of the model of a file."""
    changed = f"Handler.do_GET = lambda self: self.answer({answers!r}.get(self.path) or KNOWN[self.path])"
    known = "KNOWN = {'/': b'Ollama is running', '/api/version': b'{\"version\": \"0.17.4\"}'}"
    later = f"{known}\n{changed}"
    program = stand_in(programs, later=later)
    monkeypatch.setattr(
        ollama_backends, "start_gateway", lambda *_: start_ollama(program, programs.settings())
    )
    return OllamaBackends(programs.settings(), lambda _: gguf, lambda _: Upstream("http://127.0.0.1:1", file))
