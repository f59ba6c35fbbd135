"""How a chat is called in each version, and what a machine says that cannot have one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from support.errors import ProgramUnavailable
from support.programs.system_program import TMUX
from support.runner import requirements
from support.servers.command_line import ModelArguments, chat_command_prefix, command_line_of
from support.servers.discovery import CommandTarget
from support.settings import Settings
from support.terminal.chat import as_printed, as_typed

TARGET = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", "a test")
MODEL = ModelArguments(Path("models"), "model.gguf", "gguf")


@pytest.mark.parametrize(
    ("version", "sign"),
    [("0.6.0", "\\"), ("0.7.9", "\\"), ("0.8.0", "/"), ("0.8.1", "/"), ("0.9.5", "/"), ("unknown", "/")],
)
def test_commands_begin_as_the_version_wants(version: str, sign: str) -> None:
    assert chat_command_prefix(version) == sign


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("/temperature 0.5", "\\temperature 0.5"),
        ("/exit", "\\exit"),
        ("/exit through the orchard", "/exit through the orchard"),
        ("Tell me about 1/2", "Tell me about 1/2"),
    ],
)
def test_a_command_is_typed_with_the_prefix_of_the_version(line: str, typed: str) -> None:
    assert as_typed(line, "\\") == typed
    assert as_typed(line, "/") == line


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("/exit", "\\exit"),
        ("format is `/topk <int>`", "format is `\\topk <int>`"),
        ("10 tokens/second", "10 tokens/second"),
        ("the file /nowhere", "the file /nowhere"),
    ],
)
def test_a_command_is_printed_with_the_prefix_of_the_version(words: str, printed: str) -> None:
    assert as_printed(words, "\\") == printed
    assert as_printed(words, "/") == words


def test_a_chat_is_called_as_the_program_wants() -> None:
    model = ["-m", "models", "--format", "gguf", "-f", "model.gguf"]
    assert command_line_of("mistralrs").chat(MODEL) == ["run", *model]
    assert command_line_of("mistralrs").ask_once(MODEL, "Why?") == ["run", *model, "-i", "Why?"]
    legacy = command_line_of("mistralrs-server").chat(MODEL)
    assert legacy == ["-i", "gguf", "-m", "models", "-f", "model.gguf"]


def test_a_system_without_pseudo_terminals_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(acceptance_cache_dir=tmp_path)
    assert requirements.Requirements(settings, TARGET).missing(["needs.pty"]) is None
    monkeypatch.setattr(requirements, "os", SimpleNamespace(name="nt"))
    assert "pexpect does not have on Windows" in str(
        requirements.Requirements(settings, TARGET).missing(["needs.pty"])
    )


def test_a_machine_without_tmux_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(acceptance_cache_dir=tmp_path)
    told = str(requirements.Requirements(settings, TARGET).missing(["needs.tmux"]))
    assert "`apt-get install tmux (or brew install tmux)`" in told
    with pytest.raises(ProgramUnavailable, match="not on the PATH"):
        TMUX.get(tmp_path, print)


@pytest.mark.parametrize(
    ("said", "found"),
    [("tmux 3.1c", False), ("tmux 3.2", True), ("tmux 3.5a", True), ("tmux next-3.6", True), ("", False)],
)
def test_a_tmux_that_is_too_old_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, *, found: bool
) -> None:
    program = tmp_path / "tmux"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (TMUX.find(tmp_path) is not None) is found
