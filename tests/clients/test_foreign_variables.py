"""Environment variables of client libraries change no request: they are removed when a run starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.clients import anthropic_sdk, langchain, openai_sdk
from support.conformance.sequences.ollama import OllamaClient
from support.http.client import ApiClient
from support.http.recorder import ExchangeRecorder
from support.programs.child_environment import child_environment
from support.runner import project_configuration
from support.runner.project_configuration import (
    FOREIGN_VARIABLES,
    PROXY_VARIABLES,
    SETTINGS_VARIABLES,
    remove_foreign_variables,
    require_project_configuration,
)
from support.servers.endpoints import Endpoint
from support.settings import Settings
from tests.http.tiny_server import Reply, TinyServer, json_reply

Serve = Callable[[Reply], TinyServer]
SECRET = "s3cret-of-another-program"
# Nothing listens on the discard port (RFC 863).
ELSEWHERE = "http://127.0.0.1:9"
VARIABLES = {
    **dict.fromkeys(
        (
            *("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"),
            *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "OLLAMA_API_KEY"),
            *("LANGSMITH_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        ),
        SECRET,
    ),
    **dict.fromkeys(
        (
            *("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"),
            *("LANGSMITH_ENDPOINT", *PROXY_VARIABLES[:3], *map(str.lower, PROXY_VARIABLES[:3])),
        ),
        ELSEWHERE,
    ),
    **dict.fromkeys(("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING"), "true"),
    **dict.fromkeys(("OPENAI_LOG", "ANTHROPIC_LOG"), "debug"),
    "ANTHROPIC_CUSTOM_HEADERS": f"X-Other: {SECRET}",
    "OPENAI_CUSTOM_HEADERS": f"X-Other: {SECRET}",
}


def endpoint(api: str, url: str, key: str | None) -> Endpoint:
    return Endpoint("toy", api, url, {"model": "tiny"}, key)


def by_openai(url: str, key: str | None) -> None:
    with openai_sdk.connect(endpoint("openai", url, key), 5.0, ExchangeRecorder()) as client:
        client.chat.completions.create(model="tiny", messages=openai_sdk.QUESTION)


def by_anthropic(url: str, key: str | None) -> None:
    with anthropic_sdk.connect(endpoint("anthropic", url, key), 5.0, ExchangeRecorder()) as client:
        client.messages.create(model="tiny", messages=anthropic_sdk.COMET, max_tokens=5)


def by_ollama(url: str, key: str | None) -> None:
    with closing(ApiClient(url, api_key=key)) as client:
        OllamaClient(client, endpoint("ollama", url, key)).official_client.list()


def by_langchain(api: str) -> Callable[[str, str | None], None]:
    def send(url: str, key: str | None) -> None:
        if langchain.missing():
            pytest.skip("langchain is not installed")
        langchain.run(api, url, "tiny", "ask a question", ExchangeRecorder(), key)

    return send


CLIENTS: dict[str, Callable[[str, str | None], None]] = {
    "OpenAI": by_openai,
    "Anthropic": by_anthropic,
    "Ollama": by_ollama,
    "LangChain with OpenAI": by_langchain("OpenAI"),
    "LangChain with Ollama": by_langchain("Ollama"),
}


def lines_of_head(serve: Serve, name: str, key: str | None) -> list[str]:
    """The lines of the first request that a client sends, without the port."""
    server = serve(json_reply({"error": "no"}, "400 Bad Request"))
    with suppress(Exception):
        CLIENTS[name](server.url, key)
    assert server.requests, f"{name} sent nothing"
    head = server.requests[0].partition(b"\r\n\r\n")[0].decode().splitlines()
    return sorted(line for line in head if not line.lower().startswith("host:"))


@pytest.fixture
def with_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setattr(project_configuration, "_ignored", [])
    monkeypatch.setattr(project_configuration, "_ignored_variables", [])
    with monkeypatch.context() as patch:
        yield patch


@pytest.mark.parametrize("key", [None, "key-of-the-target"])
@pytest.mark.parametrize("name", CLIENTS)
def test_they_change_no_request(
    serve: Serve, with_variables: pytest.MonkeyPatch, name: str, key: str | None
) -> None:
    remove_foreign_variables()
    expected = lines_of_head(serve, name, key)
    for variable, value in VARIABLES.items():
        with_variables.setenv(variable, value)
    remove_foreign_variables()
    assert lines_of_head(serve, name, key) == expected


def test_they_are_named_without_their_values(with_variables: pytest.MonkeyPatch) -> None:
    for variable, value in {**VARIABLES, "BEHAVE_STAGE": "other"}.items():
        with_variables.setenv(variable, value)
    project_configuration._ignored_variables += remove_foreign_variables()  # noqa: SLF001 - what a run removed
    own_files = project_configuration._project_files  # noqa: SLF001 - as after the start of a run
    with_variables.setattr("behave.configuration.config_filenames", own_files)
    line = require_project_configuration()
    assert "\n" not in line and SECRET not in line and ELSEWHERE not in line
    assert not [name for name in (*VARIABLES, "BEHAVE_STAGE") if name not in line]
    assert not [name for name in os.environ if name.startswith(tuple(FOREIGN_VARIABLES))]


def test_a_setting_of_the_suite_is_kept(with_variables: pytest.MonkeyPatch) -> None:
    settings = {
        name.upper() for name in Settings.model_fields if name.upper().startswith(tuple(FOREIGN_VARIABLES))
    }
    assert settings == SETTINGS_VARIABLES
    for name in settings:
        with_variables.setenv(name, "x")
    assert not SETTINGS_VARIABLES & set(remove_foreign_variables())
    assert set(os.environ) >= SETTINGS_VARIABLES


def test_a_program_under_test_inherits_none(with_variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = child_environment(tmp_path)
    for variable, value in VARIABLES.items():
        with_variables.setenv(variable, value)
    assert child_environment(tmp_path) == before


def test_a_misspelled_setting_is_named_without_its_value(with_variables: pytest.MonkeyPatch) -> None:
    for variable in ("TARGET_ULR", "OLLAMA_BIM"):
        with_variables.setenv(variable, SECRET)
    with_variables.setenv("TEST_PROT", " ")
    project_configuration._ignored_variables += remove_foreign_variables()  # noqa: SLF001 - what a run removed
    assert project_configuration.misspelled_variables() == (
        "no setting, and not used: environment variable OLLAMA_BIM (is OLLAMA_BIN meant?), "
        "TARGET_ULR (is TARGET_URL meant?)"
    )
