"""Where an Ollama is found, how it is got, and what is said when that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable, SettingsError
from support.programs.ollama import OLLAMA
from tests.servers.stand_in_programs import Programs

# What the real one prints without a server: two lines, the first of them about that.
PRINTS = (
    'echo "Warning: could not connect to a running Ollama instance"\necho "Warning: client version is {}"'
)


def ollama(programs: Programs, version: str, path: str) -> Path:
    return programs.shell(PRINTS.format(version), path)


def test_the_setting_comes_first_then_the_path_then_the_cache(programs: Programs) -> None:
    settings = programs.settings()
    assert OLLAMA.locate(settings) is None
    cached = ollama(programs, "0.16.2", "cache/ollama/bin/ollama")
    found = OLLAMA.locate(settings)
    assert found is not None and (found.path, found.version, found.origin) == (cached, "0.16.2", "cache")
    ollama(programs, "0.20.1", "path/ollama")
    found = OLLAMA.locate(settings)
    assert found is not None and (found.version, found.origin) == ("0.20.1", "PATH")
    chosen = ollama(programs, "0.9.0", "mine")
    found = OLLAMA.locate(programs.settings(ollama_bin=chosen))
    assert found is not None and (found.version, found.origin) == ("0.9.0", "setting")


def test_what_is_there_is_not_built_again(programs: Programs) -> None:
    ollama(programs, "0.17.4", "cache/ollama/bin/ollama")
    said: list[str] = []
    assert OLLAMA.get(programs.folder / "cache", said.append).version == "0.17.4"
    assert said == []


@pytest.mark.parametrize("body", ["exit 3", "echo hello"], ids=repr)
def test_a_program_that_is_no_ollama_is_told(programs: Programs, body: str) -> None:
    chosen = programs.shell(body, "mine")
    with pytest.raises(SettingsError, match="no Ollama that runs"):
        OLLAMA.locate(programs.settings(ollama_bin=chosen))


def test_a_server_that_runs_already_is_not_asked(programs: Programs) -> None:
    chosen = programs.shell('echo "ollama version is ${OLLAMA_HOST#http://127.0.0.1:}"', "mine")
    found = OLLAMA.locate(programs.settings(ollama_bin=chosen))
    assert found is not None and found.version == "9"


def refused(programs: Programs) -> str:
    with pytest.raises(ProgramUnavailable) as caught:
        OLLAMA.get(programs.folder / "cache", lambda _words: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_missing_tools_are_told_at_once(programs: Programs) -> None:
    assert "go, g++ not found" in refused(programs)


def test_an_old_go_is_told(programs: Programs) -> None:
    programs.shell("echo go version go1.20.3 linux/amd64", "path/go")
    programs.shell("exit 0", "path/g++")
    assert "needs Go 1.24 or newer, found 'go version go1.20.3" in refused(programs)


def test_missing_headers_are_told_by_their_packages(programs: Programs) -> None:
    programs.shell("echo go version go1.26.0 linux/amd64", "path/go")
    programs.shell("exit 1", "path/g++")
    assert "install the packages nlohmann-json3-dev, libstb-dev" in refused(programs)


GO = r"""case $1 in
version) echo go version go1.26.0 linux/amd64 ;;
mod) printf '{"Dir": "%s"}' '{module}' ;;
install) {install} ;;
esac"""


def fake_go(programs: Programs, monkeypatch: pytest.MonkeyPatch, install: str) -> None:
    monkeypatch.setenv("PATH", f"{programs.folder / 'path'}:/bin:/usr/bin")
    module = programs.folder / "module"
    module.mkdir()
    (module / "miniaudio.h").write_text("// sounds")
    programs.shell(GO.replace("{module}", str(module)).replace("{install}", install), "path/go")
    programs.shell("exit 0", "path/g++")


def test_it_is_built_with_its_header_and_its_version(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = f"mkdir -p $GOBIN && cp {ollama(programs, '0.17.4', 'made')} $GOBIN/ollama; echo $* $CGO_CFLAGS"
    fake_go(programs, monkeypatch, made)
    found = OLLAMA.get(programs.folder / "cache", lambda _words: None)
    assert (found.version, found.origin) == ("0.17.4", "cache")
    log = (programs.folder / "cache" / "ollama" / "install.log").read_text()
    assert "version.Version=0.17.4 github.com/ollama/ollama@v0.17.4" in log
    include = programs.folder / "cache" / "ollama" / "include"
    assert f"-I{include}" in log and (include / "miniaudio" / "miniaudio.h").read_text() == "// sounds"


def test_a_failed_build_tells_its_first_error_and_its_log(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(programs, monkeypatch, "echo building; echo 'ggml.h: fatal error: no such file'; exit 1")
    message = refused(programs)
    assert "go install failed: ggml.h: fatal error: no such file; full log: " in message
    assert message.endswith("install.log")
