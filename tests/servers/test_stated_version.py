"""Program and version of a server at a URL: from the server, else from the setting `target_version`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.errors import SettingsError, TargetError
from support.results.program_version import REFERENCE as REFERENCE_PROGRAM
from support.results.program_version import ProgramVersion
from support.runner.requirements import Requirements
from support.servers.discovery import CommandTarget, UrlTarget, discover, unidentified
from support.servers.preconditions import require_surroundings
from support.servers.subject import Subject
from support.settings import ResolvedSettings, load_settings
from tests.http.tiny_server import Reply, TinyServer
from tests.servers.stand_in_programs import Programs

MODELS = {"object": "list", "data": [{"id": "default"}, {"id": "toy"}]}
DESCRIPTION, VERSION = "/api-doc/openapi.json", "/api/version"
Serve = Callable[[Reply], TinyServer]
Pages = Mapping[str, object]


def description(title: object, version: object) -> dict[str, object]:
    return {DESCRIPTION: {"openapi": "3.1.0", "info": {"title": title, "version": version}, "paths": {}}}


REAL, REFERENCE = description("Mistral.rs", "0.8.1"), description("mistralrs-reference", "0.9.5")
LLAMA_CPP: dict[str, object] = {
    "/openapi.json": {"info": {"title": "🦙 llama.cpp Python API", "version": "0.3.36"}}
}
OLLAMA: dict[str, object] = {VERSION: {"version": "0.17.4"}}
MCP: dict[str, object] = {"/mcp": {"result": {"serverInfo": {"name": "mistralrs", "version": "0.9.2"}}}}


def answering(serve: Serve, pages: Pages, server_header: str = "nginx/1.25.3") -> TinyServer:
    """A server with a model list and these pages."""

    def answer(connection: socket.socket, _closing: threading.Event) -> None:
        path = server.requests[-1].split()[1].decode()
        page = {"/v1/models": MODELS, **pages}.get(path)
        status = "404 Not Found" if page is None else "200 OK"
        body = json.dumps(page).encode()
        head = f"HTTP/1.1 {status}\r\nServer: {server_header}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    server = serve(answer)
    return server


def found(programs: Programs, server: TinyServer, **chosen: object) -> UrlTarget:
    target = discover(programs.settings(target_url=server.url, **chosen))
    assert isinstance(target, UrlTarget)
    return target


@pytest.mark.parametrize(
    ("pages", "header", "expected"),
    [
        (REAL, "nginx/1.25.3", "mistralrs 0.8.1"),
        (REFERENCE, "nginx/1.25.3", "mistralrs-reference 0.9.5"),
        (OLLAMA, "nginx/1.25.3", "ollama 0.17.4"),
        (OLLAMA, "mistralrs-gateway", "mistralrs-gateway 0.17.4"),
        ({}, "mistralrs/0.9.2", "mistralrs 0.9.2"),
        (REAL | MCP, "mistralrs/0.9.1", "mistralrs 0.8.1"),
        (MCP, "nginx/1.25.3", "mistralrs 0.9.2"),
        (MCP, "mistralrs/0.9.1", "mistralrs 0.9.2"),
        (OLLAMA | MCP, "nginx/1.25.3", "ollama 0.17.4"),
        (REAL | OLLAMA, "mistralrs-gateway", "mistralrs-gateway 0.17.4"),
        (LLAMA_CPP, "uvicorn", "llama-cpp-python 0.3.36"),
    ],
    ids=[
        *("mistral.rs", "reference", "Ollama", "gateway", "header"),
        *("API before header", "MCP", "MCP before header", "Ollama before MCP", "gateway before its server"),
        "llama-cpp-python",
    ],
)
def test_program_and_version_are_those_that_the_server_states(
    programs: Programs, serve: Serve, pages: Pages, header: str, expected: str
) -> None:
    server = answering(serve, pages, header)
    target = found(programs, server)
    assert f"{target.program} {target.version}" == expected
    assert target.label == f"{expected} at {server.url}"
    assert not target.is_version_unknown


@pytest.mark.parametrize(
    "pages",
    [
        {},
        description("Another API", "1.2.3"),
        description(["Mistral.rs"], {"a": 1}),
        description("Mistral.rs", "latest"),
        description("Mistral.rs", None),
        {DESCRIPTION: {"info": "Mistral.rs 0.8.1"}},
        {DESCRIPTION: [1]},
        {VERSION: {"version": True}, DESCRIPTION: {"info": {}}},
        {VERSION: "0.17.4"},
        {"/mcp": {"result": {"serverInfo": {"name": "another", "version": "1.0"}}}},
        {"/mcp": {"error": {"code": -32601}}},
        {"/mcp": {"result": ["serverInfo"]}},
    ],
)
@pytest.mark.parametrize("header", ["nginx/1.25.3", "mistralrs/latest"])
def test_what_states_no_known_program_and_version_is_unknown(
    programs: Programs, serve: Serve, pages: Pages, header: str
) -> None:
    server = answering(serve, pages, header)
    target = found(programs, server)
    assert target.is_version_unknown
    assert target.label == f"server at {server.url}"
    given = found(programs, server, target_version="mistralrs 0.9.2")
    assert given.label == f"mistralrs 0.9.2 at {server.url}"


def test_what_a_version_is_known_not_to_have_is_skipped_at_a_url_too(
    programs: Programs, serve: Serve
) -> None:
    target = found(programs, answering(serve, REAL))
    reason = Requirements(programs.settings(), target).missing(["needs.messages"])
    assert reason == "needs Anthropic's Messages API, mistralrs 0.8.1 has none of it"
    unknown = found(programs, answering(serve, {}))
    assert Requirements(programs.settings(), unknown).missing(["needs.messages"]) is None


def test_the_reference_server_at_a_url_is_no_candidate(programs: Programs, serve: Serve) -> None:
    assert not Subject(found(programs, answering(serve, REFERENCE))).is_candidate
    assert not Subject(found(programs, answering(serve, OLLAMA, "mistralrs-gateway"))).is_candidate
    assert Subject(found(programs, answering(serve, {}))).is_candidate


TAGS: Pages = {"/api/tags": {"models": [{"name": "toy"}]}}
TAKES_MODELS: Pages = {"/api/create": {"error": "no name"}}


@pytest.mark.parametrize(
    ("pages", "header", "label", "candidate"),
    [
        ({}, "mistralrs-gateway", "mistralrs-gateway 0.17.4 at", False),
        (TAKES_MODELS, "nginx", "ollama 0.17.4 at", True),
        ({}, "nginx", "server at", True),
    ],
)
def test_the_ollama_api_at_a_url_is_the_subject_beside_the_reference_server(
    programs: Programs, serve: Serve, pages: Pages, header: str, label: str, *, candidate: bool
) -> None:
    url = answering(serve, {**OLLAMA, **TAGS, **pages}, header).url
    target = CommandTarget(Path("x"), REFERENCE_PROGRAM, "0.9.5", "a test")
    for chosen in ({"ollama_api": url}, {"ollama_api": "ollama", "ollama_url": url}):
        resolved = ResolvedSettings(programs.settings(**chosen), {})
        subject = require_surroundings({"needs.ollama_api"}, resolved, target)
        assert (subject.label, subject.is_candidate) == (f"{label} {url}", candidate)
        assert (f"The server at {url} does not state its program" in subject.version_unknown) == (
            label == "server at"
        )
        # No scenario of the selection tests it.
        assert require_surroundings({"smoke"}, resolved, target).label == target.label


def test_a_setting_that_contradicts_the_server_is_one_line_that_names_both(
    programs: Programs, serve: Serve
) -> None:
    server = answering(serve, REAL)
    chosen = {"target_url": f"http://user:s3cret@{server.address}", "target_version": "mistralrs 0.9.2"}
    with pytest.raises(TargetError) as caught:
        discover(programs.settings(**chosen), {"target_version": "--target-version"})
    assert str(caught.value) == (
        f"target_version is mistralrs 0.9.2 (from --target-version), but http://(redacted)@{server.address} "
        "states mistralrs 0.8.1; correct or remove it"
    )
    assert found(programs, server, target_version="mistralrs 0.8.1").version == "0.8.1"


def test_a_setting_that_contradicts_the_program_is_refused_too(programs: Programs) -> None:
    given = programs.printing("mistralrs 0.8.1")
    with pytest.raises(TargetError, match=r"target_version is mistralrs 0\.9\.2 \(from TARGET_VERSION\)"):
        discover(programs.settings(mistralrs_bin=given, target_version="mistralrs 0.9.2"))


def test_the_version_of_the_ollama_api_is_that_of_any_program(programs: Programs, serve: Serve) -> None:
    target = found(programs, answering(serve, OLLAMA), target_version="other 1.0")
    assert f"{target.program} {target.version}" == "other 1.0"


def test_a_list_of_scenarios_has_the_given_version(programs: Programs) -> None:
    settings = programs.settings(target_url="http://host:1", target_version="mistralrs 0.9.2")
    assert unidentified(settings).label == "mistralrs 0.9.2 at http://host:1"
    assert unidentified(programs.settings(target_url="http://host:1")).label == "server at http://host:1"


@pytest.mark.parametrize("text", ["mistralrs 0.9.2", "  vllm 0.11.0  ", "mistralrs 0.9.0-rc.1"])
def test_a_version_has_a_program_and_a_number(text: str) -> None:
    settings = load_settings({"target_version": text}).settings
    assert settings.target_version == text.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.9.2", "it is not a program and a version"),
        ("mistralrs", "it is not a program and a version"),
        ("mistralrs 0.9.2 beta", "it is not a program and a version"),
        ("mistralrs latest", "'latest' is not a version"),
        ("mistral.rs 0.9.2", "there is no program 'mistral.rs'; close match: mistralrs"),
        ("Ollama 0.17.4", "there is no program 'Ollama'; close match: ollama"),
    ],
)
def test_a_wrong_version_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"target_version": text}, {"target_version": "--target-version"})
    assert str(caught.value) == (
        f"setting target_version = {text!r} (from --target-version) is wrong: {reason}; "
        "give for example mistralrs 0.9.2"
    )


def test_versions_are_compared_as_numbers() -> None:
    stated = ProgramVersion("mistralrs", "0.9.0-rc.1")
    assert not ProgramVersion("mistralrs", "0.9rc1").contradicts(stated)
    assert ProgramVersion("mistralrs", "0.9").contradicts(stated)


@pytest.mark.parametrize(
    ("origins", "source"),
    [
        ({}, "TARGET_URL"),
        ({"target_url": "environment variable TARGET_URL"}, "TARGET_URL"),
        ({"target_url": "-D target_url"}, "-D target_url"),
        ({"target_url": "--target"}, "--target"),
        ({"target_url": "acceptance.toml"}, "target_url in acceptance.toml"),
    ],
)
def test_an_error_names_the_source_of_the_url(
    programs: Programs, origins: dict[str, str], source: str
) -> None:
    with pytest.raises(TargetError) as caught:
        discover(programs.settings(target_url="http://127.0.0.1:1"), origins)
    assert f"http://127.0.0.1:1 (from {source}): " in str(caught.value)


def test_a_folder_of_models_that_cannot_be_created_is_one_line_before_the_start(
    programs: Programs, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").touch()
    resolved = ResolvedSettings(programs.settings(acceptance_cache_dir=tmp_path / "cache"), {})
    target = CommandTarget(Path("x"), REFERENCE_PROGRAM, "0.9.5", "a test")
    with pytest.raises(SettingsError, match=r"setting acceptance_cache_dir: .* cannot be created"):
        require_surroundings({"smoke"}, resolved, target)
