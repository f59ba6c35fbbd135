"""Nothing of the user's own configuration of Aider and git is read or changed: a home with traps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from support.aider import cecli
from support.aider.host import AiderHost, aider_environment
from support.aider.project import Project, ProjectSource
from support.aider.server import ConnectedServer
from support.chat.client import OPENAI_CHAT, ChatEndpoint
from support.http.recording_proxy import RecordingProxy
from support.programs.aider import AIDER, CECLI
from support.programs.install import InstalledProgram
from support.programs.process import run_command
from support.settings import load_settings
from tests.timeouts import PATIENCE

HOOK = '#!/bin/sh\ntouch "{home}/hook-ran"\nexit 1\n'
GITCONFIG = """[commit]
gpgsign = true
[gpg]
program = false
[core]
hooksPath = {home}/hooks
[init]
templateDir = {home}/template
[user]
name = The User
"""
VARIABLES = {
    "AIDER_EDIT_FORMAT": "typed",
    "AIDER_MODEL": "gpt-of-the-user",
    "AIDER_ANALYTICS_LOG": "analytics",
    "CECLI_EDIT_FORMAT": "typed",
    "CECLI_MODEL": "gpt-of-the-user",
    "OPENAI_API_BASE": "http://example.org",
    "OLLAMA_API_BASE": "http://example.org",
    "OPENAI_API_KEY": "key-of-the-user",
    "GIT_DIR": "/nowhere",
    "GIT_AUTHOR_NAME": "The User",
    "GIT_CONFIG_GLOBAL": "/nowhere",
    "LC_ALL": "de_DE.ISO-8859-1",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home of the user"
    for folder in ("hooks", "template/hooks"):
        (home / folder).mkdir(parents=True)
        hook = home / folder / "pre-commit"
        hook.write_text(HOOK.format(home=home))
        hook.chmod(0o755)
    (home / ".gitconfig").write_text(GITCONFIG.format(home=home))
    (home / ".aider.conf.yml").write_text("no-such-key: 1\n")
    (home / ".aider.model.settings.yml").write_text("- no_such_field: 1\n")
    (home / ".env").write_text("AIDER_EDIT_FORMAT=typed\n")
    (home / ".cecli.conf.yml").write_text("no-such-key: 1\n")
    for name, value in {"HOME": str(home), "XDG_CONFIG_HOME": str(home), **VARIABLES}.items():
        monkeypatch.setenv(name, value)
    return home


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def test_a_project_is_committed_without_the_users_git_configuration(home: Path, tmp_path: Path) -> None:
    before = contents(home)
    project = Project(ProjectSource.load("museum"), tmp_path / "project", tmp_path / "own")
    words = ["git", "log", "-1", "--format=%an <%ae>"]
    done = run_command(words, within=PATIENCE, env=project.environment, cwd=project.folder)
    assert (project.uncommitted, done.stdout) == ([], "A Developer <developer@example.org>\n")
    assert contents(home) == before


# Before a fixture replaces the home.
CACHE = load_settings().settings.acceptance_cache_dir
INSTALLED, SUCCESSOR = AIDER.find(CACHE), CECLI.find(CACHE)


@pytest.fixture
def host(home: Path, tmp_path: Path) -> Iterator[AiderHost]:
    assert INSTALLED is not None
    assert home.is_dir()
    # Longer than the address of a socket can be.
    folder = tmp_path / ("a long name with blanks " * 5)
    folder.mkdir()
    with closing(_Closable(INSTALLED, folder)) as made:
        made.wait_until_imported(PATIENCE)
        yield made


class _Closable(AiderHost):
    def close(self) -> None:
        self.stop()


@pytest.mark.skipif(INSTALLED is None, reason="Aider is not installed: `acceptance get aider`")
def test_aider_starts_without_the_users_configuration(home: Path, host: AiderHost, tmp_path: Path) -> None:
    before = contents(home)
    project = Project(ProjectSource.load("museum"), tmp_path / "project", tmp_path / "own")
    connections = tmp_path / "connections"
    words = [
        "--model",
        "openai/default",
        "--exit",
        "--no-check-update",
        "--analytics-disable",
        "--yes-always",
    ]
    words += ["--no-show-model-warnings", "--no-show-release-notes", "--no-pretty", "--no-gitignore"]
    environment = aider_environment(tmp_path / "own", connections, OPENAI_API_KEY="unused")
    done = run_command(host.command(words), within=PATIENCE, env=environment, cwd=project.folder)
    assert done.exit_code == 0, done.describe()
    assert "Model: openai/default" in done.stdout
    assert project.uncommitted == []
    assert contents(home) == before


@pytest.mark.skipif(INSTALLED is None, reason="Aider is not installed: `acceptance get aider`")
def test_the_version_is_found_with_a_wrong_configuration_of_the_user(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(INSTALLED, InstalledProgram)
    monkeypatch.setattr("support.programs.aider._versions", {})
    before = contents(home)
    again = AIDER.find(INSTALLED.path.parents[3])
    assert again == INSTALLED
    assert contents(home) == before


@pytest.mark.skipif(SUCCESSOR is None, reason="cecli is not installed: `acceptance get cecli`")
def test_cecli_starts_without_the_users_configuration_and_stays_on_this_machine(
    home: Path, tmp_path: Path
) -> None:
    assert SUCCESSOR is not None
    before = contents(home)
    project = Project(ProjectSource.load("museum"), tmp_path / "project", tmp_path / "own")
    connections = tmp_path / "connections"
    # Nothing listens there.
    proxy = cast(RecordingProxy, SimpleNamespace(url="http://127.0.0.1:1"))
    server = ConnectedServer(ChatEndpoint("", "", "default", OPENAI_CHAT), proxy, None, "unused")
    model, variables = cecli.connection(server)
    words = ["--model", model, *cecli.FLAGS, "--yes-always", "--exit"]
    environment = aider_environment(tmp_path / "own", connections, **variables)
    done = run_command(cecli.command(SUCCESSOR, words), within=PATIENCE, env=environment, cwd=project.folder)
    assert done.exit_code == 0, done.describe()
    # The second one: urllib3 tries whether there is IPv6, by binding a socket to its loopback address.
    assert set(connections.read_text().splitlines()) == {"127.0.0.1 1", "::1 0"}
    assert project.uncommitted == []
    assert contents(home) == before
